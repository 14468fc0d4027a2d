# SPDX-License-Identifier: Apache-2.0
"""What a larger cord network costs, and what it gives.

    python Testing/evaluation/sizes.py

writes ``Testing/evaluation/sizes.md``, ``sizes.csv`` and ``sizes.svg``. The time is that of the
cord's network along a curve that is known: CPU seconds of one thread. It does not depend on the
numbers in a network, so all are timed with random ones. Dice is there for those that were trained:
the one that ships, an earlier one, and those that ``sizes_trained.py`` trained alike.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.networks import build_network, place
from SpinalCordSegLib.segmentation.along_curve import straighten
from SpinalCordSegLib.segmentation.patches import predict_along

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

TRAINED_ALIKE = FOLDER / "sizes_trained.csv"
_SCAN = "subj-a/t2w"
_REPEATS = 5
# The 85 k network was trained when it was found that this can be done at all; its figures are of
# the same scans, with patches centred by the reference, at the thresholds 0.5 and 0.4.
_EARLIER_DICE = 0.938


@dataclass(frozen=True)
class Size:
    """A network and the block that it sees.

    Attributes
    ----------
    name : str
    filters, levels : int
        Of the first level, twice as many on each further one; levels above the bottleneck.
    spacing_mm, patch_voxels : (x, y, z)
    dice : str
        Where Dice comes from: ``shipped`` (``cord.csv``), ``earlier`` or nothing.
    """

    name: str
    filters: int
    levels: int
    spacing_mm: tuple[float, float, float]
    patch_voxels: tuple[int, int, int]
    dice: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the network is built with."""
        widths = [self.filters * 2**level for level in range(self.levels)]
        # The shipped network's bottleneck is half as wide again, the paper's twice as wide.
        deepest = widths[-1] * 3 // 2 if self.levels == 3 else widths[-1] * 2
        encoder = [[w, w] for w in widths]
        return {"encoder": encoder, "bottleneck": [deepest] * 2, "decoder": encoder[::-1]}


_OURS = ((0.5, 0.5, 1.0), (64, 64, 32))
_PAPERS = ((0.5, 0.5, 0.5), (64, 64, 48))

SIZES = (
    Size("4 filters", 4, 3, *_OURS),
    Size("8 filters: shipped", 8, 3, *_OURS, dice="shipped"),
    Size("16 filters", 16, 3, *_OURS),
    Size("32 filters", 32, 3, *_OURS),
    Size("8 filters, 2 levels: earlier", 8, 2, *_PAPERS, dice="earlier"),
    Size("32 filters, 2 levels: the paper's", 32, 2, *_PAPERS),
)


@dataclass(frozen=True)
class Row:
    """What was measured. Dice is NaN where the network was not trained.

    `dice` is that of a whole training, `dice_alike` of the few steps that other sizes had too.
    """

    network: str
    parameters: int
    seconds_per_100_mm: float
    dice: float
    dice_alike: float


@dataclass(frozen=True)
class Trained:
    """One training like the others: Dice over the development scans, end to end, as in use."""

    network: str
    seed: int
    steps: int
    dice: float
    worst: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for size in SIZES:
        rows.append(measure(size))
        print(rows[-1], flush=True)
    (arguments.output / "sizes.md").write_text(table(rows), encoding="utf-8")
    (arguments.output / "sizes.svg").write_text(figure(rows), encoding="utf-8")
    write_csv(arguments.output / "sizes.csv", rows)
    print(table(rows))


def measure(size: Size) -> Row:
    """Time a network, of random numbers, along the curve of one scan."""
    torch.manual_seed(0)
    network = build_network("unet3d", size.parameters)
    network.eval()
    length = size.patch_voxels[2]
    block = _block(size)
    rows = round(100 / size.spacing_mm[2])
    # The scan shows less than 100 mm of cord.
    block = np.pad(block, ((0, 0), (0, 0), (0, rows)), mode="symmetric")[:, :, :rows]
    seconds = []
    # The least is nearest to what an idle machine takes; what costs much is timed twice.
    for _ in range(_REPEATS if size.filters < 32 else 2):
        start = time.process_time()
        predict_along(block, place(network, "cpu"), length)
        seconds.append(time.process_time() - start)
    return Row(
        size.name,
        sum(p.numel() for p in network.parameters()),
        min(seconds),
        _dice(size.dice),
        _dice_alike(size.name),
    )


