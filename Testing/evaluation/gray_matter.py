# SPDX-License-Identifier: Apache-2.0
"""Score sets of gray-matter weights on the development scans that have a reference.

    python Testing/evaluation/gray_matter.py

writes ``Testing/evaluation/gray_matter.md`` and ``gray_matter.csv``. The centerline and the cord
are found with the default weights, the contrast not told; the published weights are also run by
the published procedure.
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
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.measurement.gray_matter import gray_matter_contrast
from SpinalCordSegLib.segmentation.gray_matter import segment_gray_matter
from SpinalCordSegLib.segmentation.published.gray_matter import published_gray_matter
from SpinalCordSegLib.weights import LoadedWeights, load_weights

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# Image, what it is, and what is known of who drew the gray matter.
SCANS = (
    ("subj-a/mt1", "MT 0.8 x 17 mm", "manual"),
    ("subj-c/t2s", "T2*w 0.5 x 7.5 mm", "manual"),
    ("subj-c/t2s_uncropped", "T2*w 0.5 x 7.5 mm, whole field", "manual"),
    ("subj-e/t2s_run1", "T2*w 0.6 x 3 mm", "named manual"),
    ("subj-f-ses1/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T", "named manual"),
    ("subj-f-ses2/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T", "named manual"),
    ("subj-g/t2s_7t", "T2*w 0.3 x 5 mm, 7 T", "not stated"),
)
PUBLISHED = ("challenge_model", "large_model")

# Less on a slice is a slip: the reference of subj-e has one voxel in the throat, four slices above
# the last that was drawn.
LEAST_REFERENCE_MM2 = 1.0


@dataclass(frozen=True)
class Score:
    """One scan and one set of weights.

    Dice and volume difference count the slices that the reference has, `dice_with_slips` those
    with a slip too. `published_dice` is the published procedure with the same weights, NaN for
    weights that it does not know.
    """

    scan: str
    contrast: str
    reference: str
    weights: str
    dice: float
    volume_difference_percent: float
    dice_with_slips: float
    visibility: float
    seconds: float
    published_dice: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights",
        nargs="+",
        default=["gray_matter", *(str(SHARED / "weights" / f"{name}.hdf5") for name in PUBLISHED)],
        help="names or files",
    )
    parser.add_argument("--threshold", type=float)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    sets = [load_weights(name) for name in arguments.weights]
    scores = [s for scan in SCANS for s in score(*scan, sets, arguments.threshold)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = table(scores)
    (arguments.output / "gray_matter.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "gray_matter.csv", scores)
    print(text)


def score(
    scan: str, contrast: str, grade: str, sets: list[LoadedWeights], threshold: float | None
) -> list[Score]:
    """Segment one scan with each set of weights and compare with its reference."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    reference = sitk.ReadImage(str(SHARED / "data" / f"{scan}_gm.nii.gz"))
    found = scs.segment(image, device="cpu")
    scores = []
    for weights in sets:
        name = weights.specification.name
        start = time.process_time()
        gray = segment_gray_matter(
            image,
            found.centerline,
            weights,
            found.masks["cord"],
            threshold=threshold,
            keep_probability=False,
        ).mask
        seconds = time.process_time() - start
        published = np.nan
        if name in PUBLISHED:
            published = dice_of_slices(published_gray_matter(image, weights), reference)[0]
        scores.append(
            Score(
                scan,
                contrast,
                grade,
                name,
                *dice_of_slices(gray, reference),
                dice_of_slices(gray, reference, least_mm2=0)[0],
                gray_matter_contrast(image, gray, found.masks["cord"]),
                seconds,
                published,
            )
        )
    return scores


def dice_of_slices(
    mask: sitk.Image, reference: sitk.Image, least_mm2: float = LEAST_REFERENCE_MM2
) -> tuple[float, float]:
    """Return Dice and volume difference, %, over the slices that the reference has."""
    ours, theirs = (array_from(to_network_order(m)) != 0 for m in (mask, reference))
    pixel_mm2 = float(np.prod(to_network_order(reference).GetSpacing()[:2]))
    drawn = theirs.sum(axis=(0, 1)) * pixel_mm2 > least_mm2
    ours, theirs = ours & drawn, theirs & drawn
    both, volumes = int((ours & theirs).sum()), (int(ours.sum()), int(theirs.sum()))
    return 2 * both / sum(volumes), 100 * (volumes[0] - volumes[1]) / volumes[1]


def table(scores: list[Score]) -> str:
    """Return the scores as Markdown tables, one a set of weights."""
    lines = [
        "# Gray matter",
        "",
        "Made by `python Testing/evaluation/gray_matter.py`. Dice and volume difference count",
        "slices that have a reference; centerline and cord are our own, and so is the procedure:",
        "what `segment --structures gm` gives with each set of weights. One slice of subj-e has",
        "a reference of a single voxel, 30 mm in front of the cord: a slip, which does not count;",
        "*with slips* it does. *Visibility*: correlation of intensity with the mask found inside",
        "the cord (a scan under 0.46 is reported as one that shows no gray matter). *Published*:",
        "the published procedure, which neither reorients nor looks for the cord, with the same",
        "weights. CPU seconds of the gray matter alone.",
    ]
    for name in dict.fromkeys(s.weights for s in scores):
        rows = [s for s in scores if s.weights == name]
        lines += [
            "",
            f"## {name}",
            "",
            "| scan | contrast | reference | Dice | volume % | with slips | visibility | CPU s "
            "| published |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for s in rows:
            other = "-" if np.isnan(s.published_dice) else f"{s.published_dice:.3f}"
            lines.append(
                f"| {s.scan} | {s.contrast} | {s.reference} | {s.dice:.3f} "
                f"| {s.volume_difference_percent:+.1f} | {s.dice_with_slips:.3f} "
                f"| {s.visibility:.2f} | {s.seconds:.1f} | {other} |"
            )
        dice, slips = (np.array([getattr(s, n) for s in rows]) for n in ("dice", "dice_with_slips"))
        for name, pick in (("mean", np.mean), ("worst", np.min)):
            lines.append(f"| **{name}** | | | **{pick(dice):.3f}** | | {pick(slips):.3f} | | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
