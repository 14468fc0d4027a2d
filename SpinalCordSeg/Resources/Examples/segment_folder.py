# SPDX-License-Identifier: Apache-2.0
"""Segment every scan of a folder in Slicer, without its window.

    Slicer --no-splash --no-main-window --python-script segment_folder.py FOLDER RESULTS

writes for each scan NAME.seg.nrrd, NAME.mrk.json (the centerline) and NAME.tsv (area per slice)
into RESULTS, and prints a line with the slices worth a look. A scan that fails is named, and the
others go on; the exit status is the number of scans that failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from SpinalCordSegCore.logic import SpinalCordSegLogic
from SpinalCordSegCore.messages import Failure

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def segment_folder(folder: Path, results: Path, logic: SpinalCordSegLogic) -> int:
    """Segment the scans of a folder and return how many failed."""
    results.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in sorted(folder.iterdir()):
        suffix = next((end for end in SUFFIXES if path.name.endswith(end)), None)
        if suffix is None:
            continue
        name = path.name.removesuffix(suffix)
        try:
            print(f"{name}: {_segment(path, name, results, logic)}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"{name}: FAILED: {failure}", flush=True)
        # One scan in memory at a time.
        slicer.mrmlScene.Clear(0)
    return failed


def _segment(path: Path, name: str, results: Path, logic: SpinalCordSegLogic) -> str:
    outcome: Any = logic.segment(slicer.util.loadVolume(str(path)))
    for node, suffix in (
        (outcome.segmentationNode, ".seg.nrrd"),
        (outcome.curveNode, ".mrk.json"),
        (outcome.tableNode, ".tsv"),
    ):
        slicer.util.saveNode(node, str(results / f"{name}{suffix}"))
    slices = ", ".join(str(row.sliceIndex) for row in outcome.reviewRows) or "none"
    return f"{outcome.seconds:.0f} s, slices worth a look: {slices}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(__doc__)
        status = 2
    else:
        status = segment_folder(Path(sys.argv[1]), Path(sys.argv[2]), SpinalCordSegLogic())
    if hasattr(slicer, "app"):
        slicer.util.exit(status)
    sys.exit(status)
