# SPDX-License-Identifier: Apache-2.0
"""How far the cord's weights go: synthetic scans made worse in one respect at a time.

    python Testing/evaluation/robustness.py

writes ``robustness.md``, ``robustness.csv`` and ``robustness_worst.png`` beside itself. The same
healthy spines in every cell, made by the training's generator with seeds of their own; centerline
and cord are found end to end. Needs the label maps in the shared folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from score_files import write_csv  # noqa: E402
from synthetic_scans import Look, Volume, as_image, read_atlas, stored_scan  # noqa: E402

import SpinalCordSegLib as scs  # noqa: E402
from SpinalCordSegLib.training.anatomy import AtlasTensors  # noqa: E402
from SpinalCordSegLib.training.pathology import HEALTHY  # noqa: E402

Change = Callable[[Volume, Volume, Sequence[float]], tuple[Volume, Volume]]

# Spines in turn are seen as these.
_SEEN_AS = ("T2w", "T1w", "T2*w", "MT")
_WORST_SHOWN = 6
_BOUND = 0.8


@dataclass(frozen=True)
class Cell:
    """One row of the table: what differs from the scan that all others are compared with.

    Attributes
    ----------
    factor, level : str
    look : Look
        Its sequence is each of several in turn.
    change : callable, optional
        From stored image, cord and voxel size to those that are segmented and compared.
    """

    factor: str
    level: str
    look: Look
    change: Change | None = None


@dataclass(frozen=True)
class Score:
    """One synthetic scan. Dice is 0 where no cord was found."""

    factor: str
    level: str
    spine: int
    sequence: str
    dice: float
    volume_difference_percent: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["default"])
    parser.add_argument("--spines", type=int, default=8)
    parser.add_argument("--atlas", type=Path, help="an .npz file that keeps the atlas between runs")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    atlas = read_atlas(arguments.atlas)
    arguments.output.mkdir(parents=True, exist_ok=True)
    scores: list[Score] = []
    pictures: list[tuple[float, NDArray[np.uint8]]] = []
    for spine in range(arguments.spines):
        for cell in cells():
            score, picture = examine(cell, spine, atlas, arguments.weights)
            scores.append(score)
            pictures = sorted([*pictures, (score.dice, picture)], key=lambda p: p[0])
            pictures = pictures[:_WORST_SHOWN]
            # At once and spine by spine, so that a run that is cut short leaves a table of fewer.
            write_csv(arguments.output / "robustness.csv", scores)
            (arguments.output / "robustness.md").write_text(table(scores), encoding="utf-8")
            write_worst([p for _, p in pictures], arguments.output / "robustness_worst.png")
        print(f"{spine + 1} of {arguments.spines} spines", flush=True)
    print(table(scores))


def cells() -> tuple[Cell, ...]:
    """Return the scan that others are compared with, then what is worse in one respect."""
    plain = Look("T2w", (0.5, 0.5, 2.0), (56.0, 56.0, 48.0))
    ill = ((0.9, "0.9 of the width"), (0.5, "0.5 to 0.9"), (0.2, "0.2 to 0.9"))
    looks: list[tuple[str, str, Look]] = [
        ("none", "0.5 x 0.5 x 2 mm, noise 2 %, bias 0.15", plain),
        *(("noise", f"{100 * n:g} %", replace(plain, noise=n)) for n in _NOISE),
        *(("bias field", f"{b:g}", replace(plain, bias=b)) for b in (0.0, 0.3, 0.6)),
        *(("in plane", f"{v:g} mm", replace(plain, voxel_mm=(v, v, 2.0))) for v in _IN_PLANE_MM),
        *(("slices", f"{z:g} mm", replace(plain, voxel_mm=(0.5, 0.5, z))) for z in _SLICES_MM),
        *(
            (
                "compression",
                level,
                replace(plain, pathology=replace(HEALTHY, compression=1.0, narrowest=narrowest)),
            )
            for narrowest, level in ill
        ),
    ]
    changes: tuple[tuple[str, str, Change], ...] = (
        ("contrast", "inverted", _inverted),
        ("field of view", "32 mm wide", _narrow(32.0)),
        ("field of view", "20 mm wide", _narrow(20.0)),
        ("field of view", "ends at the cord's right edge", _cut_beside_the_cord),
        ("field of view", "12 mm long", _short(12.0)),
        ("field of view", "one slice", _short(2.0)),
        ("stored array", "left-right flipped", _flipped(0)),
        ("stored array", "front-back flipped", _flipped(1)),
        ("stored array", "up-down flipped", _flipped(2)),
    )
    return (
        *(Cell(factor, level, look) for factor, level, look in looks),
        *(Cell(factor, level, plain, change) for factor, level, change in changes),
    )


_NOISE = (0.01, 0.03, 0.06, 0.1, 0.15)
_IN_PLANE_MM = (0.3, 0.5, 0.8, 1.2)
_SLICES_MM = (0.5, 1.0, 2.0, 4.0, 8.0)


def examine(
    cell: Cell, spine: int, atlas: AtlasTensors, weights: list[str]
) -> tuple[Score, NDArray[np.uint8]]:
    """Make one scan, segment it and compare; return the score and a picture of it."""
    sequence = _SEEN_AS[spine % len(_SEEN_AS)]
    image, truth = stored_scan(atlas, spine, replace(cell.look, sequence=sequence))
    voxel_mm = cell.look.voxel_mm
    if cell.change:
        image, truth = cell.change(image, truth, voxel_mm)
    reference = truth >= 0.5
    try:
        result = scs.segment(as_image(image, voxel_mm), weights=weights, device="cpu")
        mask = sitk.GetArrayFromImage(result.masks["cord"]).transpose(2, 1, 0) != 0
    except scs.CordNotFound:
        mask = np.zeros(image.shape, bool)
    both = 2 * int((mask & reference).sum())
    score = Score(
        cell.factor,
        cell.level,
        spine,
        sequence,
        both / max(1, int(mask.sum() + reference.sum())),
        100 * float(mask.sum() / max(1, reference.sum()) - 1),
    )
    title = f"{cell.factor} {cell.level}"
    return score, picture_of(
        image, mask, reference, voxel_mm, title, f"{sequence} {score.dice:.2f}"
    )


def picture_of(
    image: Volume,
    mask: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    voxel_mm: Sequence[float],
    *titles: str,
) -> NDArray[np.uint8]:
    """Return the axial slice that is worst and a sagittal one, reference green, found orange."""
    wrong = (mask != reference).sum(axis=(0, 1))
    along = reference.sum(axis=(1, 2)) + 1e-3
    column = round(float(np.average(np.arange(len(along)), weights=along)))
    row = int(wrong.argmax())
    axial = _panel(
        *(a[:, :, row] for a in (image, mask, reference)), voxel_mm[0], voxel_mm[1], _PANEL
    )
    side = _panel(*(a[column] for a in (image, mask, reference)), voxel_mm[1], voxel_mm[2], _PANEL)
    picture = np.hstack([axial, side])
    for line, title in enumerate(titles):
        place = (4, 14 + 15 * line)
        cv2.putText(picture, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, 16)
    return picture


_PANEL = 192
_GREEN, _ORANGE = (90, 220, 90), (40, 140, 255)


def write_worst(pictures: list[NDArray[np.uint8]], path: Path) -> None:
    """Write the pictures as a grid of two columns."""
    empty = [np.zeros_like(pictures[0])] * (len(pictures) % 2)
    tiles = [*pictures, *empty]
    rows = [np.hstack(tiles[k : k + 2]) for k in range(0, len(tiles), 2)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def table(scores: list[Score]) -> str:
    """Return mean and worst Dice of each cell as a Markdown table."""
    spines = 1 + max(s.spine for s in scores)
    lines = [
        "# How robust the cord is",
        "",
        "Made by `python Testing/evaluation/robustness.py`. Synthetic scans of healthy spines,",
        f"56 x 56 x 48 mm, by the training's generator, other seeds: the same {spines} spines",
        "in every row (fewer where *n* says so), at any level from the conus to C1, seen in turn",
        f"as {', '.join(_SEEN_AS)}. One thing is made worse at a time; all else is as in the first",
        "row. Centerline and cord are found end to end, the contrast not told. The truth is what",
        "the generator painted, so this says how the network bears what it was trained for, not",
        "how well it does on people: for that, see `cord.md`. A scan on which no cord is found",
        "counts 0.",
        "",
        "*Noise*: relative to the brightest tissue. *Bias field*: standard deviation of its",
        "logarithm at its nodes. *Compression*: anterior-posterior width left at one to three",
        "levels, half of them with a bulge as well. *Stored array*: the header is left as it was,",
        "and so tells the wrong side.",
        "",
        "| what | level | n | mean Dice | worst | worst is | volume % |",
        "|---|---|---|---|---|---|---|",
    ]
    order = {(c.factor, c.level): k for k, c in enumerate(cells())}
    keys = sorted({(s.factor, s.level) for s in scores}, key=lambda k: order.get(k, len(order)))
    low = []
    for factor, level in keys:
        rows = [s for s in scores if (s.factor, s.level) == (factor, level)]
        dice = np.array([s.dice for s in rows])
        worst = rows[int(dice.argmin())]
        volume = np.mean([s.volume_difference_percent for s in rows])
        lines.append(
            f"| {factor} | {level} | {len(rows)} | {dice.mean():.3f} | {dice.min():.3f} "
            f"| {worst.sequence}, spine {worst.spine} | {volume:+.0f} |"
        )
        if dice.mean() < _BOUND:
            low.append(f"{factor} {level} ({dice.mean():.2f})")
    lines += ["", f"Cells whose mean is under {_BOUND}: {'; '.join(low) or 'none'}.", ""]
    lines += [
        "![The worst scans](robustness_worst.png)",
        "",
        "The worst scans: the axial slice with most wrong voxels and a sagittal",
        "one; the truth in green, what was found in orange, Dice beside the sequence.",
        "",
    ]
    return "\n".join(lines)


def _inverted(image: Volume, cord: Volume, voxel_mm: Sequence[float]) -> tuple[Volume, Volume]:
    return image.max() - image, cord


def _flipped(axis: int) -> Change:
    return lambda image, cord, voxel_mm: (np.flip(image, axis), np.flip(cord, axis))


def _narrow(width_mm: float) -> Change:
    """Cut to a width around the cord's mean place."""

    def change(image: Volume, cord: Volume, voxel_mm: Sequence[float]) -> tuple[Volume, Volume]:
        box: list[slice] = []
        for axis in range(2):
            line = cord.sum(axis=tuple(a for a in range(3) if a != axis))
            middle = float(np.average(np.arange(len(line)), weights=line + 1e-6))
            half = width_mm / voxel_mm[axis] / 2
            box.append(slice(max(0, round(middle - half)), round(middle + half)))
        return image[box[0], box[1]], cord[box[0], box[1]]

    return change


