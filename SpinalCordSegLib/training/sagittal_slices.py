# SPDX-License-Identifier: Apache-2.0
"""Samples as the cascade sees thick sagittal slices: straightened along a curve.

Voxels are as wide as half a cord there. Straightening moves each axial row so that the curve runs
down the middle, and with the cord at rest it is the edges of the voxels that wander from row to
row: a pattern that no patch cut straight out of an image shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from .acquisition import normalised, thick_sagittal_slices
from .anatomy import AnatomyRange, AtlasTensors
from .deformation import off_curve
from .randomness import seeded
from .samples import synthetic_sample

# A course that leaves the patch by more than this is not followed, mm.
_MARGIN_MM = (12.0, 8.0)


def sagittal_sample(
    atlas: AtlasTensors,
    seed: Sequence[int],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one image and the cord in it, the same for the same seed.

    Parameters
    ----------
    seed : sequence of int
    shape : (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    spacing_mm : (x, y, z)
    ranges : AnatomyRange
        Its `off_centre_mm` is how far the curve strays from the cord.

    Returns
    -------
    image : Tensor of float32, (1, X, Y, Z)
        Normalised; 0 outside the field of view.
    target : Tensor of float32, (1, X, Y, Z)
        Fraction of each voxel inside the cord.
    """
    random = seeded((*seed, 2))
    acquisition = thick_sagittal_slices(random)
    margin = [round(m / s) for m, s in zip(_MARGIN_MM, spacing_mm, strict=False)]
    wide = (shape[0] + 2 * margin[0], shape[1] + 2 * margin[1], shape[2])
    centred = replace(ranges, off_centre_mm=(0.0, 0.0))
    image, cord = synthetic_sample(atlas, seed, wide, spacing_mm, centred, ("cord",), acquisition)
    off = off_curve(random, shape[2], spacing_mm[2], ranges.off_centre_mm)
    voxel_mm = torch.tensor(list(spacing_mm[:2]), device=off.device)[:, None]
    offset = (_course(cord[0]) + off / voxel_mm).round().long()
    for axis in range(2):
        offset[axis].clamp_(-margin[axis], margin[axis]).add_(margin[axis])
    image, cord = (_along(volume, offset, shape) for volume in (image, cord))
    return normalised(image, image != 0), cord


def _course(cord: torch.Tensor) -> torch.Tensor:
    """Return how far from the middle the cord is on each row, voxels, (2, Z); on from its ends."""
    mass = cord.sum(dim=(0, 1))
    rows = torch.nonzero(mass > 4).flatten()
    if rows.numel() == 0:
        return torch.zeros(2, cord.shape[2], device=cord.device)
    nearest = torch.arange(cord.shape[2], device=cord.device).clamp(int(rows[0]), int(rows[-1]))
    course = []
    for axis, other in ((0, 1), (1, 0)):
        place = torch.arange(cord.shape[axis], device=cord.device) - (cord.shape[axis] - 1) / 2
        middle = (cord.sum(dim=other) * place[:, None]).sum(dim=0) / mass.clamp(min=1e-6)
        course.append(middle[nearest])
    return torch.stack(course)


def _along(volume: torch.Tensor, offset: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Cut (1, X, Y, Z) out of a wider volume, each row from its own offset, (2, Z)."""
    x = torch.arange(shape[0], device=volume.device)[:, None, None] + offset[0]
    y = torch.arange(shape[1], device=volume.device)[None, :, None] + offset[1]
    return volume[:, x, y, torch.arange(shape[2], device=volume.device)]
