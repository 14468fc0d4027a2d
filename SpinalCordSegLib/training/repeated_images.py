# SPDX-License-Identifier: Apache-2.0
"""A small set of images seen again and again, turned or cropped (Zhang 2021, sections 3.2, 4.1)."""

from __future__ import annotations

import numpy as np
import torch

from .anatomy import AnatomyRange, AtlasTensors
from .configuration import RepeatedImages, TrainingConfiguration
from .randomness import Randomness, seeded
from .samples import synthetic_sample


def repeated_sample(
    atlas: AtlasTensors, configuration: TrainingConfiguration, place: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the image and target that a training draws at a place in its order.

    Parameters
    ----------
    configuration : TrainingConfiguration
        With `images`.
    place : int
        Counted from 0 over all epochs. Within an epoch each image comes `copies` times, in
        random order, each time with other turns or another crop.

    Returns
    -------
    image, target : Tensor of float32, (1, X, Y)
        Of the size `crop_voxels` where that is given.

    Raises
    ------
    ValueError
        If the configuration repeats no images, or is not one of single slices.
    """
    images = configuration.images
    if images is None or configuration.patch_voxels[2] != 1:
        raise ValueError("repeated images are single axial slices, and their number is needed")
    index, epoch, rank = drawn_image(configuration, place)
    sample = synthetic_sample(
        atlas,
        (configuration.seed, index),
        configuration.patch_voxels,
        configuration.spacing_mm,
        AnatomyRange(
            configuration.off_centre_mm,
            configuration.end_fraction,
            as_scanned=configuration.as_scanned,
        ),
    )
    random = seeded((configuration.seed, epoch, rank))
    changed = turned_and_cropped(torch.cat(sample), images, random)
    return changed[:1], changed[1:]


def drawn_image(configuration: TrainingConfiguration, place: int) -> tuple[int, int, int]:
    """Return which of the images is drawn at a place, in which epoch, and as which in it."""
    images = configuration.images
    if images is None:
        raise ValueError("the number of repeated images is needed")
    drawn = images.count * images.copies
    epoch, rank = divmod(place, drawn)
    order = np.random.default_rng((configuration.seed, epoch)).permutation(drawn)
    return int(order[rank]) % images.count, epoch, rank


def turned_and_cropped(
    planes: torch.Tensor, images: RepeatedImages, random: Randomness
) -> torch.Tensor:
    """Turn and crop image and targets, (C, X, Y), alike."""
    if images.right_angle_turns:
        planes = torch.rot90(planes, int(random.scalars.integers(4)), (1, 2))
        planes = planes.flip(1) if random.chance(0.5) else planes
    if images.crop_voxels:
        x, y = (
            int(random.scalars.integers(size - kept + 1))
            for size, kept in zip(planes.shape[1:], images.crop_voxels, strict=True)
        )
        planes = planes[:, x : x + images.crop_voxels[0], y : y + images.crop_voxels[1]]
    return planes
