# SPDX-License-Identifier: Apache-2.0
"""Draw a grid of synthetic samples with their targets.

    python Testing/evaluation/synthetic_samples.py

writes ``Resources/figures/synthetic_samples.png``: each sample as two axial slices and a sagittal
one, the cord outlined in orange, lesions in green. Needs the label maps in the shared folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
FIGURE = CHECKOUT / "Resources" / "figures" / "synthetic_samples.png"
sys.path.insert(0, str(CHECKOUT))

from SpinalCordSegLib.training.acquisition import ANY_SEQUENCE, AcquisitionRange  # noqa: E402
from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, upload  # noqa: E402
from SpinalCordSegLib.training.pathology import HEALTHY  # noqa: E402
from SpinalCordSegLib.training.samples import synthetic_sample  # noqa: E402
from SpinalCordSegLib.training.tissue_atlas import build_tissue_atlas  # noqa: E402

SHAPE, SPACING = (64, 64, 64), (0.5, 0.5, 1.0)
COLUMNS = 4
_SCALE = 2
_ORANGE, _GREEN = (40, 140, 255), (90, 220, 90)

_CLEAN = replace(ANY_SEQUENCE, cut_axes=0, flow=0, ghosts=0, motion=0, ringing=0, uneven_slices=0)
_FINE, _AXIAL, _SAGITTAL = (0.8, 0.8, 0.8), (0.5, 0.5, 5.0), (3.9, 0.65, 0.65)
_NECK = AnatomyRange((2.0, 2.0), 0.0, HEALTHY)
_ENDS = replace(_NECK, end_fraction=1.0)


def _seen_as(sequence: str, voxel_mm: tuple[float, float, float] = _FINE) -> AcquisitionRange:
    return replace(_CLEAN, sequences={sequence: 1}, voxel_mm=voxel_mm, noise=(0.01, 0.03))


def _ill(**rates: float) -> AnatomyRange:
    return replace(_NECK, pathology=replace(HEALTHY, **rates))


# What is written beside a sample, its seed, what it shows and how it is seen.
SAMPLES: tuple[tuple[str, int, AnatomyRange, AcquisitionRange], ...] = (
    ("T2w", 1, _NECK, _seen_as("T2w")),
    ("T1w", 2, _NECK, _seen_as("T1w")),
    ("T2*w, 5 mm slices", 3, _NECK, _seen_as("T2*w", _AXIAL)),
    ("MT", 44, _NECK, _seen_as("MT", (0.8, 0.8, 3.0))),
    ("DWI", 5, _NECK, _seen_as("DWI", (0.9, 0.9, 5.0))),
    ("PSIR", 6, _NECK, _seen_as("PSIR", (0.7, 0.7, 3.0))),
    ("STIR, sagittal slabs", 7, _NECK, _seen_as("STIR", _SAGITTAL)),
    ("random contrast", 8, _NECK, _seen_as("random")),
    ("compression, T2w", 9, _ill(compression=1), _seen_as("T2w")),
    ("compression, T1w", 30, _ill(compression=1), _seen_as("T1w")),
    ("atrophy, T2w", 51, _ill(atrophy=1), _seen_as("T2w")),
    ("cavity, T2w", 12, _ill(cavity=1), _seen_as("T2w")),
    ("lesions, T2w", 13, _ill(lesion=1), _seen_as("T2w")),
    ("lesions, T2*w", 14, _ill(lesion=1), _seen_as("T2*w", (0.5, 0.5, 3.0))),
    ("scoliosis, T2w", 35, _ill(curved=1), _seen_as("T2w")),
    ("metal, T1w", 16, _ill(implant=1), _seen_as("T1w")),
    ("cauda equina, T2w", 16, _ENDS, _seen_as("T2w")),
    ("conus, T2w slabs", 10, _ENDS, _seen_as("T2w", _SAGITTAL)),
    ("brainstem, T1w", 20, _ENDS, _seen_as("T1w")),
    ("flow, T2w", 20, _NECK, replace(_seen_as("T2w"), flow=1)),
    ("ghosts, T2*w", 21, _NECK, replace(_seen_as("T2*w"), ghosts=1)),
    ("motion, T2w", 22, _NECK, replace(_seen_as("T2w"), motion=1)),
    ("ringing, T2w", 23, _NECK, replace(_seen_as("T2w", (1.1, 1.1, 1.2)), ringing=1)),
    ("cut field of view", 24, _NECK, replace(_seen_as("T2w"), cut_axes=1)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FIGURE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    picture = draw_grid(upload(build_tissue_atlas(SHARED / "labels"), "cpu"))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.output), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def draw_grid(atlas: AtlasTensors) -> NDArray[np.uint8]:
    """Return all samples as one picture, BGR."""
    panels = []
    for title, seed, ranges, acquisition in SAMPLES:
        # Lesions are painted where the rates ask for them, not in half of the samples.
        image, target = _sample(atlas, seed, ranges, acquisition)
        panels.append(panel(image.numpy(), target.numpy(), title))
    rows = [np.hstack(panels[k : k + COLUMNS]) for k in range(0, len(panels), COLUMNS)]
    return np.vstack(rows)


def _sample(
    atlas: AtlasTensors, seed: int, ranges: AnatomyRange, acquisition: AcquisitionRange
) -> tuple[torch.Tensor, torch.Tensor]:
    wanted = ("cord", "lesion") if ranges.pathology.lesion else ("cord",)
    attempt = 0
    while True:
        image, target = synthetic_sample(
            atlas, (2026, seed, attempt), SHAPE, SPACING, ranges, wanted, acquisition
        )
        if target[-1].sum() > 0 or ranges.end_fraction:
            return image[0], target
        attempt += 1


def panel(image: NDArray[np.float32], target: NDArray[np.float32], title: str) -> NDArray[np.uint8]:
    """Return two axial slices, one above the other, a sagittal slice beside them, and a name."""
    weight = target[-1].sum(axis=(1, 2)) + 1e-3
    column = round(np.average(np.arange(len(weight)), weights=weight))
    along = target[-1].sum(axis=(0, 1))
    height = image.shape[2]
    rows = (round(0.7 * height), round(0.3 * height))
    if len(target) > 1:
        rows = (int(along.argmax()), rows[1])
    axial = [_outlined(image, (slice(None), slice(None), row), target, 1.0) for row in rows]
    sagittal = _outlined(image, (column, slice(None), slice(None)), target, SPACING[2] / SPACING[1])
    picture = np.hstack([np.vstack(axial), np.zeros((len(sagittal), 1, 3), np.uint8), sagittal])
    picture = cv2.copyMakeBorder(picture, 0, 3, 0, 4, cv2.BORDER_CONSTANT)
    strip = picture[-22:-3]
    strip[:] //= 4
    place = (4, len(picture) - 8)
    cv2.putText(
        picture, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 1, cv2.LINE_AA
    )
    return picture


def _outlined(
    image: NDArray[np.float32],
    cut: tuple[int | slice, ...],
    target: NDArray[np.float32],
    stretch: float,
) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (1, 99.7))
    gray = np.clip((image[cut] - low) / (high - low), 0, 1).T[::-1]
    size = (gray.shape[1] * _SCALE, round(gray.shape[0] * _SCALE * stretch))
    enlarged = cv2.resize(np.ascontiguousarray(gray), size, interpolation=cv2.INTER_LINEAR)
    # Sixty-four grays: the picture is a third of the size.
    shown = np.repeat((np.round(63 * enlarged) * 4).astype(np.uint8)[:, :, None], 3, axis=2)
    for mask, colour in zip(target, (_ORANGE, _GREEN), strict=False):
        part = cv2.resize(np.ascontiguousarray(mask[cut].T[::-1]), size)
        outlines, _ = cv2.findContours(
            (part > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(shown, outlines, -1, colour, 1)
    return shown


if __name__ == "__main__":
    main()