def _cut_beside_the_cord(
    image: Volume, cord: Volume, voxel_mm: Sequence[float]
) -> tuple[Volume, Volume]:
    """Cut away all to the right of the cord's rightmost voxel."""
    first = int(np.flatnonzero((cord >= 0.5).any(axis=(1, 2)))[0])
    return image[first:], cord[first:]


def _short(length_mm: float) -> Change:
    def change(image: Volume, cord: Volume, voxel_mm: Sequence[float]) -> tuple[Volume, Volume]:
        slices = max(1, round(length_mm / voxel_mm[2]))
        low = (image.shape[2] - slices) // 2
        return image[:, :, low : low + slices], cord[:, :, low : low + slices]

    return change


def _panel(
    image: Volume,
    mask: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    across_mm: float,
    up_mm: float,
    size: int,
) -> NDArray[np.uint8]:
    """Return a slice with both outlines, in its true proportions, in a square."""
    extent = image.shape[0] * across_mm, image.shape[1] * up_mm
    scale = size / max(extent)
    shape = max(2, round(extent[0] * scale)), max(2, round(extent[1] * scale))
    low, high = np.percentile(image, (1, 99.5))
    gray = np.clip((image - low) / (high - low + 1e-6), 0, 1).T[::-1]
    gray = cv2.resize(np.ascontiguousarray(gray), shape, interpolation=cv2.INTER_LINEAR)
    shown = np.repeat((np.round(31 * gray) * 8).astype(np.uint8)[:, :, None], 3, axis=2)
    for outline, colour in ((reference, _GREEN), (mask, _ORANGE)):
        part = np.ascontiguousarray(outline.T[::-1].astype(np.float32))
        part = cv2.resize(part, shape, interpolation=cv2.INTER_LINEAR)
        found, _ = cv2.findContours(
            (part > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(shown, found, -1, colour, 1)
    square = np.zeros((size, size, 3), np.uint8)
    square[: shape[1], : shape[0]] = shown
    return square


if __name__ == "__main__":
    main()
