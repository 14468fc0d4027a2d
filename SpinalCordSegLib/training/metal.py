# SPDX-License-Identifier: Apache-2.0
"""Metal beside the spine: no signal around it, a bright rim, and a distorted neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .randomness import Randomness
from .tissues import TISSUE_COUNT, Tissue

_REACH = 2.0


@dataclass(frozen=True)
class Implant:
    """A piece of metal in a sample.

    Attributes
    ----------
    squared : Tensor of float32, (X, Y, Z)
        Squared distance from it, its own radius being 1.
    radius_mm : float
    """

    squared: torch.Tensor
    radius_mm: float


def place_implant(random: Randomness, shape: Sequence[int], spacing_mm: Sequence[float]) -> Implant:
    """Place a ball or a rod some 10 to 25 mm in front of, behind or beside the sample's middle.

    Parameters
    ----------
    shape : (X, Y, Z)
    spacing_mm : (x, y, z)
    """
    radius = random.uniform(3, 10)
    away = radius + random.uniform(6, 16)
    forward = away * (1 if random.chance(0.5) else -1)
    centre = [random.uniform(-8, 8), forward, random.uniform(-25, 25)]
    if random.chance(0.4):
        centre[:2] = [forward, random.uniform(-10, 10)]
    length = random.uniform(1, 4)
    x, y, z = (
        (torch.arange(n, device=random.device) - (n - 1) / 2) * s - c
        for n, s, c in zip(shape, spacing_mm, centre, strict=True)
    )
    across = (x * x)[:, None, None] + (y * y)[:, None] + (z * z) / length**2
    return Implant(across / radius**2, radius)


def distort(position: torch.Tensor, implant: Implant, random: Randomness) -> torch.Tensor:
    """Shift the neighbourhood of metal along the readout, right-left or anterior-posterior."""
    axis = int(random.scalars.integers(2))
    most_mm = random.uniform(-0.35, 0.35) * implant.radius_mm
    moved = position.clone()
    moved[axis] += most_mm * torch.exp(-implant.squared / (2 * _REACH**2))
    return moved


def extinguish(tissue: torch.Tensor, implant: Implant, random: Randomness) -> torch.Tensor:
    """Replace what lies at metal by air, inside a thin rim of another tissue at times."""
    rough = random.smooth_field(tissue.shape, [max(2, n // 8) for n in tissue.shape])[0]
    distance = implant.squared + 0.25 * rough
    if random.chance(0.6):
        colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
        rim = (distance < random.uniform(1.1, 1.5)) & (tissue >= Tissue.BACKGROUND)
        tissue = tissue.masked_fill(rim, colour)
    return tissue.masked_fill(distance < 1, Tissue.AIR)
