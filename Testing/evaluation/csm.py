# SPDX-License-Identifier: Apache-2.0
"""Score the 2D U-Net of the CSM method on the axial slices of the development scans.

    python Testing/evaluation/csm.py

writes ``Testing/evaluation/csm.md`` and ``csm.csv``: whole slices, contrast not told, no
centerline given, nothing chosen for a single scan. A slice, or a scan, that fails scores 0. A
method is a function of `METHODS`: another one becomes another row of every scan.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.segmentation.csm import segment_cord_by_slice
from SpinalCordSegLib.weights import LoadedWeights, load_weights

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# Image, contrast, and what is known of who drew the cord.
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

Method = Callable[[sitk.Image, LoadedWeights, float | None], sitk.Image]


def unet(image: sitk.Image, weights: LoadedWeights, threshold: float | None) -> sitk.Image:
    """Return the U-Net's mask, nothing but the image given."""
    return segment_cord_by_slice(image, weights, threshold=threshold).mask


def unet_along_curve(
    image: sitk.Image, weights: LoadedWeights, threshold: float | None
) -> sitk.Image:
    """Return the U-Net's mask around the centerline that CNN1 and OptiC find."""
    curve = scs.detect_centerline(image, device="cpu")
    return segment_cord_by_slice(image, weights, curve, threshold).mask


METHODS: dict[str, Method] = {"U-Net": unet, "U-Net, curve found first": unet_along_curve}


@dataclass(frozen=True)
class Score:
    """One scan and one method.

    `slice_dice` is the mean over the axial slices that have a reference, `slice_std` its standard
    deviation; `reliability_80` is the share of them above 0.8 (Zhang 2021, equation 23), and
    `missed_slices` how many of them got no cord that touches the reference. `dice` and
    `volume_difference_percent` take these slices as one volume, `dice_all` takes all slices.
    """

    scan: str
    contrast: str
    reference: str
    method: str
    slices: int
    slice_dice: float
    slice_std: float
    reliability_80: float
    missed_slices: int
    dice: float
    dice_all: float
    volume_difference_percent: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="csm_unet", help="name or file")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    weights = load_weights(arguments.weights)
    scores = [
        score(*scan, method, weights, arguments.threshold)
        for scan in SCANS
        for method in arguments.methods
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = table(scores)
    (arguments.output / "csm.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "csm.csv", scores)
    print(text)


def score(
    scan: str,
    contrast: str,
    grade: str,
    method: str,
    weights: LoadedWeights,
    threshold: float | None,
) -> Score:
    """Segment one scan and compare it with its reference, slice by slice."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    reference = sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz"))
    start = time.process_time()
    try:
        mask = METHODS[method](image, weights, threshold)
    except scs.CordNotFound:
        mask = reference * 0
    seconds = time.process_time() - start
    ours, theirs = (array_from(to_network_order(m)) != 0 for m in (mask, reference))
    drawn = theirs.any(axis=(0, 1))
    all_slices = _dice(ours, theirs)
    ours, theirs = ours[:, :, drawn], theirs[:, :, drawn]
    each = [_dice(ours[:, :, k], theirs[:, :, k]) for k in range(int(drawn.sum()))]
    return Score(
        scan,
        contrast,
        grade,
        method,
        len(each),
        float(np.mean(each)),
        float(np.std(each)),
        float(np.mean(np.array(each) > 0.8)),
        sum(value == 0 for value in each),
        _dice(ours, theirs),
        all_slices,
        100 * (int(ours.sum()) - int(theirs.sum())) / int(theirs.sum()),
        seconds,
    )


def _dice(ours: np.ndarray, theirs: np.ndarray) -> float:
    return 2 * int((ours & theirs).sum()) / max(1, int(ours.sum()) + int(theirs.sum()))


def table(scores: list[Score]) -> str:
    """Return the scores as Markdown tables, one a method."""
    lines = [
        "# Cord by slice (CSM), default weights",
        "",
        "Made by `python Testing/evaluation/csm.py`. The contrast was not told, and no mask of",
        "these scans was used in training. *Slice Dice*: mean ± standard deviation over the axial",
        "slices that have a reference; *R(0.8)*: share of them above 0.8; *missed*: how many got",
        "no cord that touches the reference. *Dice* and volume difference take these slices as one",
        "volume; *Dice, all* counts every slice. CPU seconds of the whole scan.",
    ]
    for method in dict.fromkeys(s.method for s in scores):
        rows = [s for s in scores if s.method == method]
        lines += [
            "",
            f"## {method}",
            "",
            "| scan | contrast | reference | slices | slice Dice | R(0.8) | missed | Dice "
            "| Dice, all | volume % | CPU s |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {s.scan} | {s.contrast} | {s.reference} | {s.slices} "
            f"| {s.slice_dice:.3f} ± {s.slice_std:.3f} | {s.reliability_80:.2f} "
            f"| {s.missed_slices} | {s.dice:.3f} | {s.dice_all:.3f} "
            f"| {s.volume_difference_percent:+.1f} | {s.seconds:.1f} |"
            for s in rows
        ]
        means = [
            float(np.mean([getattr(s, name) for s in rows]))
            for name in ("slice_dice", "reliability_80", "dice", "dice_all")
        ]
        counts = [s.slices for s in rows]
        pooled = float(np.average([s.slice_dice for s in rows], weights=counts))
        lines += [
            f"| **mean of scans** | | | {sum(counts)} | **{means[0]:.3f}** | {means[1]:.2f} "
            f"| {sum(s.missed_slices for s in rows)} | **{means[2]:.3f}** | {means[3]:.3f} | | |",
            f"| **mean of slices** | | | | **{pooled:.3f}** | | | | | | |",
            f"| **worst scan** | | | | **{min(s.slice_dice for s in rows):.3f}** | | "
            f"| **{min(s.dice for s in rows):.3f}** | {min(s.dice_all for s in rows):.3f} | | |",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
