# SPDX-License-Identifier: Apache-2.0
"""How many synthetic samples a second.

    python Testing/benchmarks/generator.py

CPU seconds of one process on one thread, and the clock with two such processes. Where there is a
GPU, the clock on it too. Needs the label maps in the shared folder.

Writes ``Testing/benchmarks/generator.md``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
sys.path.insert(0, str(CHECKOUT))

from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, upload  # noqa: E402
from SpinalCordSegLib.training.gray_matter_sections import build_sections  # noqa: E402
from SpinalCordSegLib.training.samples import synthetic_sample  # noqa: E402
from SpinalCordSegLib.training.tissue_atlas import build_tissue_atlas  # noqa: E402

# Name, voxels, spacing, how far off the middle, targets.
KINDS = (
    ("cord, 3D", (64, 64, 48), (0.5, 0.5, 1.0), (5.0, 5.0), ("cord",)),
    ("cord and lesion, 3D", (48, 48, 48), (0.5, 0.5, 0.5), (3.0, 3.0), ("cord", "lesion")),
    ("centerline, slices", (96, 96, 1), (1.0, 1.0, 2.0), (34.0, 34.0), ("cord",)),
    ("gray matter, slices", (80, 80, 1), (0.3, 0.3, 1.0), (2.5, 2.5), ("gray_matter",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = report(arguments.samples)
    (FOLDER / "generator.md").write_text(text, encoding="utf-8")
    print(text)


def report(count: int) -> str:
    """Measure everything and return the page."""
    atlas, sections = build_tissue_atlas(SHARED / "labels"), build_sections(SHARED / "labels")
    plain, fine = upload(atlas, "cpu"), upload(atlas, "cpu", sections=sections)
    gpu = torch.cuda.is_available()
    lines = [
        "# Synthetic samples a second",
        "",
        f"Made by `python Testing/benchmarks/generator.py`, {count} samples of each kind, on",
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}.",
        f"{os.cpu_count()} CPUs, {os.getloadavg()[0]:.1f} processes waiting when this began:",
        "with more than none, the clock tells little.",
        "",
        "| samples | size | a CPU second, one thread | a second by the clock, two processes |"
        + (" a second on the GPU |" if gpu else ""),
        "|---|---|---|---|" + ("---|" if gpu else ""),
    ]
    for kind in KINDS:
        name, shape, spacing, _, targets = kind
        tensors = fine if "gray_matter" in targets else plain
        row = [name, f"{' × '.join(map(str, shape))} at {' × '.join(map(str, spacing))} mm"]
        row.append(f"{count / cpu_seconds(tensors, kind, count):.0f}")
        row.append(f"{2 * count / two_processes(tensors, kind, count):.0f}")
        if gpu:
            on_gpu = upload(atlas, "cuda", sections=sections if tensors is fine else None)
            row.append(f"{count / gpu_seconds(on_gpu, kind, count):.0f}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def cpu_seconds(atlas: AtlasTensors, kind: tuple, count: int) -> float:  # type: ignore[type-arg]
    """Return the CPU seconds of this process for so many samples."""
    make(atlas, kind, 3)
    start = time.process_time()
    make(atlas, kind, count)
    return time.process_time() - start


def two_processes(atlas: AtlasTensors, kind: tuple, count: int) -> float:  # type: ignore[type-arg]
    """Return the seconds in which two processes make so many samples each."""
    processes = [
        multiprocessing.get_context("fork").Process(target=make, args=(atlas, kind, count, run))
        for run in range(2)
    ]
    start = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return time.perf_counter() - start


def gpu_seconds(atlas: AtlasTensors, kind: tuple, count: int) -> float:  # type: ignore[type-arg]
    """Return the seconds for so many samples, one after the other."""
    make(atlas, kind, 10)
    torch.cuda.synchronize()
    start = time.perf_counter()
    make(atlas, kind, count)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def make(atlas: AtlasTensors, kind: tuple, count: int, run: int = 0) -> None:  # type: ignore[type-arg]
    """Make samples and forget them."""
    _, shape, spacing, off_centre, targets = kind
    ranges = AnatomyRange(off_centre)
    for index in range(count):
        synthetic_sample(atlas, (run, index), shape, spacing, ranges, targets)


if __name__ == "__main__":
    main()
