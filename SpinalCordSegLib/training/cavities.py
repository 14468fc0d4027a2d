# SPDX-License-Identifier: Apache-2.0
"""Cavities in the cord, filled with fluid, as in syringomyelia."""

from __future__ import annotations

import torch

from .randomness import Randomness
from .tissues import Tissue


def add_cavity(tissue: torch.Tensor, position: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Fill a long, narrow, tapering part of the cord's middle with CSF; it stays cord.

    Parameters
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis.

    Returns
    -------
    Tensor of uint8, (X, Y, Z)
        CSF only in place of white and gray matter; a rim of cord stays around it.
    """
    x, y, z = position
    middle = random.uniform(float(z.min()), float(z.max()))
    taper = 1 - ((z - middle) / random.uniform(6, 60)) ** 2
    aside, forward = random.uniform(-0.8, 0.8), random.uniform(-0.6, 0.6)
    wide, deep = random.uniform(0.8, 3.4), random.uniform(0.7, 2.2)
    fluted = 1 + 0.2 * torch.sin(z * random.uniform(0.2, 0.8) + random.uniform(0, 6))
    inside = ((x - aside) / wide) ** 2 + ((y - forward) / deep) ** 2 < taper * fluted
    inside &= (tissue == Tissue.WHITE_MATTER) | (tissue == Tissue.GRAY_MATTER)
    return tissue.masked_fill(inside, Tissue.CSF)
