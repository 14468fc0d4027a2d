# SPDX-License-Identifier: Apache-2.0
"""Train the cord's network in several sizes, all alike, and score each end to end.

    python Testing/evaluation/sizes_trained.py FOLDER

keeps its trainings in FOLDER, goes on with those that it holds, and writes
``Testing/evaluation/sizes_trained.csv``, which ``sizes.py`` shows. Each network begins from random
numbers and learns as ``cord.toml`` says, but for its size and for fewer steps. Hours on one core;
``--network`` and ``--seed`` leave parts to other cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from cord import SCANS, score
from score_files import write_csv
from sizes import SHARED, SIZES, TRAINED_ALIKE, Size, Trained, trained_alike

from SpinalCordSegLib.training.recipe import train_model

STEPS = 1000
_TRAINED = ("4 filters", "8 filters: shipped", "16 filters")
_SEEDS = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", choices=_TRAINED, help="this one alone")
    parser.add_argument("--seed", type=int, choices=_SEEDS, help="this one alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for size in (s for s in SIZES if s.name in _TRAINED):
        for seed in _SEEDS:
            if arguments.network in (None, size.name) and arguments.seed in (None, seed):
                row = trained(size, seed, arguments.folder)
                print(row, flush=True)
                _keep(row)


def trained(size: Size, seed: int, folder: Path) -> Trained:
    """Train a network, or go on with it, and score it."""
    parts = (f"parameters.{name}={widths}" for name, widths in size.parameters.items())
    weights = train_model(
        "cord",
        SHARED / "labels",
        folder / f"{size.filters}_{seed}",
        changes=(f"steps={STEPS}", f"seed={seed}", *parts),
        progress=lambda _, message: print(message, flush=True),
    )
    values = [score(*scan, [str(weights)], None).dice for scan in SCANS]
    return Trained(size.name, seed, STEPS, float(np.mean(values)), min(values))


def _keep(row: Trained) -> None:
    """Put a row into the table, in the place of that of an earlier training like it."""
    rows = [r for r in trained_alike() if (r.network, r.seed) != (row.network, row.seed)]
    names = [size.name for size in SIZES]
    rows = sorted([*rows, row], key=lambda r: (names.index(r.network), r.seed))
    write_csv(TRAINED_ALIKE, rows)


if __name__ == "__main__":
    main()
