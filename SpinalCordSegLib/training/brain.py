# SPDX-License-Identifier: Apache-2.0
"""Cerebellum and brain around the brainstem: neural tissue that is folded, and no cord."""

from __future__ import annotations

import torch

from .randomness import Randomness
from .tissues import TISSUE_COUNT, Tissue


def add_brain(
    tissue: torch.Tensor, position: torch.Tensor, above_cord_mm: torch.Tensor, random: Randomness
) -> torch.Tensor:
    """Fill the skull behind and above the brainstem.

    Parameters
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis; Y posterior to
        anterior.
    above_cord_mm : Tensor of float32, (X, Y, Z)
        How far above the upper end of the cord; negative below it.

    Returns
    -------
    Tensor of uint8, (X, Y, Z)
        Brain in place of background, mostly :class:`Tissue` ``NEURAL``, and CSF between folds.
    """
    x, y, _ = position
    floor = above_cord_mm - random.uniform(8, 16)
    # Wider with height: the posterior fossa, then the whole skull.
    wide = (random.uniform(1.0, 2.0) * floor + random.uniform(0, 15)).clamp(0.1, 68)
    skull = (x / wide) ** 2 + ((y + random.uniform(0, 35)) / (1.1 * wide)) ** 2
    inside = (skull < 1) & (floor > 0) & (tissue >= Tissue.BACKGROUND)
    nodes = [max(2, n // int(random.scalars.integers(3, 8))) for n in tissue.shape]
    fold = random.smooth_field(tissue.shape, nodes)[0]
    width = random.uniform(0.05, 0.3)
    other = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    brain = torch.full_like(tissue, Tissue.NEURAL)
    brain.masked_fill_(fold > width, Tissue.GRAY_MATTER if random.chance(0.6) else other)
    brain.masked_fill_(fold.abs() < width, Tissue.CSF)
    return torch.where(inside, brain, tissue)
