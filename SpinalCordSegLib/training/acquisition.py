# SPDX-License-Identifier: Apache-2.0
"""From tissue to an MR image: contrast, resolution, bias field, noise, field of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .randomness import Randomness
from .tissues import TISSUE_COUNT, Tissue

# Means of CSF, white matter, (gray minus white) matter and the range of the background's means,
# each a (low, high) range, relative to the brightest tissue. Shaped after the look of each
# sequence in the development scans, widened.
_CONTRASTS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.80, 1.10), (0.22, 0.50), (0.00, 0.10), (0.00, 0.60)),  # T2w
    ((0.05, 0.30), (0.50, 0.80), (-0.12, 0.00), (0.05, 1.00)),  # T1w
    ((0.75, 1.10), (0.38, 0.60), (0.06, 0.20), (0.10, 0.95)),  # T2*w
    ((0.35, 0.65), (0.40, 0.60), (0.03, 0.12), (0.10, 0.90)),  # MT-weighted
    ((0.02, 0.25), (0.80, 1.00), (-0.10, 0.10), (0.00, 0.25)),  # DWI
    ((0.60, 1.00), (0.60, 0.90), (-0.05, 0.10), (0.00, 0.80)),  # bright cord in bright CSF
)


@dataclass(frozen=True)
class AcquisitionRange:
    """What scanners and sequences an image may come from.

    Attributes
    ----------
    in_plane_mm : (float, float)
        Voxel size in plane, least and most.
    noise : (float, float)
        Standard deviation, relative to the brightest tissue.
    gray_minus_white : (float, float), optional
        Least and most difference between gray and white matter, relative to the brightest tissue;
        by default whatever the contrast gives, also none.
    """

    in_plane_mm: tuple[float, float] = (0.35, 1.1)
    noise: tuple[float, float] = (0.005, 0.07)
    gray_minus_white: tuple[float, float] | None = None


ANY_SEQUENCE = AcquisitionRange()
GRAY_MATTER_SEQUENCES = AcquisitionRange((0.28, 0.8), (0.003, 0.04), (0.06, 0.28))
"""Sequences made to show the gray matter."""


def acquire(
    tissue: torch.Tensor,
    random: Randomness,
    spacing_mm: Sequence[float],
    ranges: AcquisitionRange = ANY_SEQUENCE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint a tissue map as a scanner might see it.

    Parameters
    ----------
    tissue : Tensor of int64, (X, Y, Z)
    spacing_mm : (x, y, z)
        Of the tissue map; the image comes back on the same grid.
    ranges : AcquisitionRange

    Returns
    -------
    image : Tensor of float32, (X, Y, Z)
        Zero mean and unit variance inside the field of view, 0 outside it.
    seen : Tensor of bool, (X, Y, Z)
        The field of view.
    """
    image = _paint(tissue, random, ranges)
    image = _scan(image, random, spacing_mm, ranges)
    image = image.clamp(min=0)
    image = (image / (image.max() + 1e-6)) ** random.uniform(0.7, 1.4)
    seen = _field_of_view(tissue.shape, random)
    inside = image[seen]
    image = (image - inside.mean()) / (inside.std() + 1e-5)
    return torch.where(seen, image, 0.0), seen


