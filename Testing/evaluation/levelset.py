# SPDX-License-Identifier: Apache-2.0
"""Score the level sets on the development scans: from circles, and from masks good and bad.

    python Testing/evaluation/levelset.py

writes ``Testing/evaluation/levelset.md`` and ``levelset.csv``. A method is an entry of
``FROM_CIRCLE`` or ``FROM_MASK``: a function from a scan and masks to masks.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, image_from, restore_grid, to_network_order
from SpinalCordSegLib.levelset.crops import crops_around, paste, sample
from SpinalCordSegLib.levelset.edges import box_blur, gray_levels
from SpinalCordSegLib.levelset.initialisation import inscribed_circle
from SpinalCordSegLib.levelset.refine import MARGIN_MM, PIXEL_MM, evolve
from SpinalCordSegLib.levelset.safety import is_darker
from SpinalCordSegLib.levelset.zhang import zhang_level_set

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# Axial scans for the circles, and all that have a reference for the masks.
AXIAL = ("subj-e/t2s_run1", "subj-g/t2s_7t", "subj-c/t2s", "subj-f-ses1/t2s_run1")
SCANS = (
    "subj-a/t2w",
    "subj-a/mt1",
    "subj-b/t1w",
    "subj-c/t2s",
    "subj-d/t2w_fakelesion",
    "subj-e/t2s_run1",
    "subj-f-ses1/t2s_run1",
    "subj-f-ses2/t2s_run1",
    "subj-g/t2s_7t",
)
PROPORTIONS = (0.3, 0.5, 0.7)
# Slices with less of the reference are its first or last voxels.
SMALLEST_MM2 = 10.0
# The paper's resolution: its field of view of 200 mm has about 272 pixels.
PAPER_PIXEL_MM = 0.7

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scan:
    """A scan and its reference; arrays in network order."""

    name: str
    image: sitk.Image
    volume: NDArray[np.generic]
    spacing_mm: tuple[float, float, float]
    reference: Mask

    @property
    def rows(self) -> NDArray[np.int64]:
        """Slices that have a reference."""
        area = self.reference.sum(axis=(0, 1)) * self.spacing_mm[0] * self.spacing_mm[1]
        return np.flatnonzero(area >= SMALLEST_MM2)


@dataclass(frozen=True)
class Score:
    """One slice, one method, one start."""

    scan: str
    start: str
    method: str
    row: int
    dice_before: float
    dice: float
    outcome: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scores = []
    for name in SCANS:
        scan = read_scan(name)
        if name in AXIAL:
            scores += from_circles(scan)
        scores += from_masks(scan)
    text = table(scores)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "levelset.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "levelset.csv", scores)
    print(text)


def read_scan(name: str) -> Scan:
    """Return a scan of the reference data."""
    image = scs.read_image(SHARED / "data" / f"{name}.nii.gz")
    reference = sitk.ReadImage(str(SHARED / "data" / f"{name}_cord.nii.gz"))
    ordered = to_network_order(image)
    return Scan(
        name,
        image,
        array_from(ordered),
        ordered.GetSpacing(),
        array_from(to_network_order(reference)) != 0,
    )


def ours_from_circle(method: str) -> Callable[[Scan, float], Mask]:
    """Return our evolution, without the safety, from a circle in the reference's box."""

    def segment(scan: Scan, proportion: float) -> Mask:
        crops = crops_around(scan.reference, scan.rows, scan.spacing_mm[:2], PIXEL_MM, MARGIN_MM)
        gray = box_blur(gray_levels(sample(scan.volume, crops).numpy()))
        inside = sample(scan.reference.astype(np.float32), crops).numpy() > 0.5
        start = inscribed_circle(inside, proportion)
        phi = evolve(gray, start, is_darker(gray, inside, PIXEL_MM), method)
        result = np.zeros_like(scan.reference)
        paste(result, phi, crops, np.ones(len(phi), bool))
        return result

    return segment


def printed_from_circle(method: str) -> Callable[[Scan, float], Mask]:
    """Return the paper's procedure as printed, at its resolution, on whole slices."""

    def segment(scan: Scan, proportion: float) -> Mask:
        # One field of view for all slices, in its middle the cord, as the paper's images have it.
        whole = crops_around(
            scan.reference, scan.rows, scan.spacing_mm[:2], PAPER_PIXEL_MM, margin_mm=35.0
        )
        gray = gray_levels(sample(scan.volume, whole).numpy())
        inside = sample(scan.reference.astype(np.float32), whole).numpy() > 0.5
        found = zhang_level_set(gray, inside, method, proportion)
        phi = torch.from_numpy(np.where(found, -1.0, 1.0).astype(np.float32))
        result = np.zeros_like(scan.reference)
        paste(result, phi, whole, np.ones(len(phi), bool))
        return result

    return segment


