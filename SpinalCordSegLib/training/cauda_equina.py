# SPDX-License-Identifier: Apache-2.0
"""The roots around and below the conus: 20 to 40 thin rods that leave the sac one by one.

They look like cord and are not. Lying on their back, people's roots gather at the back of the sac;
where they lie close together they pass for a cord.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .randomness import Randomness
from .tissues import Tissue

# The roots are drawn once, on a plane; further up the plane is drawn together around the conus.
_PLANE_SIZE = 129
_PLANE_SPACING_MM = 0.2
_SAC_MM = (8.5, 8.0)
_UP_BESIDE_THE_CONUS_MM = 30.0


def add_roots(
    tissue: torch.Tensor, position: torch.Tensor, below_conus_mm: torch.Tensor, random: Randomness
) -> torch.Tensor:
    """Put roots into the CSF around and below the conus.

    Parameters
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis; Y posterior to
        anterior.
    below_conus_mm : Tensor of float32, (X, Y, Z)
        How far below the tip of the cord; negative above it.

    Returns
    -------
    Tensor of uint8, (X, Y, Z)
        :class:`Tissue` ``NEURAL`` in place of CSF.
    """
    plane = torch.from_numpy(_draw_plane(random)).to(tissue.device)
    down = (below_conus_mm / _UP_BESIDE_THE_CONUS_MM).clamp(-1, 1)
    spread = random.uniform(0.72, 0.88) + random.uniform(0.12, 0.28) * down
    sway = random.uniform(0, 1.2) * torch.sin(
        position[2] * random.uniform(0.05, 0.2) + random.uniform(0, 6.3)
    )
    # The conus lies in front of the sac's middle.
    back = random.uniform(0.5, 2.0) * (down.clamp(min=0))
    half = (_PLANE_SIZE - 1) / 2
    column = (position[0] + sway) / spread / _PLANE_SPACING_MM + half
    row = (position[1] + back + 0.5 * sway) / spread / _PLANE_SPACING_MM + half
    column = column.round_().clamp_(0, _PLANE_SIZE - 1).int()
    row = row.round_().clamp_(0, _PLANE_SIZE - 1).int()
    flat = (column * _PLANE_SIZE + row).flatten()
    leaves_at = plane.flatten().index_select(0, flat).view(tissue.shape)
    root = (leaves_at > below_conus_mm) & (below_conus_mm > -_UP_BESIDE_THE_CONUS_MM)
    return tissue.masked_fill(root & (tissue == Tissue.CSF), Tissue.NEURAL)


def _draw_plane(random: Randomness) -> np.ndarray:
    """Return how far below the conus the root at each point leaves the sac; -1000 between roots."""
    offset = (np.arange(_PLANE_SIZE) - (_PLANE_SIZE - 1) / 2) * _PLANE_SPACING_MM
    plane = np.full((_PLANE_SIZE, _PLANE_SIZE), -1000.0, np.float32)
    # The filum terminale goes on from the tip of the cord.
    places = [(random.uniform(-0.4, 0.4), random.uniform(-0.4, 0.4), 0.5, 250.0)]
    lay = (_gathered, _layered, _scattered)[int(random.scalars.choice(3, p=[0.35, 0.4, 0.25]))]
    stoutness = random.uniform(0.75, 1.15)
    for x, y in lay(random, int(random.scalars.integers(20, 41))):
        radius = stoutness * random.uniform(0.45, 1.05)
        places.append((x, y, radius, random.uniform(30, 220)))
    for x, y, radius, leaves_at in places:
        columns, rows = (
            slice(*np.searchsorted(offset, (c - radius, c + radius)).tolist()) for c in (x, y)
        )
        inside = (offset[columns, None] - x) ** 2 + (offset[rows] - y) ** 2 < radius**2
        part = plane[columns, rows]
        part[inside] = np.maximum(part[inside], leaves_at)
    return plane


def _layered(random: Randomness, count: int) -> list[tuple[float, float]]:
    """Along the sac's back wall, a crescent."""
    middle = -math.pi / 2
    return [
        _in_sac(middle + random.scalars.normal(0, 0.75), random.uniform(0.55, 0.93))
        for _ in range(count)
    ]


def _scattered(random: Randomness, count: int) -> list[tuple[float, float]]:
    return [
        _in_sac(random.uniform(0, 2 * math.pi), math.sqrt(random.uniform(0.02, 0.85)))
        for _ in range(count)
    ]


def _gathered(random: Randomness, count: int) -> list[tuple[float, float]]:
    """In one bundle: from a distance, a cord."""
    width, depth, back = random.uniform(1.8, 3.6), random.uniform(1.2, 2.4), random.uniform(0, 3)
    x, y = random.scalars.normal(0, (width, depth), (count, 2)).T
    return list(zip(x.tolist(), (y - back).tolist(), strict=True))


def _in_sac(angle: float, radius: float) -> tuple[float, float]:
    return _SAC_MM[0] * radius * math.cos(angle), _SAC_MM[1] * radius * math.sin(angle)
