# SPDX-License-Identifier: Apache-2.0
"""What a user of the extension waits for: Apply, a busy window, Cancel, and repairing slices.

    python Testing/benchmarks/slicer_worker.py

A scene of Slicer without its application (slicer_core), polled every 100 ms as the panel does, and
a cold worker process. What the main thread does is all the extension adds to the window's own
work: starting, polling, and putting the result into the scene.

Writes ``Testing/benchmarks/slicer_worker.md``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("ITK_GLOBAL_DEFAULT_THREADER", "Platform")
sys.path.append(str(Path(__file__).parents[2]))
sys.path.append(str(Path(__file__).parents[2] / "SpinalCordSeg"))
sys.path.append(str(Path(__file__).parents[1] / "slicer" / "mrml"))

import numpy as np
import scene as scenes
from SpinalCordSegCore.correction import repair_slices
from SpinalCordSegCore.logic import Outcome, SpinalCordSegLogic
from SpinalCordSegCore.run import Run
from SpinalCordSegCore.segmentation import mask_of, write_mask

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[2] / "shared"))
SCANS = ("subj-a/t2w_full", "subj-a/t2w", "subj-c/t2s")
REPEATS = 3
POLL_SECONDS = 0.1


def main() -> None:
    """Measure each scan and write the report."""
    lines = [
        "# What a user of the extension waits for",
        "",
        "Made by `python Testing/benchmarks/slicer_worker.py` on a machine of two cores",
        f"(load {os.getloadavg()[0]:.1f} at the start). Fastest of {REPEATS} runs",
        "with a cold worker; all milliseconds of the main thread are of the slowest run.",
        "",
        "| scan | Apply to segment, s | start, ms | polling, 95th percentile, ms | result into the "
        "scene, ms | Cancel, s | repair of 3 slices, s | Dice of these slices |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for scan in SCANS:
        booted = scenes.boot()
        volume = scenes.add_volume(booted.scene, SHARED / "data" / f"{scan}.nii.gz")
        runs = [_apply(volume) for _ in range(REPEATS)]
        seconds = min(run["seconds"] for run in runs)
        start, poll, deliver = (
            1000 * max(run[name] for run in runs) for name in ("start", "poll", "deliver")
        )
        repair, dice = _repair(volume, runs[-1]["outcome"])
        lines.append(
            f"| {scan} | {seconds:.1f} | {start:.0f} | {poll:.1f} | {deliver:.0f} | "
            f"{_cancel(volume):.2f} | {repair:.2f} | {dice:.3f} |"
        )
        print(lines[-1], flush=True)
        if scan == SCANS[0]:
            told = _correction(seconds, repair)
    lines += ["", *told]
    (FOLDER / "slicer_worker.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _correction(seconds: float, repair: float) -> list[str]:
    """Return what correcting three slices costs a user, in words."""
    return [
        f"Three bad slices, from Apply to a good mask, on {SCANS[0]}: {seconds + repair:.1f} s of",
        "computing and 7 clicks (Apply, the three slices in the review list, Edit in Segment",
        "Editor, Review list, Repair slices), made on real widgets by",
        "`Testing/slicer/gui/test_clicks.py`.",
        "Drawing eight slices and filling between them took a user of Slicer's forum two minutes.",
    ]


def _apply(volume: Any) -> dict[str, Any]:
    begin = time.perf_counter()
    run = SpinalCordSegLogic().segment(volume, wait=False)
    start, polls = time.perf_counter() - begin, []
    assert isinstance(run, Run)
    while run.isRunning:
        time.sleep(POLL_SECONDS)
        before = time.perf_counter()
        run.poll()
        polls.append(time.perf_counter() - before)
    return {
        "seconds": time.perf_counter() - begin,
        "start": start,
        "poll": float(np.percentile(polls[:-1], 95)),
        "deliver": polls[-1],
        "outcome": run.outcome,
    }


def _cancel(volume: Any) -> float:
    run = SpinalCordSegLogic().segment(volume, wait=False)
    assert isinstance(run, Run)
    # Midway: when everything is loaded, and before the fastest of runs ends.
    while run.isRunning and run.secondsElapsed < 2:
        time.sleep(POLL_SECONDS)
        run.poll()
    before = time.perf_counter()
    run.cancel()
    return time.perf_counter() - before


def _repair(volume: Any, outcome: Outcome) -> tuple[float, float]:
    """Spoil three slices (gone, leaked, shifted), repair them, and compare with the run's own."""
    node = outcome.segmentationNode
    mask = mask_of(node, "cord", volume)
    axis = int(np.argmin(np.ptp(np.argwhere(mask), axis=0) * -np.array(volume.GetSpacing())))
    present = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    bad = [int(k) for k in present[[present.size // 4, present.size // 2, 3 * present.size // 4]]]
    spoiled = mask.copy()
    layers = np.moveaxis(spoiled, axis, 0)
    layers[bad[0]] = False
    layers[bad[1]] |= np.roll(layers[bad[1]], 4, axis=0) | np.roll(layers[bad[1]], 8, axis=0)
    layers[bad[2]] = np.roll(layers[bad[2]], 5, axis=1)
    write_mask(node, "cord", volume, spoiled)
    before = time.perf_counter()
    repair_slices(None, node, "cord", volume, bad)
    seconds = time.perf_counter() - before
    found, true = (np.moveaxis(m, axis, 0)[bad] for m in (mask_of(node, "cord", volume), mask))
    return seconds, float(2 * (found & true).sum() / (found.sum() + true.sum()))


if __name__ == "__main__":
    main()
