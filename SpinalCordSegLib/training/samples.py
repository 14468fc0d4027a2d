# SPDX-License-Identifier: Apache-2.0
"""Training samples: synthetic image and soft mask, for every network."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .acquisition import ANY_SEQUENCE, GRAY_MATTER_SEQUENCES, acquire
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
    target : Tensor of float32, (1, X, Y[, Z])
        Fraction of each voxel inside the cord, or inside the gray matter where the atlas comes
        with sections of it; 0 outside the field of view.
    """
    random = seeded(seed, atlas.tissue.device)
    single = shape[2] == 1
    slab = (*shape[:2], 3) if single else tuple(shape)
    anatomy = sample_anatomy(atlas, random, slab, spacing_mm, ranges)
    gray_matter = anatomy.gray_matter
    sequences = ANY_SEQUENCE if gray_matter is None else GRAY_MATTER_SEQUENCES
    image, seen = acquire(anatomy.tissue, random, spacing_mm, sequences)
    target = (anatomy.cord if gray_matter is None else gray_matter) * seen
    if random.chance(0.5):
        image, target = image.flip(0), target.flip(0)
    if single:
        image, target = image.mean(dim=2), target[:, :, 1]
    return image[None], target[None]
