# SPDX-License-Identifier: Apache-2.0
"""Score the default weights on real scans as thick sagittal slices would show them.

    python Testing/evaluation/sagittal.py

writes ``Testing/evaluation/sagittal.md`` and ``sagittal.csv``. Clinical scans of the spine are
mostly sagittal, with slices of 3 to 5 mm; the scans that have a reference have voxels of a
millimetre. Slices are made of these by averaging voxels from right to left, of the reference too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, to_network_order

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# All with a reference and voxels of a millimetre or less each way.
SCANS = (("subj-a/t2w", "T2w"), ("subj-b/t1w", "T1w"), ("subj-d/t2w_fakelesion", "T2w"))
_SLICES_MM = (3.0, 4.0, 5.0)


@dataclass(frozen=True)
class Score:
    """One scan in slices of one thickness.

    `shifted_mm` is where the first slice begins. Dice and volume count axial rows that the
    reference has.
    """

    scan: str
    contrast: str
    slice_mm: float
    shifted_mm: float
    dice: float
    volume_percent: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["default"])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    scores = []
    for scan, contrast in SCANS:
        for image, reference, shifted_mm in thick_slices(scan):
            row = score(image, reference, arguments.weights)
            scores.append(Score(scan, contrast, image.GetSpacing()[0], shifted_mm, *row))
            print(scores[-1], flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "sagittal.md").write_text(table(scores), encoding="utf-8")
    write_csv(arguments.output / "sagittal.csv", scores)
    print(table(scores))


def thick_slices(scan: str) -> Iterator[tuple[sitk.Image, sitk.Image, float]]:
    """Yield a scan and its reference in sagittal slices, and where the first begins, mm."""
    image = to_network_order(scs.read_image(SHARED / "data" / f"{scan}.nii.gz"))
    cord = to_network_order(sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz")) != 0)
    fine_mm = image.GetSpacing()[0]
    for slice_mm in _SLICES_MM:
        width = round(slice_mm / fine_mm)
        for first in (0, width // 2):
            thick, fraction = (
                sitk.BinShrink(sitk.Cast(values, sitk.sitkFloat32)[first:], (width, 1, 1))
                for values in (image, cord)
            )
            yield thick, fraction >= 0.5, first * fine_mm


def score(image: sitk.Image, reference: sitk.Image, weights: list[str]) -> tuple[float, float]:
    """Return Dice and the difference in volume, percent, on rows that the reference has."""
    try:
        result = scs.segment(image, weights=weights, device="cpu")
    except scs.CordNotFound:
        return 0.0, -100.0
    theirs = array_from(reference) != 0
    ours = (array_from(to_network_order(result.masks["cord"])) != 0) & theirs.any(axis=(0, 1))
    both, count = int((ours & theirs).sum()), int(theirs.sum())
    return 2 * both / (int(ours.sum()) + count), 100 * (int(ours.sum()) / count - 1)


def table(scores: list[Score]) -> str:
    """Return the scores as a Markdown table with their mean and worst."""
    lines = [
        "# Cord in thick sagittal slices of real scans",
        "",
        "Made by `python Testing/evaluation/sagittal.py`. The development scans with voxels of a",
        "millimetre, averaged from right to left into slices as clinical scans have them; a voxel",
        "is cord where half of it is by the reference. Each thickness twice, the second time with",
        "the slices begun half a slice further on. Centerline and cord are found end to end, the",
        "contrast not told. Dice and volume count the rows that the reference has. The cord is two",
        "to four voxels wide here, most of them partly cord.",
        "",
        "| scan | contrast | slices, mm | begun at, mm | Dice | volume % |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.scan} | {s.contrast} | {s.slice_mm:.1f} | {s.shifted_mm:.1f} | {s.dice:.3f} "
        f"| {s.volume_percent:+.0f} |"
        for s in scores
    ]
    for scan, _ in SCANS:
        own = [s for s in scores if s.scan == scan]
        mean, volume = np.mean([s.dice for s in own]), np.mean([s.volume_percent for s in own])
        lines.append(f"| **{scan}, mean** | | | | **{mean:.3f}** | {volume:+.0f} |")
    values = np.array([s.dice for s in scores])
    lines.append(f"| **all, mean** | | | | **{values.mean():.3f}** | |")
    lines.append(f"| **worst** | | | | **{values.min():.3f}** | |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