def trained_alike() -> list[Trained]:
    """Return what ``sizes_trained.py`` has trained; nothing if its table is not there."""
    if not TRAINED_ALIKE.is_file():
        return []
    with TRAINED_ALIKE.open(encoding="utf-8", newline="") as handle:
        return [
            Trained(
                r["network"], int(r["seed"]), int(r["steps"]), float(r["dice"]), float(r["worst"])
            )
            for r in csv.DictReader(handle)
        ]


def table(rows: list[Row]) -> str:
    """Return the page."""
    shipped = next(r for r in rows if "shipped" in r.network)
    paper = next(r for r in rows if "paper" in r.network)
    wide = next(r for r in rows if r.network == "16 filters")
    lines = [
        "# Size of the cord's network",
        "",
        "Made by `python Testing/evaluation/sizes.py`: CPU seconds of one thread for 100 mm of",
        f"cord, that of {_SCAN} and its mirror image, which follows it; the curve is known,",
        "and resampling left out. *Dice*: mean over the development scans, end to end (`cord.md`)",
        "for the shipped network; the earlier one's (at 0.5 mm along the cord, too) is of patches",
        "centred by the reference, which flatters it. *Alike*: the same after 1,000 steps from",
        "random numbers, a fifteenth of the shipped network's training, as",
        "`python Testing/evaluation/sizes_trained.py FOLDER` does it: with the recipe of",
        "`cord.toml` and the shipped network's thresholds, both as they were before commit",
        "65fd709 (0.34 and 0.48; fluid did not lie around the cord on all sides); mean of the",
        f"seeds, each with its own samples: {_seeds()}.",
        "",
        "![Dice against CPU seconds](sizes.svg)",
        "",
        "| network | parameters | CPU s per 100 mm | Dice, alike | Dice |",
        "|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r.network} | {r.parameters:,} | {r.seconds_per_100_mm:.1f} "
            f"| {_shown(r.dice_alike)} | {_shown(r.dice)} |"
        )
    lines += [
        "",
        "**Why this size.** Twice the filters cost "
        f"{wide.seconds_per_100_mm / shipped.seconds_per_100_mm:.1f} times as much; the paper's "
        "network, at the paper's 0.5 mm along",
        f"the cord, {paper.seconds_per_100_mm / shipped.seconds_per_100_mm:.0f} times. The earlier "
        "network's Dice stayed flat over its last 900 of 3,200 training steps,",
        "and what was left differed in sign between scans: raters' conventions more than a lack of",
        "room in the network. So the shipped network spends on a third level, which sees further",
        "for little, and saves by 1 mm steps along the cord. After as many steps, twice the",
        "filters are ahead by less than two seeds of one size are apart, four times by about as",
        "much (16 filters: one seed). With 16 a step of training took 2.4 times as long as with 8,",
        "and a whole scan would take two to three seconds longer, past the three it is to take.",
        "Steps were worth more than width: the shipped network, fifteen times as long at it, is",
        "ahead of all. What a wider one would be worth after as many is not known.",
        "",
    ]
    return "\n".join(lines)


