# SPDX-License-Identifier: Apache-2.0
"""Is cord taken off where none ends? Pieces of development scans, cord on every slice.

    python Testing/evaluation/cut_short.py

writes ``Testing/evaluation/cut_short.md``. Every scan that has a cord mask is cut into pieces
between the mask's first and last slice, as short fields of view are; centerline and cord of each
piece are found end to end. Both ends of a piece are inside the cord, so every slice without an
outline is one too few: the counterpart of ``conus.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from cord import FOLDER, SCANS, SHARED

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, to_network_order

LENGTHS_MM = (25.0, 40.0, 60.0, 80.0)
PLACES = 4
FEWEST_SLICES = 3


@dataclass(frozen=True)
class Row:
    """The pieces of one scan: slices without an outline at the lower and upper ends, and within."""

    scan: str
    contrast: str
    pieces: int
    slices: int
    below: int
    above: int
    within: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["default"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for scan, contrast, _ in SCANS:
        rows.append(score(scan, contrast, arguments.weights))
        print(rows[-1], flush=True)
    (FOLDER / "cut_short.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


def score(scan: str, contrast: str, weights: list[str]) -> Row:
    """Segment the pieces of one scan and count the slices that have no outline."""
    missing = [missing_slices(piece, weights) for piece in pieces(scan)]
    below, above, within, slices = np.sum(missing, axis=0, dtype=int).tolist()
    return Row(scan, contrast, len(missing), slices, below, above, within)


def pieces(scan: str) -> Iterator[sitk.Image]:
    """Yield pieces of a scan in network order, cord on every slice."""
    image = to_network_order(scs.read_image(SHARED / "data" / f"{scan}.nii.gz"))
    mask = to_network_order(sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz")))
    drawn = np.flatnonzero(array_from(mask).any(axis=(0, 1)))
    first, count = int(drawn[0]), int(drawn[-1] - drawn[0]) + 1
    for length_mm in LENGTHS_MM:
        length = max(FEWEST_SLICES, round(length_mm / image.GetSpacing()[2]))
        if length > count:
            continue
        for start in np.unique(np.linspace(0, count - length, PLACES).astype(int)).tolist():
            yield image[:, :, first + start : first + start + length]


def missing_slices(piece: sitk.Image, weights: list[str]) -> tuple[int, int, int, int]:
    """Return slices without an outline below, above and between those that have one, and all."""
    slices = piece.GetSize()[2]
    try:
        mask = scs.segment(piece, weights=weights, device="cpu").masks["cord"]
    except scs.CordNotFound:
        return slices, 0, 0, slices
    found = np.flatnonzero(array_from(to_network_order(mask)).any(axis=(0, 1)))
    below, above = int(found[0]), int(slices - 1 - found[-1])
    return below, above, slices - below - above - found.size, slices


def table(rows: list[Row]) -> str:
    """Return the counts as a Markdown table."""
    lines = [
        "# Cord taken off where none ends",
        "",
        "Made by `python Testing/evaluation/cut_short.py`. The development scans, cut into pieces",
        f"{LENGTHS_MM[0]:.0f} to {LENGTHS_MM[-1]:.0f} mm long between the first and the last slice "
        "of the reference: every slice shows",
        "cord. Slices without an outline, end to end, the contrast not told: at the lower end, at",
        "the upper end, in between.",
        "",
        "| scan | contrast | pieces | slices | none below | none above | none within |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.scan} | {r.contrast} | {r.pieces} | {r.slices} | {r.below} | {r.above} "
        f"| {r.within} |"
        for r in rows
    ]
    total = [sum(getattr(r, n) for r in rows) for n in ("pieces", "slices", "below", "above")]
    within = sum(r.within for r in rows)
    lines.append(f"| **all** | | {' | '.join(map(str, total))} | {within} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
