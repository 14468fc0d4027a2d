# SPDX-License-Identifier: Apache-2.0
"""Lesion weights on lesions painted into healthy development scans, and on the scans as they are.

    python Testing/evaluation/lesions.py

writes ``Testing/evaluation/lesions.md`` and ``lesions.csv``. The painter is of this file alone, not
the one that made the training's lesions. Centerline and cord are found with the default weights.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.evaluation.lesions import count_lesions
from SpinalCordSegLib.images import array_from, image_from, to_network_order
from SpinalCordSegLib.segmentation.lesion import segment_lesions
from SpinalCordSegLib.weights import LoadedWeights, load_weights

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

Mask = NDArray[np.bool_]

# Image and what it is. None has a lesion of its own that is known of.
SCANS = (
    ("subj-a/t2w", "T2w 1 mm"),
    ("subj-a/mt1", "MT 0.8 x 17 mm"),
    ("subj-b/t1w", "T1w 1 mm"),
    ("subj-c/t2s", "T2*w 0.5 x 7.5 mm"),
    ("subj-e/t2s_run1", "T2*w 0.6 x 3 mm"),
    ("subj-f-ses1/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T"),
    ("subj-f-ses2/t2s_run1", "T2*w 0.8 x 3 mm, 1.5 T"),
    ("subj-g/t2s_7t", "T2*w 0.3 x 5 mm, 7 T"),
)
# Painted by somebody else, on a cord that only this scan shows.
FOREIGN = ("subj-d/t2w_fakelesion", "T2w 0.8 mm")
# On T1w and MT no published network is meant to be used; t2s is the nearest.
PUBLISHED = {"T2w": "t2_ax_lesion", "T2*w": "t2s_lesion", "MT": "t2s_lesion", "T1w": "t2s_lesion"}

_LEAST_VOXELS = 5


@dataclass(frozen=True)
class Score:
    """One set of weights on one scan. `draw` is 0 for the scan as it is, without lesions.

    `dice` is NaN where the reference is empty.
    """

    scan: str
    contrast: str
    draw: int
    weights: str
    lesions: int
    found: int
    predicted: int
    right: int
    dice: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", nargs="+", default=["lesion", "published"], help="names or files"
    )
    parser.add_argument("--cord", nargs="+", default=["default"], help="weights for the cord")
    parser.add_argument("--draws", type=int, default=3, help="paintings of each scan")
    parser.add_argument("--threshold", type=float, help="for ours")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    ours = [load_weights(name) for name in arguments.weights if name != "published"]
    scores: list[Score] = []
    for scan, contrast in (*SCANS, FOREIGN):
        chosen = list(ours)
        if "published" in arguments.weights:
            chosen.append(published(contrast))
        draws = arguments.draws if (scan, contrast) != FOREIGN else 0
        for draw in range(draws + 1):
            scores += score(scan, contrast, draw, chosen, arguments.cord, arguments.threshold)
            print(scores[-1], flush=True)
        (arguments.output / "lesions.md").write_text(table(scores), encoding="utf-8")
        write_csv(arguments.output / "lesions.csv", scores)
    print(table(scores))


def score(
    scan: str,
    contrast: str,
    draw: int,
    sets: Sequence[LoadedWeights],
    cord_weights: list[str],
    threshold: float | None,
) -> list[Score]:
    """Run each set of weights on one scan, painted or as it is."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    if (scan, contrast) == FOREIGN:
        lesion = to_network_order(sitk.ReadImage(str(SHARED / "data" / f"{scan}_lesion.nii.gz")))
        reference = array_from(lesion) != 0
    else:
        cord = array_from(
            to_network_order(sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz")))
        )
        image, reference = painted(image, cord != 0, draw, dark=contrast.startswith("T1w"))
    found = scs.segment(image, weights=cord_weights, device="cpu")
    scores = []
    for weights in sets:
        ours = weights.specification.contrast == "any"
        result = segment_lesions(
            image,
            found.centerline,
            weights,
            found.masks["cord"],
            threshold=threshold if ours else None,
        )
        mask = array_from(to_network_order(result.mask)) != 0
        counts = count_lesions(mask, reference)
        both, voxels = 2 * int((mask & reference).sum()), int(mask.sum() + reference.sum())
        scores.append(
            Score(
                scan,
                contrast,
                draw,
                weights.specification.name,
                *(counts.reference, counts.found, counts.predicted, counts.right),
                both / voxels if reference.any() else np.nan,
            )
        )
    return scores


def painted(image: sitk.Image, cord: Mask, draw: int, dark: bool) -> tuple[sitk.Image, Mask]:
    """Return the scan with lesions in its cord, and where they are.

    Parameters
    ----------
    image : SimpleITK.Image
    cord : ndarray of bool, (X, Y, Z)
        In network order.
    draw : int
        Which painting; 0 paints nothing.
    dark : bool
        Darker than the cord, as on T1w, in place of brighter.

    Returns
    -------
    image : SimpleITK.Image
        In network order where something was painted.
    lesions : ndarray of bool, (X, Y, Z)
    """
    share = np.zeros(cord.shape)
    if draw == 0:
        return image, share > 0
    ordered = to_network_order(image)
    values = array_from(ordered).astype(float)
    random = np.random.default_rng([draw, *cord.shape, int(cord.sum())])
    spacing = np.array(ordered.GetSpacing())
    for _ in range(int(random.integers(1, 5))):
        share = np.maximum(share, _patch(cord, spacing, random))
    # Lesions differ from the cord by a multiple of how much the cord itself varies, on top of a
    # part of the way to the fluid around it.
    usual, spread = np.median(values[cord]), values[cord].std()
    fluid = _fluid(values, cord, spacing)
    step = random.uniform(0.3, 0.7) * abs(fluid - usual) + random.uniform(0.5, 1.5) * spread
    painted_values = values + (-step if dark else step) * share
    lesions = _large_enough(share > 0.5)
    result = image_from(np.maximum(painted_values, 0).astype(np.float32), ordered)
    return result, lesions


def _patch(cord: Mask, spacing: NDArray[np.float64], random: np.random.Generator) -> NDArray:
    """Return how much each voxel is lesion: a few overlapping balls, longer than wide, blurred."""
    places = np.argwhere(cord)
    middle = places[random.integers(len(places))] * spacing
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in cord.shape), indexing="ij"), axis=-1)
    away = grid * spacing
    inside = np.zeros(cord.shape, bool)
    for _ in range(int(random.integers(2, 5))):
        radius = random.uniform(1.2, 2.8)
        length = radius * random.uniform(1.2, 3.0)
        centre = middle + random.normal(0, [0.8, 0.8, 2.0])
        across = ((away[..., :2] - centre[:2]) ** 2).sum(axis=-1) / radius**2
        along = (away[..., 2] - centre[2]) ** 2 / max(length, 0.6 * spacing[2]) ** 2
        inside |= across + along < 1
    soft = ndimage.gaussian_filter((inside & cord).astype(float), 0.4 / spacing)
    return np.where(cord, soft, 0.0)


