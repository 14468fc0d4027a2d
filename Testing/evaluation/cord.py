# SPDX-License-Identifier: Apache-2.0
"""Score the default weights, end to end, on the development scans.

    python Testing/evaluation/cord.py

writes ``Testing/evaluation/cord.md`` and ``cord.csv``: contrast not told, own centerline, nothing
chosen for a single scan. A scan that fails scores 0.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.evaluation.metrics import (
    dice,
    hausdorff95,
    localisation_rate,
    relative_volume_difference,
)
from SpinalCordSegLib.images import array_from, image_from, to_network_order

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# Image, cord mask, contrast, and what is known of who drew the mask.
SCANS = (
    ("subj-a/t2w", "T2w 1 mm", "network output (toolbox, 2D)"),
    ("subj-a/mt1", "MT 0.8 x 17 mm", "automatic (PropSeg)"),
    ("subj-b/t1w", "T1w 1 mm", "named manual"),
    ("subj-c/t2s", "T2*w 0.5 x 7.5 mm", "not stated"),
    ("subj-d/t2w_fakelesion", "T2w 0.8 mm", "network output (SCIsegV2)"),
    ("subj-e/t2s_run1", "T2*w 0.6 x 3 mm", "automatic, then corrected"),
    ("subj-f-ses1/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T", "automatic, then corrected"),
    ("subj-f-ses2/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T", "automatic, then corrected"),
    ("subj-g/t2s_7t", "T2*w 0.3 x 5 mm, 7 T", "not stated"),
)


@dataclass(frozen=True)
class Score:
    """One scan's row of the table.

    `dice`, `hd95_mm` and `volume_difference_percent` count slices with a reference; `dice_all`
    counts every slice, so that cord outside the reference's range costs.
    """

    scan: str
    contrast: str
    reference: str
    dice: float
    dice_all: float
    hd95_mm: float
    volume_difference_percent: float
    curve_inside_percent: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["default"])
    parser.add_argument("--threshold", type=float)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    scores = [score(*scan, arguments.weights, arguments.threshold) for scan in SCANS]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "cord.md").write_text(table(scores), encoding="utf-8")
    write_csv(arguments.output / "cord.csv", scores)
    print(table(scores))


def score(
    scan: str, contrast: str, grade: str, weights: list[str], threshold: float | None
) -> Score:
    """Segment one scan and compare it with its reference."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    reference = sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz")) != 0
    start = time.perf_counter()
    try:
        result = scs.segment(image, weights=weights, threshold=threshold, device="cpu")
    except scs.CordNotFound:
        return Score(scan, contrast, grade, 0, 0, np.inf, -100, 0, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    mask = result.masks["cord"]
    same_slices = _where_reference(mask, reference)
    return Score(
        scan,
        contrast,
        grade,
        dice(same_slices, reference),
        dice(mask, reference),
        hausdorff95(same_slices, reference),
        relative_volume_difference(same_slices, reference),
        100 * localisation_rate(result.centerline, reference),
        seconds,
    )


def table(scores: list[Score]) -> str:
    """Return the scores as a Markdown table with their mean and worst."""
    lines = [
        "# Cord, default weights, end to end",
        "",
        "Made by `python Testing/evaluation/cord.py`. The contrast was not told, the centerline is",
        "our own, and no mask of these scans was used in training. Dice, HD95 and volume",
        "difference count slices that have a reference; *Dice, all* counts every slice. The",
        "references are of different grades: a difference under about 0.02 Dice is noise. *In*:",
        "share of the reference's slices on which the curve lies inside it.",
        "",
        "| scan | contrast | reference | Dice | Dice, all | HD95 mm | volume % | in % | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for s in scores:
        lines.append(
            f"| {s.scan} | {s.contrast} | {s.reference} | {s.dice:.3f} | {s.dice_all:.3f} "
            f"| {s.hd95_mm:.2f} | {s.volume_difference_percent:+.1f} "
            f"| {s.curve_inside_percent:.0f} | {s.seconds:.1f} |"
        )
    values = np.array([s.dice for s in scores])
    everywhere = np.array([s.dice_all for s in scores])
    inside = np.array([s.curve_inside_percent for s in scores])
    lines.append(
        f"| **mean** | | | **{values.mean():.3f}** | {everywhere.mean():.3f} | | "
        f"| {inside.mean():.1f} | |"
    )
    lines.append(f"| **worst** | | | **{values.min():.3f}** | {everywhere.min():.3f} | | | | |")
    return "\n".join(lines) + "\n"


def _where_reference(mask: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """Return the mask on the axial slices that the reference has, empty elsewhere."""
    ordered_mask, ordered_reference = to_network_order(mask), to_network_order(reference)
    present = array_from(ordered_reference).any(axis=(0, 1))
    kept = array_from(ordered_mask) * present
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        mask.GetDirection()
    )
    return sitk.DICOMOrient(image_from(kept.astype(np.uint8), ordered_mask), orientation)


if __name__ == "__main__":
    main()
