# SPDX-License-Identifier: Apache-2.0
"""Where the cord ends: is anything below the conus, or in the brain, taken for it?

    python Testing/evaluation/conus.py

writes ``Testing/evaluation/conus.md`` and ``conus.csv``: the PAM50 T2w template, whose label ends
at the conus, and synthetic scans of the cord's two ends, seen in thick sagittal slices. Centerline
and cord are found end to end. Needs the label maps in the shared folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from score_files import write_csv  # noqa: E402
from synthetic_scans import (  # noqa: E402
    SHARED,
    Look,
    as_image,
    coarse_cord,
    read_atlas,
    stored_scan,
)

import SpinalCordSegLib as scs  # noqa: E402
from SpinalCordSegLib.images import array_from, to_network_order  # noqa: E402
from SpinalCordSegLib.training.anatomy import AtlasTensors  # noqa: E402

MOST_MM, LEAST_DICE = 10.0, 0.90

_TEMPLATE = "PAM50 template"
_WHOLE = "PAM50 template, whole label"
_CONUS = "conus"
_BRAIN = "brainstem"
# Slices six times thicker than they are fine, as of lumbar scans: 0.65 x 0.65 x 3.9 mm, sagittal.
_SAGITTAL_MM = (3.9, 0.65, 0.65)
_EXTENT_MM = (62.4, 78.0, 156.0)
_SEEN_AS = ("T2w", "T1w", "T2w", "STIR")
# Standard deviation of the error of somebody who reads off each voxel's share of cord.
_MISREAD = 0.2
# Spines before this one were looked at when weights and constants were chosen.
_FIRST_SPINE = 9000
# Of the scan there must be so much on either side of the end, mm.
_LEAST_SHOWN = 45.0
_FAR = -1000.0


@dataclass(frozen=True)
class Score:
    """One scan.

    `below_mm` and `above_mm` are how far the cord that was found goes on past the reference's
    lower and upper end: negative where it stops short. NaN where the field of view ends first.
    `dice` counts the slices that the reference has; `misread_dice` is that of somebody who tells
    each voxel's share of cord to a fifth, with everything else right.
    """

    scan: str
    kind: str
    sequence: str
    dice: float
    below_mm: float
    above_mm: float
    misread_dice: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["default"])
    parser.add_argument("--spines", type=int, default=32, help="synthetic scans of each end")
    parser.add_argument("--atlas", type=Path, help="an .npz file that keeps the atlas between runs")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    scores = []
    for name, kind, sequence, image, share in scans(arguments.spines, arguments.atlas):
        scores.append(score(name, kind, sequence, image, share, arguments.weights))
        print(scores[-1], flush=True)
        (arguments.output / "conus.md").write_text(table(scores), encoding="utf-8")
        write_csv(arguments.output / "conus.csv", scores)
    print(table(scores))


def scans(
    spines: int, atlas_file: Path | None
) -> Iterator[tuple[str, str, str, sitk.Image, NDArray[np.float32]]]:
    """Yield name, kind, sequence, image and voxels' share of cord (network order) of every scan."""
    folder = SHARED / "labels" / "pam50_small"
    label = sitk.ReadImage(str(folder / "PAM50_small_cord.nii.gz"))
    template = scs.read_image(folder / "PAM50_small_t2.nii.gz")
    yield _TEMPLATE, _TEMPLATE, "T2w", template, _share(label)
    whole = _whole_label(template)
    yield _WHOLE, _WHOLE, "T2w", template, _share(whole)
    atlas = read_atlas(atlas_file)
    for kind in (_CONUS, _BRAIN):
        for number, spine in enumerate(_showing(kind, spines, atlas)):
            look = _look(_SEEN_AS[number % len(_SEEN_AS)])
            image, share = stored_scan(atlas, spine, look)
            scan = as_image(image, look.voxel_mm)
            yield f"{kind} {number}", kind, look.sequence, scan, share


def score(
    name: str,
    kind: str,
    sequence: str,
    image: sitk.Image,
    share: NDArray[np.float32],
    weights: list[str],
) -> Score:
    """Segment a scan and compare where the cord ends."""
    reference = share >= 0.5
    misread = _dice(_misread(share), reference)
    ordered = to_network_order(image)
    try:
        result = scs.segment(image, weights=weights, device="cpu")
    except scs.CordNotFound:
        return Score(name, kind, sequence, 0.0, np.nan, np.nan, misread)
    mask = array_from(to_network_order(result.masks["cord"])) != 0
    ours, theirs = (np.flatnonzero(m.any(axis=(0, 1))) for m in (mask, reference))
    slice_mm, last = ordered.GetSpacing()[2], mask.shape[2] - 1
    kept = mask & reference.any(axis=(0, 1))
    return Score(
        name,
        kind,
        sequence,
        _dice(kept, reference),
        float(theirs[0] - ours[0]) * slice_mm if theirs[0] > 0 else np.nan,
        float(ours[-1] - theirs[-1]) * slice_mm if theirs[-1] < last else np.nan,
        misread,
    )


