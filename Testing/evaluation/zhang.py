# SPDX-License-Identifier: Apache-2.0
"""The experiments of Zhang 2021 on axial development scans: networks, level sets, both.

    python Testing/evaluation/zhang.py

writes ``Testing/evaluation/zhang.md``, ``zhang.csv`` and three pictures beside them. The U-Net's
weights before it was trained on patches of 128 x 128 pixels alone, which do not ship, are compared
too if their file is given with ``--before-patches``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from levelset import FOLDER, Mask, Scan, dice_by_slice, read_scan
from numpy.typing import NDArray
from score_files import write_csv

import SpinalCordSegLib as scs
from SpinalCordSegLib.evaluation.figures import agreement_png
from SpinalCordSegLib.evaluation.reliability import reliability
from SpinalCordSegLib.evaluation.statistics import kruskal_wallis_pairwise, wilcoxon
from SpinalCordSegLib.evaluation.surface import (
    hausdorff95,
    rms_surface_distance,
    surface_distances,
)
from SpinalCordSegLib.images import array_from, image_from, restore_grid, to_network_order
from SpinalCordSegLib.levelset.crops import crops_around, paste, sample
from SpinalCordSegLib.levelset.drlse import drlse
from SpinalCordSegLib.levelset.edges import box_blur, edge_indicator, emphasise_edges, gray_levels
from SpinalCordSegLib.levelset.grlse import grlse
from SpinalCordSegLib.levelset.initialisation import inscribed_circle
from SpinalCordSegLib.levelset.refine import MARGIN_MM, PIXEL_MM, evolve
from SpinalCordSegLib.levelset.safety import is_darker
from SpinalCordSegLib.segmentation.csm import segment_cord_by_slice
from SpinalCordSegLib.weights import load_weights

SCANS = (
    "subj-a/t2w",
    "subj-c/t2s",
    "subj-e/t2s_run1",
    "subj-f-ses1/t2s_run1",
    "subj-f-ses2/t2s_run1",
    "subj-g/t2s_7t",
)
# Pixels of 0.7 mm, as the paper's, in a field of view around the cord.
PAPER_PIXEL_MM, PAPER_MARGIN_MM = 0.7, 35.0
PROPORTION = 0.5
CLOSINGS = (3, 5, 7, 9)
SOBEL = 150.0
SHRUNK = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
OVERGROWN = (1.1, 1.3, 1.5)
SHIFTS_MM = (1.0, 2.0, 3.0)
PATCHES = (
    "The last 1,000 steps of the U-Net saw windows of 128 x 128 pixels alone, as the paper's",
    "patches are.",
)
BEFORE_PATCHES = (
    "*Before patches* (only with `--before-patches FILE`, weights that do not ship): those from",
    "which it went on, a quarter of whose steps saw whole slices.",
)
_BEFORE = "U-Net, before patches"
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 80)


@dataclass(frozen=True)
class Score:
    """One slice by one method; distances in mm, infinite where the method left it empty."""

    scan: str
    row: int
    method: str
    dice: float
    rms_mm: float
    hausdorff95_mm: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before-patches", type=Path, help="weights of a U-Net on whole slices")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scans = [read_scan(name) for name in SCANS]
    masks = {scan.name: dict(by_method(scan, arguments.before_patches)) for scan in scans}
    scores = [s for scan in scans for s in score(scan, masks[scan.name])]
    text = page(scores, edge_detectors(scans, masks), starts(scans))
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "zhang.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "zhang.csv", scores)
    groups = [
        {m: [getattr(s, what) for s in scores if s.method == m] for m in masks[SCANS[0]]}
        for what in ("dice", "hausdorff95_mm")
    ]
    boxes = agreement_png(groups[0], groups[1], "Axial slices, by method", "slices")
    (arguments.output / "zhang_boxes.png").write_bytes(boxes)
    shown = ("U-Net", "GRLSE as printed", "GRLSE", "cascade", "cascade + GRLSE")
    for name, rows in (("examples", typical(scores)), ("failures", failures(scores))):
        picture = contours({s.name: s for s in scans}, masks, rows, shown)
        cv2.imwrite(str(arguments.output / f"zhang_{name}.jpg"), picture, _JPEG)
    print(text)


def by_method(scan: Scan, before_patches: Path | None) -> Iterator[tuple[str, Mask]]:
    """Yield the name of each method and its mask; the level sets start from the U-Net's."""
    unet = by_slice(scan, "csm_unet")
    yield "U-Net", unet
    if before_patches is not None:
        yield _BEFORE, by_slice(scan, before_patches)
    printed = partial(as_printed, scan, unet)
    yield "DRLSE as printed", printed(emphasise_edges, method="drlse")
    yield "GRLSE as printed", printed(emphasise_edges, method="grlse")
    yield "DRLSE", from_circle(scan, unet, "drlse")
    yield "GRLSE", from_circle(scan, unet, "grlse")
    yield "U-Net + refine", refined(scan, unet)
    found = scs.segment(scan.image, device="cpu").masks["cord"]
    cascade = array_from(to_network_order(found)) != 0
    yield "cascade", cascade
    yield "cascade + GRLSE", refined(scan, cascade)


