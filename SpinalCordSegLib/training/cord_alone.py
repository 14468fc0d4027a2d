# SPDX-License-Identifier: Apache-2.0
"""What a network sees that looks at the cord alone: the cord as it may have been found."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..segmentation.cord_scale import scaled_to_cord
from .randomness import Randomness

# How far an outline may be off.
_OFF_MM = 0.5
# Where an edge smoothed over twice that is cut, and how steeply.
_LEVEL, _SHARPNESS = (0.15, 0.65), (3.5, 6.0)


def cord_alone(
    image: torch.Tensor,
    target: torch.Tensor,
    random: Randomness,
    pixel_mm: float,
    fluid_up: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a sample with all but the cord taken away, in the image and in the target.

    Parameters
    ----------
    image : Tensor of float32, (1, X, Y[, Z])
    target : Tensor of float32, (2, X, Y[, Z])
        The cord, and what the network is for; NaN where nobody drew.
    pixel_mm : float
        In plane.
    fluid_up : bool
        As :func:`scaled_to_cord` takes it.

    Returns
    -------
    image : Tensor of float32, (1, X, Y[, Z])
        On the scale of :func:`scaled_to_cord`.
    target : Tensor of float32, (1, X, Y[, Z])
        NaN outside the cord too.
    """
    if image.ndim == 3:
        planes = cord_alone(image[..., None], target[..., None], random, pixel_mm, fluid_up)
        return planes[0][..., 0], planes[1][..., 0]
    cord = target[0].nan_to_num(0.0)
    found = _found(cord, random, max(1, round(_OFF_MM / pixel_mm)))
    seen = scaled_to_cord(image[0], found, fluid_up=fluid_up)
    return seen[None], target[1:].masked_fill(cord == 0, torch.nan)


def _found(cord: torch.Tensor, random: Randomness, reach: int) -> torch.Tensor:
    """Return a cord (X, Y, Z) as it may be found: up to `reach` voxels off, larger or smaller."""
    offsets = random.scalars.integers(-reach, reach + 1, 2).tolist()
    moved = torch.roll(cord, offsets if random.chance(0.5) else [0, 0], (0, 1))
    width = 2 * reach + 1
    edge = F.avg_pool3d(moved[None], (width, width, 1), 1, (reach, reach, 0))[0]
    level, sharpness = random.uniform(*_LEVEL), random.uniform(*_SHARPNESS)
    return ((edge - level) * sharpness + 0.5).clamp(0, 1)
