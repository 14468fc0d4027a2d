# SPDX-License-Identifier: Apache-2.0
"""Training samples: synthetic image and soft cord mask, for either stage of the cascade."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .acquisition import acquire
from .anatomy import AnatomyRange, AtlasTensors, sample_anatomy
from .randomness import seeded


def synthetic_sample(
    atlas: AtlasTensors,
    seed: Sequence[int],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one image and its target, the same for the same seed.

    Parameters
    ----------
    seed : sequence of int
        (run, step, index) for example.
    shape : (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior. Z = 1 makes a single
        axial slice; it is cut from a slab three slices thick, so that it carries partial volume.
    spacing_mm : (x, y, z)

    Returns
    -------
    image : Tensor of float32, (1, X, Y[, Z])
        Normalised; the last axis is left out when Z = 1.
    cord : Tensor of float32, (1, X, Y[, Z])
        Fraction of each voxel inside the cord; 0 outside the field of view.
    """
    random = seeded(seed, atlas.tissue.device)
    single = shape[2] == 1
    slab = (*shape[:2], 3) if single else tuple(shape)
    anatomy = sample_anatomy(atlas, random, slab, spacing_mm, ranges)
    image, seen = acquire(anatomy.tissue, random, spacing_mm)
    cord = anatomy.cord * seen
    if random.chance(0.5):
        image, cord = image.flip(0), cord.flip(0)
    if single:
        image, cord = image.mean(dim=2), cord[:, :, 1]
    return image[None], cord[None]
