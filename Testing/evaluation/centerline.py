# SPDX-License-Identifier: Apache-2.0
"""CNN1 alone against CNN1 with OptiC, after Gros 2019, section 3.1.

    python Testing/evaluation/centerline.py

writes ``Testing/evaluation/centerline.md`` and ``centerline.csv``: every development scan with a
mask of the cord, with our default weights and with the published CNN1 of its contrast where that
is at hand. All four ways start from the same network and the same scan.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.centerline.detect import detect_cord, distance_map
from SpinalCordSegLib.centerline.heatmap import CordHeatmap
from SpinalCordSegLib.centerline.optic import optimal_path
from SpinalCordSegLib.evaluation.centerline import (
    centerline_error_mm,
    localisation_rate,
    mean_squared_error_mm2,
)
from SpinalCordSegLib.evaluation.statistics import kruskal_wallis, wilcoxon
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.weights import LoadedWeights, load_weights

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

# Image, mask, what it is, and the published network of its contrast.
SCANS = (
    ("subj-a/t2w", "subj-a/t2w_cord", "T2w 1 mm", "t2_ctr"),
    ("subj-a/t2w_full", "subj-a/t2w_cord", "T2w 1 mm, whole field", "t2_ctr"),
    ("subj-a/mt1", "subj-a/mt1_cord", "MT 0.8 x 17 mm", "t2s_ctr"),
    ("subj-b/t1w", "subj-b/t1w_cord", "T1w 1 mm", "t1_ctr"),
    ("subj-c/t2s", "subj-c/t2s_cord", "T2*w 0.5 x 7.5 mm", "t2s_ctr"),
    ("subj-d/t2w_fakelesion", "subj-d/t2w_fakelesion_cord", "T2w 0.8 mm", "t2_ctr"),
    ("subj-e/t2s_run1", "subj-e/t2s_run1_cord", "T2*w 0.6 x 3 mm", "t2s_ctr"),
    ("subj-f-ses1/t2s_run1", "subj-f-ses1/t2s_run1_cord", "T2*w 0.8 x 3 mm", "t2s_ctr"),
    ("subj-f-ses2/t2s_run1", "subj-f-ses2/t2s_run1_cord", "T2*w 0.8 x 3 mm", "t2s_ctr"),
    ("subj-g/t2s_7t", "subj-g/t2s_7t_cord", "T2*w 0.3 x 5 mm, 7 T", "t2s_ctr"),
)
WAYS = ("CNN1, deepest pixel", "CNN1, centre of mass", "CNN1 + OptiC", "as we do it")
DEFAULT = "our default"

# The middle of the next scan: tests count the two as one.
CROPPED = "subj-a/t2w"


@dataclass(frozen=True)
class Score:
    """One scan, one network, one way to get a curve from it.

    `rmse_mm` is over the slices of the reference, in the plane, to its centre of mass;
    `largest_error_mm` the worst of them; `localised_percent` the share of them on which the curve
    lies inside the reference. NaN, NaN and 0 where no cord was found.
    """

    scan: str
    contrast: str
    weights: str
    way: str
    rmse_mm: float
    largest_error_mm: float
    localised_percent: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    ours = load_weights("centerline")
    scores = []
    for scan, mask, contrast, published in SCANS:
        image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
        reference = sitk.ReadImage(str(SHARED / "data" / f"{mask}.nii.gz")) != 0
        sets = {DEFAULT: ours}
        if (path := SHARED / "weights" / f"{published}.h5").exists():
            sets["published"] = load_weights(str(path))
        for name, weights in sets.items():
            for way, curve in curves(image, weights).items():
                scores.append(score(scan, contrast, name, way, curve, reference))
                print(astuple(scores[-1]), flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = page(scores)
    (arguments.output / "centerline.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "centerline.csv", scores)
    print(text)


def curves(image: sitk.Image, weights: LoadedWeights) -> dict[str, Centerline | None]:
    """Return what each way makes of one scan; None where it finds no cord."""
    ordered = to_network_order(image)
    spacing = ordered.GetSpacing()
    look = CordHeatmap(array_from(ordered), spacing, weights, "cpu")
    heat = look.at_whole_slices(np.arange(ordered.GetSize()[2]), None)
    evidence = distance_map(heat, look.threshold, look.spacing_mm)
    steps = (look.spacing_mm[0], look.spacing_mm[1], spacing[2])
    pixels = (deepest(heat, evidence), centre_of_mass(heat, look.threshold), optic(evidence, steps))
    found: dict[str, Centerline | None] = {
        way: _curve(ordered, look.to_image_index(pixel))
        for way, pixel in zip(WAYS[:3], pixels, strict=True)
    }
    try:
        found[WAYS[3]] = detect_cord(image, weights).centerline
    except scs.CordNotFound:
        found[WAYS[3]] = None
    return found


def deepest(heat: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Return the pixel of each slice that lies deepest in the detected cord (Z, 2).

    Where nothing was detected, that of the highest probability: every slice has an answer.
    """
    probable = np.where(evidence.any(axis=(0, 1)), evidence, heat)
    flat = probable.reshape(-1, probable.shape[2]).argmax(axis=0)
    return np.stack(np.unravel_index(flat, probable.shape[:2]), axis=1).astype(float)


