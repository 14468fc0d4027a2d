# SPDX-License-Identifier: Apache-2.0
"""Repair slices beside the contour interpolator of Fill between slices, on masks of real cords.

Of each mask 1, 3 or 5 slices in a row are taken for bad, wherever that leaves a good slice on both
sides. The interpolator gets the two good slices beside the gap alone: with their neighbours it
fills nothing. The interpolator is
the one inside Slicer (``vtkITKMorphologicalContourInterpolator``), along the slices' axis.

    python Testing/evaluation/repair.py --data FOLDER

writes ``repair.csv`` and ``repair.md`` beside this file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("ITK_GLOBAL_DEFAULT_THREADER", "Platform")

import numpy as np
import SimpleITK as sitk
import slicer
from score_files import write_csv
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData

from SpinalCordSegLib.correction.repair import repair_array
from SpinalCordSegLib.images import array_from
from SpinalCordSegLib.network_order import axial_axis

HERE = Path(__file__).resolve().parent
GAPS = (1, 3, 5)
# Gaps of one scan that are tried at most, spread over it.
MOST = 60


@dataclass(frozen=True)
class Row:
    """Both methods on one gap: Dice on the slices that were taken out."""

    scan: str
    slice_mm: float
    gap: int
    first: int
    repair: float
    interpolator: float


def contour_interpolator(mask: np.ndarray, axis: int) -> np.ndarray:
    """Return a mask with the gaps along an axis filled by Slicer's interpolator."""
    image = vtkImageData()
    image.SetDimensions(*mask.shape)
    scalars = numpy_to_vtk(
        np.ascontiguousarray(mask.transpose()).ravel().astype(np.uint8), deep=True
    )
    image.GetPointData().SetScalars(scalars)
    interpolator = slicer.vtkITKMorphologicalContourInterpolator()
    interpolator.SetInputData(image)
    interpolator.SetAxis(axis)
    interpolator.Update()
    filled = vtk_to_numpy(interpolator.GetOutput().GetPointData().GetScalars())
    return np.asarray(filled.reshape(mask.shape[::-1]).transpose() > 0)


def compare(name: str, image: sitk.Image) -> Iterator[Row]:
    """Yield a row for each gap of one mask."""
    axis = axial_axis(image.GetDirection())
    slice_mm = image.GetSpacing()[axis]
    layers = _cropped(np.moveaxis(array_from(image) > 0, axis, 2))
    present = np.flatnonzero(layers.any(axis=(0, 1)))
    for gap in GAPS:
        starts = [k for k in present[1:] if layers[:, :, k - 1 : k + gap + 1].any((0, 1)).all()]
        starts = [k for k in starts if k + gap < layers.shape[2]]
        chosen = np.unique(np.linspace(0, len(starts) - 1, MOST).astype(int)) if starts else []
        for first in (starts[number] for number in chosen):
            out = slice(first, first + gap)
            spoiled = layers.copy()
            spoiled[:, :, out] = False
            repaired, done, _ = repair_array(spoiled, range(first, first + gap), 2, slice_mm)
            assert len(done) == gap
            # A slice with a labelled neighbour is no key slice: the interpolator gets two alone.
            filled = contour_interpolator(spoiled[:, :, first - 1 : first + gap + 1], 2)
            truth = layers[:, :, out]
            yield Row(
                name,
                round(slice_mm, 2),
                gap,
                int(first),
                round(_dice(repaired[:, :, out], truth), 4),
                round(_dice(filled[:, :, 1:-1], truth), 4),
            )


def _cropped(layers: np.ndarray) -> np.ndarray:
    """Return the neighbourhood of the mask, for speed; no slice is left out."""
    low = np.maximum(np.argwhere(layers).min(axis=0) - 8, 0)
    high = np.argwhere(layers).max(axis=0) + 9
    return layers[low[0] : high[0], low[1] : high[1]]


def main() -> None:
    """Run the comparison and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with *_cord.nii.gz")
    data = parser.parse_args().data
    rows = []
    for path in sorted(data.glob("*/*_cord.nii.gz")):
        name = f"{path.parent.name} {path.name.removesuffix('_cord.nii.gz')}"
        rows += compare(name, sitk.ReadImage(str(path)))
        print(name, len(rows))
    write_csv(HERE / "repair.csv", rows)
    (HERE / "repair.md").write_text(_report(rows), encoding="utf-8")


def _report(rows: list[Row]) -> str:
    lines = [
        "# Repair slices beside Fill between slices",
        "",
        "Masks of real cords; so many slices in a row are taken out, and filled from the good",
        "ones: by *Repair slices*, and by the contour interpolator of Slicer's *Fill between",
        "slices*, which gets the two slices beside the gap alone (with their neighbours it fills",
        "nothing). Dice on the slices taken out, median (lowest); *better* is the share of gaps",
        "on which *Repair slices* has the higher Dice, *worse* the lower. What is in a bad slice",
        "counts for nothing in either, so the figures hold however it is spoiled. Where only the",
        "first and the last slice are left (subj-a mt1, 3 out), neither knows how the cord bends.",
        "Made by `Testing/evaluation/repair.py`; each gap is a line of `repair.csv`.",
        "",
        "| scan | slice mm | slices out | gaps | Repair slices | interpolator | better | worse |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in [*dict.fromkeys(row.scan for row in rows), "all"]:
        for gap in GAPS:
            some = [row for row in rows if row.gap == gap and name in (row.scan, "all")]
            if some:
                lines.append(_line(name, gap, some))
    return "\n".join(lines) + "\n"


def _line(name: str, gap: int, rows: list[Row]) -> str:
    ours, theirs = (np.array([getattr(r, m) for r in rows]) for m in ("repair", "interpolator"))
    cells = [
        name,
        "" if name == "all" else f"{rows[0].slice_mm:g}",
        str(gap),
        str(len(rows)),
        *(f"{np.median(dice):.3f} ({dice.min():.3f})" for dice in (ours, theirs)),
        *(f"{share.mean():.0%}" for share in (ours > theirs, ours < theirs)),
    ]
    return f"| {' | '.join(cells)} |"


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


if __name__ == "__main__":
    main()