def circle_alone(scan: Scan, proportion: float) -> Mask:
    """Return the initial circle."""
    crops = crops_around(scan.reference, scan.rows, scan.spacing_mm[:2], PIXEL_MM, MARGIN_MM)
    inside = sample(scan.reference.astype(np.float32), crops).numpy() > 0.5
    result = np.zeros_like(scan.reference)
    start = torch.from_numpy(inscribed_circle(inside, proportion))
    paste(result, start, crops, np.ones(len(inside), bool))
    return result


FROM_CIRCLE: dict[str, Callable[[Scan, float], Mask]] = {
    "circle": circle_alone,
    "DRLSE as printed": printed_from_circle("drlse"),
    "GRLSE as printed": printed_from_circle("grlse"),
    "DRLSE": ours_from_circle("drlse"),
    "GRLSE": ours_from_circle("grlse"),
}


def from_circles(scan: Scan) -> Iterator[Score]:
    """Score every method from every circle."""
    for proportion in PROPORTIONS:
        for method, segment in FROM_CIRCLE.items():
            result = segment(scan, proportion)
            for row, dice in zip(scan.rows, dice_by_slice(result, scan, scan.rows), strict=True):
                yield Score(scan.name, f"circle {proportion}", method, row, np.nan, dice, "")


def refined(method: str) -> Callable[[Scan, Mask], tuple[Mask, dict[int, str]]]:
    """Return ``scs.refine``: its mask, and what it says of each slice in network order."""

    def segment(scan: Scan, mask: Mask) -> tuple[Mask, dict[int, str]]:
        ordered = to_network_order(scan.image)
        image = restore_grid(image_from(mask.astype(np.uint8), ordered), scan.image)
        done = scs.refine(scan.image, image, method, device="cpu")
        rows = np.flatnonzero(mask.any(axis=(0, 1)))
        outcomes = (outcome.reason for outcome in done.outcomes)
        return array_from(to_network_order(done.mask)) != 0, dict(zip(rows, outcomes, strict=True))

    return segment


FROM_MASK = {"DRLSE": refined("drlse"), "GRLSE": refined("grlse")}


def from_masks(scan: Scan) -> Iterator[Score]:
    """Score every method from the reference, the cascade's mask, and degraded ones."""
    cascade = array_from(to_network_order(scs.segment(scan.image, device="cpu").masks["cord"])) != 0
    starts = {"reference": scan.reference, "cascade": cascade}
    starts |= {how: degraded(cascade, scan.spacing_mm, how) for how in DEGRADED}
    for start, mask in starts.items():
        rows = scan.rows[mask.any(axis=(0, 1))[scan.rows]]
        before = dice_by_slice(mask, scan, rows)
        for method, segment in FROM_MASK.items():
            result, outcomes = segment(scan, mask)
            after = dice_by_slice(result, scan, rows)
            for row, old, new in zip(rows, before, after, strict=True):
                yield Score(scan.name, start, method, row, old, new, outcomes[row])


def _shifted(mask: Mask, distance: NDArray, spacing: tuple[float, float], row: int) -> Mask:
    # Another direction on each slice.
    shift = np.array([np.cos(2.4 * row), np.sin(2.4 * row)]) / spacing
    return ndimage.shift(distance, shift, order=1, mode="nearest") > 0


def _with_holes(mask: Mask, distance: NDArray, spacing: tuple[float, float], row: int) -> Mask:
    inside = np.argwhere(mask)
    result = mask.copy()
    for centre in inside[np.random.default_rng(row).choice(len(inside), 3)]:
        offset = (np.indices(mask.shape) - centre[:, None, None]) * np.reshape(spacing, (2, 1, 1))
        result &= np.hypot(*offset) > 1.5
    return result


# What is wrong with a mask: (mask, depth inside it in mm, voxel size, slice) -> mask.
DEGRADED: dict[str, Callable[[Mask, NDArray, tuple[float, float], int], Mask]] = {
    "shifted 1 mm": _shifted,
    "eroded 1 mm": lambda mask, distance, spacing, row: distance > 1,
    "dilated 1 mm": lambda mask, distance, spacing, row: distance > -1,
    "with 3 holes of 3 mm": _with_holes,
}


def degraded(mask: Mask, spacing_mm: tuple[float, float, float], how: str) -> Mask:
    """Return a mask made worse on each slice."""
    result = np.zeros_like(mask)
    for row in np.flatnonzero(mask.any(axis=(0, 1))):
        own = mask[:, :, row]
        inner, outer = (
            ndimage.distance_transform_edt(part, sampling=spacing_mm[:2]) for part in (own, ~own)
        )
        distance = inner - outer - np.where(own, 0.5, -0.5) * min(spacing_mm[:2])
        result[:, :, row] = DEGRADED[how](own, distance, spacing_mm[:2], int(row))
    return result