def figure(rows: list[Row]) -> str:
    """Return the figure: Dice against seconds where it is known; times of the others."""
    width, height, left, bottom, top = 560, 300, 60, 60, 30
    seconds = [r.seconds_per_100_mm for r in rows]
    low, high = np.log10(min(seconds) / 1.6), np.log10(max(seconds) * 1.6)
    known = [d for r in rows for d in (r.dice, r.dice_alike) if not np.isnan(d)]
    floor, ceiling = np.floor(50 * min(known) - 0.5) / 50, 0.96
    trained = [r.seconds_per_100_mm for r in rows if not np.isnan(r.dice)]

    def x(value: float) -> float:
        return left + (np.log10(value) - low) / (high - low) * (width - left - 20)

    def y(dice: float) -> float:
        return height - bottom - (dice - floor) / (ceiling - floor) * (height - bottom - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left} {top}V{height - bottom}H{width - 20}" fill="none" stroke="black"/>',
        f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">CPU seconds for 100 mm of '
        "cord, one thread (logarithmic)</text>",
        f'<text x="14" y="{top - 12}">Dice</text>',
    ]
    for dice in np.arange(floor, ceiling + 0.01, 0.02):
        parts.append(
            f'<text x="{left - 6}" y="{y(dice) + 4:.0f}" text-anchor="end">{dice:.2f}</text>'
        )
        parts.append(f'<path d="M{left} {y(dice):.0f}H{width - 20}" stroke="#ddd"/>')
    for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        if low < np.log10(tick) < high:
            parts.append(
                f'<text x="{x(tick):.0f}" y="{height - bottom + 15}" text-anchor="middle">'
                f"{tick:g}</text>"
            )
    alike = [(x(r.seconds_per_100_mm), y(r.dice_alike)) for r in rows if r.dice_alike > 0]
    if alike:
        path = "L".join(f"{across:.0f} {down:.0f}" for across, down in alike)
        parts.append(f'<path d="M{path}" fill="none" stroke="#1b6ca8" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across:.0f}" cy="{down:.0f}" r="4" fill="#1b6ca8"/>'
            for across, down in alike
        ]
        across, down = alike[-1]
        parts.append(
            f'<text x="{across + 8:.0f}" y="{down + 4:.0f}" fill="#1b6ca8">'
            "4, 8, 16 filters after 1,000 steps each</text>"
        )
    for number, r in enumerate(sorted(rows, key=lambda r: r.seconds_per_100_mm)):
        place = x(r.seconds_per_100_mm)
        if np.isnan(r.dice):
            # Not trained: only its time is known.
            parts.append(
                f'<path d="M{place:.0f} {height - bottom}v-8" stroke="#888" stroke-width="2"/>'
            )
            level = height - bottom - 12 - 14 * (number % 2)
            colour = "#666"
        else:
            parts.append(f'<circle cx="{place:.0f}" cy="{y(r.dice):.0f}" r="5" fill="#d95f02"/>')
            level, colour = y(r.dice) - 9, "black"
        # Of the two with Dice the quicker one's name goes to the left; so does what is far right.
        first = not np.isnan(r.dice) and r.seconds_per_100_mm == min(trained)
        anchor = "end" if first or place > 0.6 * width else "start"
        parts.append(
            f'<text x="{place:.0f}" y="{level:.0f}" text-anchor="{anchor}" fill="{colour}">'
            f"{r.network}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _block(size: Size) -> np.ndarray:
    """Return the straight block around the cord of one scan, as the network sees it."""
    from SpinalCordSegLib.images import array_from, to_network_order

    image = scs.read_image(SHARED / "data" / f"{_SCAN}.nii.gz")
    mask = scs.read_image(SHARED / "data" / f"{_SCAN}_centerline.nii.gz")
    ordered = to_network_order(image)
    curve = Centerline.from_mask(mask).in_slices(ordered)
    block = straighten(
        array_from(ordered), ordered.GetSpacing(), curve, size.spacing_mm, size.patch_voxels[:2]
    )
    return block.values


def _shown(dice: float) -> str:
    return "-" if np.isnan(dice) else f"{dice:.3f}"


def _dice_alike(network: str) -> float:
    """Return the mean over the seeds that ``sizes_trained.py`` has trained."""
    found = [r.dice for r in trained_alike() if r.network == network]
    return statistics.mean(found) if found else float("nan")


def _seeds() -> str:
    """Return the Dice of every training alike."""
    return "; ".join(
        f"{r.network.split(':')[0]}, seed {r.seed}: {r.dice:.3f}" for r in trained_alike()
    )


def _dice(source: str) -> float:
    if source == "earlier":
        return _EARLIER_DICE
    path = FOLDER / "cord.csv"
    if source != "shipped" or not path.is_file():
        return float("nan")
    with path.open(encoding="utf-8", newline="") as handle:
        return statistics.mean(float(row["dice"]) for row in csv.DictReader(handle))


if __name__ == "__main__":
    main()