def by_slice(scan: Scan, weights: str | Path) -> Mask:
    """Return what a 2D U-Net finds on whole slices."""
    found = segment_cord_by_slice(scan.image, load_weights(weights))
    return array_from(to_network_order(found.mask)) != 0


def refined(scan: Scan, mask: Mask) -> Mask:
    """Return a mask after ``scs.refine``, with its safety."""
    ordered = to_network_order(scan.image)
    image = restore_grid(image_from(mask.astype(np.uint8), ordered), scan.image)
    done = scs.refine(scan.image, image, "grlse", device="cpu")
    return array_from(to_network_order(done.mask)) != 0


def as_printed(
    scan: Scan,
    mask: Mask,
    emphasise: Callable[[NDArray[np.generic]], NDArray[np.float32]],
    method: str,
) -> Mask:
    """Return the paper's level set from a circle in a mask, with a way to emphasise edges."""
    result = np.zeros_like(mask)
    # Less than this is lost at the paper's resolution.
    area = mask.sum(axis=(0, 1)) * scan.spacing_mm[0] * scan.spacing_mm[1]
    rows = np.flatnonzero(area > 4 * PAPER_PIXEL_MM**2)
    crops = crops_around(mask, rows, scan.spacing_mm[:2], PAPER_PIXEL_MM, PAPER_MARGIN_MM)
    image = emphasise(box_blur(gray_levels(sample(scan.volume, crops).numpy())))
    start = inscribed_circle(sample(mask.astype(np.float32), crops).numpy() > 0.5, PROPORTION)
    if method == "drlse":
        phi = drlse(edge_indicator(image), start, until_rest=False).phi
    else:
        phi = grlse(torch.from_numpy(image), start, until_rest=False).phi
    paste(result, phi, crops, np.ones(rows.size, bool))
    return result