def _paint(tissue: torch.Tensor, random: Randomness, ranges: AcquisitionRange) -> torch.Tensor:
    values = _tissue_means(random)
    if ranges.gray_minus_white:
        # Brighter in T2*w and most others, darker in some.
        sign = 1 if random.chance(0.85) else -1
        difference = sign * random.uniform(*ranges.gray_minus_white)
        values[Tissue.GRAY_MATTER] = values[Tissue.WHITE_MATTER] + difference
    means = torch.from_numpy(values).to(random.device)
    spreads = torch.from_numpy(random.scalars.uniform(0, 0.07, TISSUE_COUNT).astype(np.float32)).to(
        random.device
    )
    image = means[tissue] + spreads[tissue] * random.noise(tissue.shape)
    if random.chance(0.5):
        texture = random.smooth_field(tissue.shape, [max(2, n // 8) for n in tissue.shape])[0]
        image = image + random.uniform(0, 0.12) * texture * (tissue >= Tissue.BACKGROUND)
    return image


def _tissue_means(random: Randomness) -> np.ndarray:
    means = random.scalars.uniform(0, 1, TISSUE_COUNT)
    if random.chance(0.6):
        contrast = _CONTRASTS[int(random.scalars.integers(len(_CONTRASTS)))]
        csf, white, gray_minus_white = (random.uniform(*limits) for limits in contrast[:3])
        count = TISSUE_COUNT - Tissue.BACKGROUND
        means[Tissue.BACKGROUND :] = random.scalars.uniform(*contrast[3], count)
        means[Tissue.CSF] = csf
        means[Tissue.WHITE_MATTER] = white
        means[Tissue.GRAY_MATTER] = white + gray_minus_white
        means[Tissue.AIR] = random.uniform(0, 0.05)
    else:
        white = means[Tissue.WHITE_MATTER]
        means[Tissue.GRAY_MATTER] = white + random.scalars.normal(0, 0.1)
        while abs(means[Tissue.CSF] - white) < 0.12:
            means[Tissue.CSF] = random.uniform(0, 1)
        if random.chance(0.8):
            means[Tissue.AIR] = random.uniform(0, 0.06)
    means[Tissue.NEURAL] = means[Tissue.WHITE_MATTER] + random.scalars.normal(0, 0.04)
    return means.astype(np.float32)


def _scan(
    image: torch.Tensor, random: Randomness, spacing_mm: Sequence[float], ranges: AcquisitionRange
) -> torch.Tensor:
    """Lose resolution, and gain a bias field and Rician noise at that resolution."""
    size = image.shape
    voxel_mm = _voxel_size(random, size, spacing_mm, ranges)
    x = image[None, None]
    for axis in range(3):
        excess = max(0.0, voxel_mm[axis] / spacing_mm[axis] - 0.9)
        x = _blur(x, axis, 0.42 * excess)
    coarse = [
        max(1 if n == 1 else 2, round(n * min(1.0, s / v)))
        for n, s, v in zip(size, spacing_mm, voxel_mm, strict=True)
    ]
    x = F.interpolate(x, size=coarse, mode="trilinear", align_corners=False)
    lattice = [2 if n < 40 or s > 0.8 else 3 for n, s in zip(size, spacing_mm, strict=True)]
    x = x * torch.exp(random.uniform(0, 0.35) * random.smooth_field(coarse, lattice))
    sigma = random.uniform(*ranges.noise)
    real, imaginary = sigma * random.noise(x.shape), sigma * random.noise(x.shape)
    x = torch.sqrt((x + real) ** 2 + imaginary**2)
    return F.interpolate(x, size=tuple(size), mode="trilinear", align_corners=False)[0, 0]


def _voxel_size(
    random: Randomness, size: Sequence[int], spacing_mm: Sequence[float], ranges: AcquisitionRange
) -> tuple[float, float, float]:
    """Return a scanner's voxel: axial slices mostly, sagittal slabs sometimes."""
    in_plane = random.uniform(*ranges.in_plane_mm)
    thick = random.uniform(0.5, 1.2) if random.chance(0.5) else random.uniform(1.2, 5.5)
    if size[2] * spacing_mm[2] < 8:
        thick = spacing_mm[2]
    if random.chance(0.2) and not ranges.gray_minus_white:
        return random.uniform(0.8, 3.0), in_plane, in_plane
    return in_plane, in_plane * random.uniform(0.9, 1.1), thick


def _blur(x: torch.Tensor, axis: int, sigma: float) -> torch.Tensor:
    """Gaussian blur of (1, 1, X, Y, Z) along one spatial axis; sigma in voxels."""
    if sigma < 0.15 or x.shape[2 + axis] == 1:
        return x
    radius = min(int(np.ceil(2.5 * sigma)), x.shape[2 + axis] - 1)
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    shape = [1] * 5
    shape[2 + axis] = 2 * radius + 1
    padding = [0] * 6
    padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = radius
    padded = F.pad(x, padding, mode="replicate")
    return F.conv3d(padded, (kernel / kernel.sum()).view(shape))


def _field_of_view(size: Sequence[int], random: Randomness) -> torch.Tensor:
    """Return where the scanner looked: sometimes the image ends inside the patch."""
    seen = torch.ones(tuple(size), dtype=torch.bool, device=random.device)
    for axis in range(3):
        if size[axis] < 8 or not random.chance(0.25):
            continue
        cut = int(random.uniform(0, 0.35) * size[axis])
        hidden: list[slice] = [slice(None)] * 3
        hidden[axis] = slice(0, cut) if random.chance(0.5) else slice(size[axis] - cut, None)
        seen[tuple(hidden)] = False
    return seen