def dice_by_slice(mask: Mask, scan: Scan, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Dice coefficient of each slice."""
    ours, theirs = mask[:, :, rows], scan.reference[:, :, rows]
    total = ours.sum(axis=(0, 1)) + theirs.sum(axis=(0, 1))
    return 2 * (ours & theirs).sum(axis=(0, 1)) / total


def table(scores: list[Score]) -> str:
    """Return the scores as Markdown."""
    lines = [
        "# Level sets",
        "",
        "Made by `python Testing/evaluation/levelset.py`. Means of the Dice coefficient over axial",
        "slices that have a reference of at least 10 mm². The settings were chosen on these scans,",
        "for all of them at once.",
        "",
        "## From a circle in the reference's bounding box",
        "",
        "Radius as a part of that of the inscribed circle; in brackets the worst slice. No safety.",
        "*As printed*: 0.7 mm pixels, edges emphasised, Canny's thresholds 50 and 150.",
        "",
        "| scan | circle | " + " | ".join(FROM_CIRCLE) + " |",
        "|---|---|" + "---|" * len(FROM_CIRCLE),
    ]
    for name in AXIAL:
        for proportion in PROPORTIONS:
            cells = []
            for method in FROM_CIRCLE:
                dice = _values(scores, name, f"circle {proportion}", method)[1]
                cells.append(f"{dice.mean():.3f} ({dice.min():.2f})")
            lines.append(f"| {name} | {proportion} | " + " | ".join(cells) + " |")
    starts = ("reference", "cascade", *DEGRADED)
    lines += [
        "",
        "## From masks, with the safety",
        "",
        "`scs.refine` on the reference, on the result of `scs.segment`, and on that result",
        "degraded. Dice before → after; in brackets the slices that got better, and those on",
        "which the safety kept the mask.",
    ]
    for method in FROM_MASK:
        lines += ["", f"### {method}", "", "| scan | " + " | ".join(starts) + " |"]
        lines.append("|---|" + "---|" * len(starts))
        for name in SCANS:
            cells = [_mask_cell(scores, name, start, method) for start in starts]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    bad = [s for s in scores if s.start in DEGRADED and s.method == "GRLSE"]
    lines += ["", "## In short, GRLSE", ""]
    for name in ("subj-e/t2s_run1", "subj-g/t2s_7t"):
        gain = np.array([s.dice - s.dice_before for s in bad if s.scan == name])
        lines.append(
            f"- {name}, degraded masks: mean gain {gain.mean():.3f}, "
            f"{100 * (gain > 0).mean():.0f} % of the slices improved."
        )
    for start in ("cascade", "reference"):
        gains = {n: np.subtract(*_values(scores, n, start, "GRLSE")[::-1]).mean() for n in SCANS}
        worst = min(gains, key=lambda n: gains[n])
        lines.append(
            f"- From the {start}: the worst scan, {worst}, changes by {gains[worst]:+.3f}."
        )
    for what, chosen in (("good", ("reference", "cascade")), ("degraded", tuple(DEGRADED))):
        kept = [s.outcome.startswith("kept") for s in scores if s.start in chosen and s.outcome]
        lines.append(
            f"- The safety keeps {100 * np.mean(kept):.0f} % of the slices of {what} masks."
        )
    lines += [
        "",
        "| what became of a slice (GRLSE) | good masks | degraded masks |",
        "|---|---|---|",
    ]
    ours = [s for s in scores if s.method == "GRLSE" and s.outcome]
    for outcome in sorted({s.outcome for s in ours}):
        counts = [
            sum(s.outcome == outcome and (s.start in DEGRADED) == is_bad for s in ours)
            for is_bad in (False, True)
        ]
        lines.append(f"| {outcome} | {counts[0]} | {counts[1]} |")
    return "\n".join(lines) + "\n"


def _values(
    scores: list[Score], scan: str, start: str, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Dice before and after, slice by slice."""
    chosen = [s for s in scores if (s.scan, s.start, s.method) == (scan, start, method)]
    return np.array([s.dice_before for s in chosen]), np.array([s.dice for s in chosen])


def _mask_cell(scores: list[Score], scan: str, start: str, method: str) -> str:
    before, after = _values(scores, scan, start, method)
    chosen = [s for s in scores if (s.scan, s.start, s.method) == (scan, start, method)]
    kept = np.mean([s.outcome.startswith("kept") for s in chosen])
    better = (after > before).mean()
    return f"{before.mean():.3f} → {after.mean():.3f} ({100 * better:.0f} %, {100 * kept:.0f} %)"


if __name__ == "__main__":
    main()