def centre_of_mass(heat: np.ndarray, threshold: float) -> np.ndarray:
    """Return the centre of mass of all that was detected on each slice (Z, 2).

    Where nothing was detected, the pixel of the highest probability.
    """
    points = deepest(heat, np.zeros_like(heat))
    kept = np.where(heat >= threshold, heat, 0)
    for k in np.flatnonzero(kept.any(axis=(0, 1))):
        points[k] = ndimage.center_of_mass(kept[:, :, k])
    return points


def optic(evidence: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Return OptiC's path through the same evidence, as pixels (Z, 2), nothing smoothed."""
    x, y = (np.flatnonzero(evidence.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if x.size == 0:
        return np.repeat([np.array(evidence.shape[:2]) / 2], evidence.shape[2], axis=0)
    # The best path stays in the box around the evidence.
    low = np.maximum((x[0] - 1, y[0] - 1), 0)
    boxed = evidence[low[0] : x[-1] + 2, low[1] : y[-1] + 2]
    return optimal_path(boxed, spacing_mm) + low.astype(float)


def score(
    scan: str,
    contrast: str,
    weights: str,
    way: str,
    curve: Centerline | None,
    reference: sitk.Image,
) -> Score:
    """Compare a curve with the reference."""
    if curve is None:
        return Score(scan, contrast, weights, way, np.nan, np.nan, 0.0)
    errors = centerline_error_mm(curve, reference)
    return Score(
        scan,
        contrast,
        weights,
        way,
        float(np.sqrt(mean_squared_error_mm2(errors))),
        float(np.nanmax(errors)),
        100 * localisation_rate(curve, reference),
    )


def page(scores: list[Score]) -> str:
    """Return the scores as Markdown."""
    lines = [
        "# CNN1 alone against CNN1 + OptiC",
        "",
        "Made by `python Testing/evaluation/centerline.py`, after Gros 2019, section 3.1. One heat",
        "map a scan: the network on every whole axial slice. From it, without anything else:",
        "",
        f"- *{WAYS[0]}*: on each slice by itself, the pixel furthest inside what reaches the",
        "  threshold of the weights, which is the maximum of OptiC's evidence; on slices where",
        "  nothing does, the pixel of the highest probability.",
        f"- *{WAYS[1]}*: the same, with the centre of mass of all that reaches the threshold.",
        f"- *{WAYS[2]}*: OptiC's path through the same evidence, whole pixels, not smoothed.",
        f"- *{WAYS[3]}*: `detect_cord`: whole slices every 6 mm, tiles around that curve every",
        "  2 mm, OptiC twice, centres below the pixel, smoothing spline.",
        "",
        "Root of the mean squared distance, mm, in the plane, between curve and the reference's",
        "centre of mass over the slices that the reference has, and (in brackets) the share of",
        "them, %, on which the curve lies inside the reference. The paper smooths the reference's",
        "centres; here they are taken as they are, so that no smooth curve can reach 0. The first",
        "two scans are one, the second with all that lies around it, scored on the same slices.",
        "*Published*: the peer's CNN1 of the contrast (t1_ctr could not be had). Ours was trained",
        "on none of these masks; what the published ones were trained on is not known.",
    ]
    for name in (DEFAULT, "published"):
        chosen = [s for s in scores if s.weights == name]
        lines += ["", f"## CNN1: {name}", "", "| scan | contrast | " + " | ".join(WAYS) + " |"]
        lines.append("|---|---|" + "---|" * len(WAYS))
        for scan in dict.fromkeys(s.scan for s in chosen):
            row = [s for s in chosen if s.scan == scan]
            cells = [f"{s.rmse_mm:.2f} ({s.localised_percent:.0f})" for s in row]
            lines.append(f"| {scan} | {row[0].contrast} | {' | '.join(cells)} |")
        by_way = [[s for s in chosen if s.way == way] for way in WAYS]
        medians = [np.median([_known(s.rmse_mm) for s in group]) for group in by_way]
        worst = [max(_known(s.rmse_mm) for s in group) for group in by_way]
        inside = [np.mean([s.localised_percent for s in group]) for group in by_way]
        lines.append(
            "| **median mm** (mean %) | | "
            + " | ".join(f"**{m:.2f}** ({i:.1f})" for m, i in zip(medians, inside, strict=True))
            + " |"
        )
        lines.append("| worst mm | | " + " | ".join(f"{w:.2f}" for w in worst) + " |")
        lines += ["", *_tests(by_way)]
    return "\n".join(lines) + "\n"


def _tests(by_way: list[list[Score]]) -> list[str]:
    alone, best = ([s.rmse_mm for s in by_way[i] if s.scan != CROPPED] for i in (0, 2))
    paired, ranks = wilcoxon(alone, best), kruskal_wallis(alone, best)
    return [
        f"*{WAYS[0]}* against *{WAYS[2]}*: Wilcoxon W = {paired.statistic:g}, "
        f"p = {paired.p_value:.3f}; Kruskal–Wallis, as in the paper, H = {ranks.statistic:.2f}, "
        f"p = {ranks.p_value:.3f}; {paired.count} scans."
    ]


def _known(value: float) -> float:
    return float("inf") if np.isnan(value) else value


def _curve(ordered: sitk.Image, index: np.ndarray) -> Centerline:
    points = [
        ordered.TransformContinuousIndexToPhysicalPoint([float(x), float(y), float(k)])
        for k, (x, y) in enumerate(index)
    ]
    return Centerline(np.array(points))


if __name__ == "__main__":
    main()
