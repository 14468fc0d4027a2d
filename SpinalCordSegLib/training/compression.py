# SPDX-License-Identifier: Apache-2.0
"""Cords squeezed, indented, thinned, swollen or pushed aside, by bending where a voxel looks.

Every function takes where voxels lie in the straight spine, millimetres from the cord's axis, and
returns where they lie instead: cord, gray matter, CSF and canal are then cut out of the same bent
piece, and the target stays true. All displacements are monotone: nothing folds.
"""

from __future__ import annotations

import math

import torch

from .randomness import Randomness
from .tissues import TISSUE_COUNT, Tissue


def squeeze(
    position: torch.Tensor, random: Randomness, narrowest: float = 0.35
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compress cord and canal at one to three levels, as stenosis and disc herniation do.

    Parameters
    ----------
    position : Tensor of float32, (3, X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior; mm from the axis.
    narrowest : float
        Least anterior-posterior width left, as a share, where nothing indents on top.

    Returns
    -------
    position : Tensor of float32, (3, X, Y, Z)
    degree : Tensor of float32, (X, Y, Z)
        1 at the middle of a compressed level, falling to 0 away from it.
    """
    x, y, z = position
    degree = _levels(random, z)
    left = random.uniform(narrowest, max(narrowest, 0.9))
    # What is squeezed from the front and the back gives way to the sides, or is held there too.
    sideways = 1 / random.uniform(0.7, 0.95) if random.chance(0.3) else random.uniform(0.85, 1.0)
    moved = torch.stack(
        [
            _towards_axis(x, degree, sideways - 1, random.uniform(8, 12)),
            _towards_axis(y, degree, 1 / left - 1, random.uniform(7, 12)),
            z,
        ]
    )
    if random.chance(0.5):
        _indent(moved, degree, random)
    return moved, degree


def resize_cord(
    position: torch.Tensor, linear: float | torch.Tensor, reach_mm: float = 6.5
) -> torch.Tensor:
    """Thin (atrophy) or swell the cord; the canal keeps its width.

    Parameters
    ----------
    linear : float or Tensor of float32, (X, Y, Z)
        The cord's width over what it was, above 0.4.
    reach_mm : float
        Where the change has fallen by half; about the canal's radius.
    """
    x, y, _ = position
    stretch = 1 + (1 / linear - 1) * _near_axis(x, y, reach_mm)
    return torch.stack([x * stretch, y * stretch, position[2]])


def push_aside(position: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Move the cord inside its canal, until it touches the wall at times."""
    x, y, z = position
    near = _near_axis(x, y, 7.5)
    aside, forward = random.uniform(-1.5, 1.5), random.uniform(-2.5, 2.5)
    return torch.stack([x - aside * near, y - forward * near, z])


def erase_csf(tissue: torch.Tensor, degree: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Replace the CSF at compressed levels by disc, ligament or bone.

    Parameters
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    degree : Tensor of float32, (X, Y, Z)
        As :func:`squeeze` gives it.
    """
    colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    gone = (degree > random.uniform(0.3, 0.9)) & (tissue == Tissue.CSF)
    return tissue.masked_fill(gone, colour)


def _levels(random: Randomness, z: torch.Tensor) -> torch.Tensor:
    low, high = float(z.min()), float(z.max())
    degree = torch.zeros_like(z)
    for _ in range(int(random.scalars.integers(1, 4))):
        height, length = random.uniform(low, high), math.exp(random.uniform(0.9, 3.0))
        strength = random.uniform(0.5, 1.0)
        bump = strength * torch.exp(-(((z - height) / length) ** 2))
        degree = torch.maximum(degree, bump)
    return degree


def _towards_axis(
    along: torch.Tensor, degree: torch.Tensor, stretch: float, reach_mm: float
) -> torch.Tensor:
    # Monotone while the stretch is below 8.
    return along * (1 + stretch * degree / (1 + (along / reach_mm) ** 2))


def _indent(position: torch.Tensor, degree: torch.Tensor, random: Randomness) -> None:
    """Press a bulge into the canal from the front, seldom from the back or a side."""
    x, y = position[0], position[1]
    width, softness = random.uniform(3, 10), random.uniform(2.5, 6)
    # Monotone while the depth is below 1.16 of the softness.
    depth = random.uniform(0.2, 0.9) * softness
    if random.chance(0.12):
        across, along, wall = y, x, random.uniform(6, 9)
    else:
        across, along, wall = x, y, random.uniform(4, 7)
    wall = wall if random.chance(0.7) else -wall
    beside = random.uniform(-4, 4)
    bulge = torch.exp(-(((along - wall) / softness) ** 2) - ((across - beside) / width) ** 2)
    along += math.copysign(depth, wall) * degree * bulge


def _near_axis(x: torch.Tensor, y: torch.Tensor, reach_mm: float) -> torch.Tensor:
    squared = (x * x + y * y) / reach_mm**2
    return 1 / (1 + squared * squared)