def _fluid(values: NDArray, cord: Mask, spacing: NDArray[np.float64]) -> float:
    """Return what the brighter half of the ring 1 to 4 mm around the cord looks like."""
    away = np.stack(
        [
            ndimage.distance_transform_edt(~cord[:, :, k], sampling=spacing[:2])
            if cord[:, :, k].any()
            else np.full(cord.shape[:2], np.inf)
            for k in range(cord.shape[2])
        ],
        axis=-1,
    )
    ring = (away > 1) & (away < 4)
    return float(np.percentile(values[ring], 75))


def _large_enough(lesions: Mask) -> Mask:
    pieces, _ = ndimage.label(lesions, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    large: Mask = (sizes >= _LEAST_VOXELS)[pieces]
    return large


def published(contrast: str) -> LoadedWeights:
    """Return the published weights for a contrast."""
    name = PUBLISHED[contrast.split()[0]]
    return load_weights(SHARED / "weights" / f"{name}.h5")


def table(scores: list[Score]) -> str:
    """Return a summary and a row a scan as Markdown tables."""
    lines = [
        "# Lesions",
        "",
        "Made by `python Testing/evaluation/lesions.py`. **No real reference of MS lesions was",
        "available: nothing here says how any of these weights do on patients.**",
        "",
        "Lesions were painted into the reference cord of healthy scans: overlapping balls, longer",
        "than wide, brighter than the cord (darker on T1w). The painter is none of the training's.",
        "Centerline and cord were found by the default weights, on the painted scan. A lesion",
        "counts as found where 25 % of it is covered (Gros 2019, section 2.4.3; connected by 26",
        "neighbours). *As it is*: unpainted; all that is found is false. subj-d's lesion was",
        "painted by somebody else, and its mask is a network's. The published networks know T2*w",
        "(t2s) and axial T2w (t2_ax); on T1w and MT, t2s was run for want of another.",
    ]
    lines += [
        "",
        "| weights | lesions found | sensitivity | pieces right | mean Dice, painted "
        "| false pieces a scan as it is |",
        "|---|---|---|---|---|---|",
    ]
    foreign = FOREIGN[0]
    names = dict.fromkeys(_group(s) for s in scores)
    for name in names:
        ours = [s for s in scores if _group(s) == name and s.scan != foreign]
        drawn, healthy = [s for s in ours if s.draw], [s for s in ours if not s.draw]
        if not drawn or not healthy:
            continue
        total, found = sum(s.lesions for s in drawn), sum(s.found for s in drawn)
        right, predicted = sum(s.right for s in drawn), sum(s.predicted for s in drawn)
        dice = np.nanmean([s.dice for s in drawn])
        false = np.mean([s.predicted for s in healthy])
        lines.append(
            f"| {name} | {found} of {total} | {found / total:.2f} | {right} of {predicted} "
            f"| {dice:.2f} | {false:.1f} (most {max(s.predicted for s in healthy)}) |"
        )
    lines += [
        "",
        "| scan | contrast | weights | painted: found | Dice | pieces | as it is: false pieces |",
        "|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((s.scan, s.contrast, s.weights) for s in scores):
        rows = [s for s in scores if (s.scan, s.contrast, s.weights) == key]
        drawn = [s for s in rows if s.lesions]
        healthy = [s for s in rows if not s.draw and s.scan != foreign]
        dice = f"{np.mean([s.dice for s in drawn]):.2f}" if drawn else "-"
        lines.append(
            f"| {key[0]} | {key[1]} | {key[2]} | {sum(s.found for s in drawn)} of "
            f"{sum(s.lesions for s in drawn)} | {dice} | {sum(s.predicted for s in drawn)} "
            f"| {healthy[0].predicted if healthy else '-'} |"
        )
    return "\n".join([*lines, ""])


def _group(s: Score) -> str:
    return s.weights if s.weights not in PUBLISHED.values() else "published, by contrast"


if __name__ == "__main__":
    main()
