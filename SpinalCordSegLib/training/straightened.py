# SPDX-License-Identifier: Apache-2.0
"""Samples as the cascade sees scans: straightened along a curve that strays from the cord.

Most of all near the conus: there some curves leave the cord for the middle of the sac, which then
may pass for a cord.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from .acquisition import AcquisitionRange, normalised
from .anatomy import AnatomyRange, AtlasTensors
from .deformation import off_curve
from .randomness import Randomness
from .samples import synthetic_sample

# A course that leaves the patch by more than this is not followed, mm.
_MARGIN_MM = (12.0, 8.0)
# How often the curve goes over to the sac's middle, how far above the cord's tip it is half way,
# and over what length, mm.
_TO_THE_SAC, _ABOVE_TIP_MM, _OVER_MM = 0.6, (-15.0, 35.0), (5.0, 40.0)
# A curve does not follow the sac's every bulge.
_SAC_SMOOTH_MM = 20.0


def straightened_sample(
    atlas: AtlasTensors,
    seed: Sequence[int],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
    acquisition: AcquisitionRange,
    random: Randomness,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one image and the cord in it, the same for the same seed and course.

    Parameters
    ----------
    seed : sequence of int
        Of the image.
    shape : (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    spacing_mm : (x, y, z)
    ranges : AnatomyRange
        Its `off_centre_mm` is how far the curve strays from the cord.
    acquisition : AcquisitionRange
    random : Randomness
        What the curve's course is drawn from, on the atlas's device.

    Returns
    -------
    image : Tensor of float32, (1, X, Y, Z)
        Normalised; 0 outside the field of view.
    target : Tensor of float32, (1, X, Y, Z)
        Fraction of each voxel inside the cord.
    """
    margin = [round(m / s) for m, s in zip(_MARGIN_MM, spacing_mm, strict=False)]
    wide = (shape[0] + 2 * margin[0], shape[1] + 2 * margin[1], shape[2])
    centred = replace(ranges, off_centre_mm=(0.0, 0.0))
    image, (cord, sac) = synthetic_sample(
        atlas, seed, wide, spacing_mm, centred, ("cord", "sac"), acquisition
    )
    off = off_curve(random, shape[2], spacing_mm[2], ranges.off_centre_mm)
    voxel_mm = torch.tensor(list(spacing_mm[:2]), device=off.device)[:, None]
    course = _course(cord)
    if random.chance(_TO_THE_SAC):
        course.lerp_(_sac_course(sac, spacing_mm[2]), _in_the_sac(cord, spacing_mm[2], random))
    offset = (course + off / voxel_mm).round().long()
    for axis in range(2):
        offset[axis].clamp_(-margin[axis], margin[axis]).add_(margin[axis])
    image, cord = (_along(volume, offset, shape) for volume in (image, cord[None]))
    return normalised(image, image != 0), cord


def _course(inside: torch.Tensor) -> torch.Tensor:
    """Return how far from the middle a structure is on each row, voxels, (2, Z); on from its ends.

    Zero where there is none of it at all.
    """
    mass = inside.sum(dim=(0, 1))
    rows = torch.nonzero(mass > 4).flatten()
    if rows.numel() == 0:
        return torch.zeros(2, inside.shape[2], device=inside.device)
    device, size = inside.device, inside.shape
    nearest = torch.arange(size[2], device=device).clamp(int(rows[0]), int(rows[-1]))
    course = []
    for axis, other in ((0, 1), (1, 0)):
        place = torch.arange(size[axis], device=device) - (size[axis] - 1) / 2
        middle = (inside.sum(dim=other) * place[:, None]).sum(dim=0) / mass.clamp(min=1e-6)
        course.append(middle[nearest])
    return torch.stack(course)


def _sac_course(sac: torch.Tensor, slice_mm: float) -> torch.Tensor:
    reach = round(_SAC_SMOOTH_MM / slice_mm / 2)
    padded = F.pad(_course(sac)[None], (reach, reach), mode="replicate")
    return F.avg_pool1d(padded, 2 * reach + 1, stride=1)[0]


def _in_the_sac(cord: torch.Tensor, slice_mm: float, random: Randomness) -> torch.Tensor:
    """Return how far over from the cord to the sac's middle the curve is on each row, 0 to 1."""
    rows = torch.nonzero(cord.sum(dim=(0, 1)) > 4).flatten()
    lowest = int(rows[0]) if rows.numel() else cord.shape[2]
    middle = lowest + random.uniform(*_ABOVE_TIP_MM) / slice_mm
    length = random.uniform(*_OVER_MM) / slice_mm
    share = torch.zeros(cord.shape[2], device=cord.device)
    if lowest:
        below = middle - torch.arange(cord.shape[2], device=cord.device)
        share = (below / length + 0.5).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _along(volume: torch.Tensor, offset: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Cut (1, X, Y, Z) out of a wider volume, each row from its own offset, (2, Z)."""
    x = torch.arange(shape[0], device=volume.device)[:, None, None] + offset[0]
    y = torch.arange(shape[1], device=volume.device)[None, :, None] + offset[1]
    return volume[:, x, y, torch.arange(shape[2], device=volume.device)]