def table(scores: list[Score]) -> str:
    """Return the scores as a Markdown table with what was asked of them."""
    lines = [
        "# The cord's two ends",
        "",
        "Made by `python Testing/evaluation/conus.py`. How far the cord that was found goes on",
        "below the conus and above the upper end of the label, mm (negative: it stops short), and",
        "Dice on the slices that have a reference. Centerline and cord are found end to end, the",
        "contrast not told.",
        "",
        "*PAM50 template*: mean of many people's T2w scans, 1 x 1 x 2 mm, from the brain to the",
        "sacrum, and the label that comes with it. That stops in the middle of T12, where the cord",
        "has 40 mm2, and below C1. *Whole label*: PAM50's own, which goes to the tip of the conus",
        "(its landmark 60) and 23 mm higher, moved here by the discs of both. It is also what",
        "synthetic training is made from: no unseen anatomy. *Conus*, *brainstem*: synthetic",
        "scans with seeds that training did not see, sagittal slices of 3.9 mm, six times thicker",
        "than fine, with a cauda equina below and a brain above; the cord is two or three voxels",
        "wide in them. Until November 2026 these scans were harder than real ones: a voxel or two",
        "of background lay around the cord, and its lumbar enlargement was a third too thin",
        "(`training/tissue_atlas.py`, `lumbar_enlargement.py`); figures from before cannot be",
        "compared. No lumbar scan of a person with a reference was at hand. Weights and constants",
        "were chosen on 128 other scans of the conus and 64 of the brainstem. These were run once",
        "with what was chosen.",
        "*Misread*: where a cord is two voxels wide, many of its voxels are about half cord; the",
        "Dice of somebody who has all else right and tells each voxel's share of cord with an",
        "error of 0.2 (standard deviation).",
        "",
        "| scan | sequence | Dice | below the conus, mm | above the label, mm | misread |",
        "|---|---|---|---|---|---|",
    ]
    for s in scores:
        lines.append(
            f"| {s.scan} | {s.sequence} | {s.dice:.3f} | {_shown(s.below_mm)} "
            f"| {_shown(s.above_mm)} | {s.misread_dice:.3f} |"
        )
    lines.append("")
    for kind in dict.fromkeys(s.kind for s in scores):
        rows = [s for s in scores if s.kind == kind]
        dice = np.array([s.dice for s in rows])
        past = [max(_known(s.below_mm), _known(s.above_mm)) for s in rows]
        near = [d for p, d in zip(past, dice, strict=True) if p <= MOST_MM]
        lines.append(
            f"- {kind}: Dice mean {dice.mean():.3f}, worst {dice.min():.3f} (misread: "
            f"{np.mean([s.misread_dice for s in rows]):.3f}); furthest past an end "
            f"{max(past):.0f} mm; {len(near)} of {len(rows)} go on for {MOST_MM:.0f} mm at most, "
            f"{sum(d >= LEAST_DICE for d in near)} of these with a Dice of {LEAST_DICE} or more."
        )
    return "\n".join([*lines, ""])


def _share(label: sitk.Image) -> NDArray[np.float32]:
    return array_from(to_network_order(sitk.Cast(label, sitk.sitkFloat32)))


def _misread(share: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what would pass for cord if every share but 0 were told with an error."""
    error = np.random.default_rng(0).normal(0, _MISREAD, share.shape)
    return (share > 0) & (share + error >= 0.5) & (share >= 0.5).any(axis=(0, 1))


def _dice(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    return 2 * int((ours & theirs).sum()) / int(ours.sum() + theirs.sum())


def _whole_label(template: sitk.Image) -> sitk.Image:
    """Return the fraction of each voxel of the template inside PAM50's own cord.

    The template is a piece of PAM50 at another place: the discs of both tell where.
    """
    folder = SHARED / "labels"
    here = _discs(folder / "pam50_small" / "PAM50_small_label_disc.nii.gz")
    there = _discs(folder / "pam50" / "PAM50_label_disc.nii.gz")
    moved = np.median([here[disc] - there[disc] for disc in here.keys() & there.keys()], axis=0)
    cord = sitk.Cast(sitk.ReadImage(str(folder / "pam50" / "PAM50_cord.nii.gz")), sitk.sitkFloat32)
    cord.SetOrigin((np.array(cord.GetOrigin()) + moved).tolist())
    return sitk.Resample(cord, template, sitk.Transform(), sitk.sitkLinear, 0.0)


def _discs(path: Path) -> dict[int, NDArray[np.float64]]:
    """Return where each labelled disc lies, mm, LPS."""
    image = sitk.ReadImage(str(path))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(sitk.Cast(image, sitk.sitkUInt16))
    return {disc: np.array(statistics.GetCentroid(disc)) for disc in statistics.GetLabels()}


def _look(sequence: str) -> Look:
    return Look(sequence, _SAGITTAL_MM, _EXTENT_MM, end_fraction=1.0)


def _showing(kind: str, count: int, atlas: AtlasTensors) -> Iterator[int]:
    """Yield spines whose scans show enough on both sides of this end of the cord."""
    spine = _FIRST_SPINE
    while count:
        spine += 1
        cord = coarse_cord(atlas, spine, _look("T2w"))
        rows = np.flatnonzero((cord >= 0.5).any(axis=(0, 1)))
        shown = np.zeros(2)
        if rows.size and kind == _CONUS and rows[-1] == cord.shape[2] - 1:
            shown[:] = 2.0 * rows[0], 2.0 * (cord.shape[2] - rows[0])
        elif rows.size and kind == _BRAIN and rows[0] == 0:
            shown[:] = 2.0 * rows[-1], 2.0 * (cord.shape[2] - rows[-1])
        if shown.min() >= _LEAST_SHOWN:
            count -= 1
            yield spine


def _known(value: float) -> float:
    return _FAR if np.isnan(value) else value


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+.0f}"


if __name__ == "__main__":
    main()