def from_circle(
    scan: Scan,
    mask: Mask,
    method: str,
    proportion: float = PROPORTION,
    shift_mm: float = 0.0,
) -> Mask:
    """Return our level set, without the safety, from a circle in a mask."""
    result = np.zeros_like(mask)
    rows = np.flatnonzero(mask.any(axis=(0, 1)))
    crops = crops_around(mask, rows, scan.spacing_mm[:2], PIXEL_MM, MARGIN_MM)
    gray = box_blur(gray_levels(sample(scan.volume, crops).numpy()))
    inside = sample(mask.astype(np.float32), crops).numpy() > 0.5
    start = inscribed_circle(inside, proportion)
    pixels = round(shift_mm / PIXEL_MM)
    # Another direction on each slice; the crops' margins are wider than any shift.
    start = np.stack(
        [np.roll(s, pixels * (1 - 2 * (k // 2 % 2)), k % 2) for k, s in enumerate(start)]
    )
    phi = evolve(gray, start, is_darker(gray, inside, PIXEL_MM), method)
    paste(result, phi, crops, np.ones(len(phi), bool))
    return result


def score(scan: Scan, masks: Mapping[str, Mask]) -> Iterator[Score]:
    """Compare every method with the reference, slice by slice."""
    for method, mask in masks.items():
        for row, dice in zip(scan.rows, dice_by_slice(mask, scan, scan.rows), strict=True):
            distances = surface_distances(
                mask[:, :, row], scan.reference[:, :, row], scan.spacing_mm[:2]
            )
            yield Score(
                scan.name,
                int(row),
                method,
                float(dice),
                rms_surface_distance(distances),
                hausdorff95(distances),
            )


def edge_detectors(scans: list[Scan], masks: Mapping[str, Mapping[str, Mask]]) -> dict[str, float]:
    """Return the mean Dice of GRLSE as printed with closings of several sizes, and with Sobel."""
    ways: dict[str, Callable[[NDArray[np.generic]], NDArray[np.float32]]] = {
        f"Canny, closing {side}": partial(emphasise_edges, closing=side) for side in CLOSINGS
    }
    ways |= {"Sobel": with_sobel, "none": lambda blurred: np.array(blurred, np.float32)}
    return {
        name: mean_dice(
            scans,
            {
                scan.name: as_printed(scan, masks[scan.name]["U-Net"], way, "grlse")
                for scan in scans
            },
        )
        for name, way in ways.items()
    }


def with_sobel(blurred: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return slices with the pixels of a steep Sobel gradient made bright."""
    result = np.array(blurred, np.float32)
    for one in result:
        slope = np.hypot(cv2.Sobel(one, cv2.CV_32F, 1, 0), cv2.Sobel(one, cv2.CV_32F, 0, 1))
        one[slope > SOBEL] = 255
    return result


def starts(scans: list[Scan]) -> dict[str, tuple[float, float]]:
    """Return the mean Dice of our DRLSE and GRLSE from circles in the reference, good and bad."""
    ways = {f"{part:.0%} of the circle": (part, 0.0) for part in (*SHRUNK, *OVERGROWN)}
    ways |= {f"50% of it, {mm:g} mm beside": (0.5, mm) for mm in SHIFTS_MM}
    return {
        name: tuple(
            mean_dice(
                scans, {s.name: from_circle(s, of_rows(s), method, part, shift) for s in scans}
            )
            for method in ("drlse", "grlse")
        )
        for name, (part, shift) in ways.items()
    }


def of_rows(scan: Scan) -> Mask:
    """Return the reference on the slices that are scored."""
    kept = np.zeros_like(scan.reference)
    kept[:, :, scan.rows] = scan.reference[:, :, scan.rows]
    return kept


def mean_dice(scans: list[Scan], masks: Mapping[str, Mask]) -> float:
    """Return the mean over scans of their slices' mean Dice."""
    return float(np.mean([dice_by_slice(masks[s.name], s, s.rows).mean() for s in scans]))


def page(
    scores: list[Score], detectors: Mapping[str, float], initial: Mapping[str, tuple[float, float]]
) -> str:
    """Return tables of all experiments as Markdown."""
    methods = list(dict.fromkeys(s.method for s in scores))
    dice = {m: np.array([s.dice for s in scores if s.method == m]) for m in methods}
    lines = [
        "# The experiments of Zhang 2021",
        "",
        "Made by `python Testing/evaluation/zhang.py`. Axial slices of six scans that have a",
        "reference of at least 10 mm². The paper's patients had spondylotic myelopathy, and its",
        "U-Net was trained on their scans; these are volunteers, and ours saw synthetic images",
        "alone. *As printed*: the paper's level set at 0.7 mm; *DRLSE*, *GRLSE*: ours, both from a",
        "circle half as wide as the U-Net's mask. *U-Net + refine* and *cascade + GRLSE*: what",
        "`segment --method csm` and `segment --refine grlse` give, with the safety.",
        *PATCHES,
        *(BEFORE_PATCHES if _BEFORE in methods else ()),
        "",
        "## Methods",
        "",
        "Mean ± standard deviation over slices; distances over slices that have a mask. *p*:",
        "Wilcoxon's test against the U-Net, slice by slice.",
        "",
        "| method | Dice | RMSE mm | HD95 mm | R(0.8) | R(0.9) | empty | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in methods:
        chosen = [s for s in scores if s.method == method]
        rms, hd = (
            np.array([getattr(s, what) for s in chosen]) for what in ("rms_mm", "hausdorff95_mm")
        )
        seen = np.isfinite(rms)
        p = "" if method == "U-Net" else f"{wilcoxon(dice[method], dice['U-Net']).p_value:.2g}"
        lines.append(
            f"| {method} | {dice[method].mean():.3f} ± {dice[method].std():.3f} "
            f"| {rms[seen].mean():.2f} ± {rms[seen].std():.2f} "
            f"| {hd[seen].mean():.2f} ± {hd[seen].std():.2f} "
            f"| {float(reliability(dice[method], 0.8)):.2f} "
            f"| {float(reliability(dice[method], 0.9)):.2f} | {int((~seen).sum())} | {p} |"
        )
    lines += ["", "Mean Dice by scan:", "", "| scan | " + " | ".join(methods) + " |"]
    lines.append("|---|" + "---|" * len(methods))
    for scan in dict.fromkeys(s.scan for s in scores):
        cells = [
            f"{np.mean([s.dice for s in scores if (s.scan, s.method) == (scan, m)]):.3f}"
            for m in methods
        ]
        lines.append(f"| {scan} | " + " | ".join(cells) + " |")
    tests = kruskal_wallis_pairwise(dice)
    differing = [f"{a} / {b}" for (a, b), test in tests.items() if test.p_value < 0.05]
    lines += [
        "",
        f"Kruskal–Wallis on Dice, Bonferroni over {len(tests)} pairs: p < 0.05 for "
        + (", ".join(differing) or "no pair")
        + ".",
        "",
        "![Box plots and reliability](zhang_boxes.png)",
        "",
        "## How edges are emphasised (GRLSE as printed, from the U-Net)",
        "",
        "Equation 3 lets the closed map count only on Canny's own pixels, where it is 255 whatever",
        "was closed: so its size changes nothing. Emphasis itself costs: an edge painted inside",
        "the cord, where gray matter or noise makes one, stops the contour there.",
        "",
        "| edges | mean Dice of the scans |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in detectors.items()),
        "",
        "## Where the contour starts (ours, circle in the reference's box, no safety)",
        "",
        "From inside the cord the size of the circle and a millimetre or two beside it matter",
        "little. A contour that starts outside finds the canal's edge; GRLSE comes back from a",
        "tenth too much, DRLSE does not, and from half as much again neither does.",
        "",
        "| start | DRLSE | GRLSE |",
        "|---|---|---|",
        *(f"| {name} | {a:.3f} | {b:.3f} |" for name, (a, b) in initial.items()),
        "",
        "## Slices",
        "",
        "Reference in white, then each method. Of each scan the slice where GRLSE has its median:",
        "",
        "![Typical slices](zhang_examples.jpg)",
        "",
        "and of each scan the slice where GRLSE is worst. It runs behind the cord to the edge of",
        "the canal where the fluid is thin, and where nerve roots or bone meet the cord nothing",
        "stops it; as printed it stays inside, at painted edges. `refine` keeps the mask on such",
        "slices, and hardly changes a mask as good as the cascade's: it helps masks that are off.",
        "",
        "![Failures](zhang_failures.jpg)",
    ]
    return "\n".join(lines) + "\n"


def typical(scores: list[Score]) -> list[tuple[str, int]]:
    """Return of each scan the slice with the median Dice of our GRLSE."""
    return [(name, ordered[len(ordered) // 2].row) for name, ordered in _by_scan(scores)]


def failures(scores: list[Score]) -> list[tuple[str, int]]:
    """Return of each scan the slice with the worst Dice of our GRLSE."""
    return [(name, ordered[0].row) for name, ordered in _by_scan(scores)]


def _by_scan(scores: list[Score]) -> Iterator[tuple[str, list[Score]]]:
    for name in SCANS:
        own = [s for s in scores if s.scan == name and s.method == "GRLSE"]
        yield name, sorted(own, key=lambda s: s.dice)


def contours(
    scans: Mapping[str, Scan],
    masks: Mapping[str, Mapping[str, Mask]],
    rows: list[tuple[str, int]],
    methods: tuple[str, ...],
) -> NDArray[np.uint8]:
    """Return a picture: a row for each slice, a column for the reference and for each method."""
    lines = []
    for name, row in rows:
        scan = scans[name]
        outlines = {"reference": scan.reference} | {m: masks[name][m] for m in methods}
        crops = crops_around(scan.reference, np.array([row]), scan.spacing_mm[:2], 0.15, 7.0)
        gray = gray_levels(sample(scan.volume, crops).numpy())[0]
        tiles = []
        for title, mask in outlines.items():
            inside = sample(mask.astype(np.float32), crops).numpy()[0] > 0.5
            tiles.append(_tile(gray, inside, title if not lines else "", title == "reference"))
        line = cv2.copyMakeBorder(np.hstack(tiles), 0, 2, 0, 0, cv2.BORDER_CONSTANT)
        label = f"{name}, slice {row}"
        cv2.putText(line, label, (4, line.shape[0] - 8), 0, 0.35, (200, 200, 200), 1, cv2.LINE_AA)
        lines.append(line)
    return np.vstack(lines)


def _tile(
    gray: NDArray[np.float32], inside: Mask, title: str, is_reference: bool, side: int = 180
) -> NDArray[np.uint8]:
    """Return one slice with an outline; anterior up, the person's right on the left."""
    upright = [np.flipud(part.T) for part in (gray, inside.astype(np.float32))]
    image, mask = (cv2.resize(part.astype(np.float32), (side, side)) for part in upright)
    tile = cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    found, _ = cv2.findContours(
        (mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(tile, found, -1, (255, 255, 255) if is_reference else (60, 200, 255), 1)
    cv2.putText(tile, title, (4, 14), 0, 0.4, (120, 255, 120), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
