# SPDX-License-Identifier: Apache-2.0
"""What a training step sees: synthetic samples, patches of scans, or both in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .anatomy import AnatomyRange, AtlasTensors
from .configuration import TrainingConfiguration
from .cord_alone import cord_alone
from .cord_rows import straight_spine
from .randomness import seeded
from .repeated_images import repeated_sample
from .sagittal_slices import sagittal_sample
from .samples import synthetic_sample
from .scan_patches import ScanPatches, random_patch

Sample = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class TrainingImages:
    """Where samples come from: an atlas, scans, or both, and then half and half.

    Attributes
    ----------
    atlas : AtlasTensors, optional
        On the device to train on.
    scans : ScanPatches, optional
    """

    atlas: AtlasTensors | None = None
    scans: ScanPatches | None = None


def training_batch(
    configuration: TrainingConfiguration, images: TrainingImages, step: int
) -> Sample:
    """Return images (N, 1, X, Y[, Z]) and targets (N, C, X, Y[, Z]) of a step, both float32.

    The same step gives the same batch, whatever came before it.
    """
    share = _width_share(configuration, step)
    places = range(step * configuration.batch, (step + 1) * configuration.batch)
    return _stacked([_sample(configuration, images, place, share) for place in places])


def _stacked(samples: Sequence[Sample]) -> Sample:
    """Return samples as a batch, in the memory layout that convolutions are fastest with."""
    images, targets = zip(*samples, strict=True)
    image = torch.stack(images)
    layout = torch.channels_last if image.ndim == 4 else torch.channels_last_3d
    return image.contiguous(memory_format=layout), torch.stack(targets)


def _sample(
    configuration: TrainingConfiguration, images: TrainingImages, place: int, share: float
) -> Sample:
    from_scan = images.scans is not None
    if images.scans and images.atlas:
        place, turn = divmod(place, 2)
        from_scan = turn == 0
    if images.scans and from_scan:
        return random_patch(images.scans, configuration, place, share)
    assert images.atlas is not None
    if configuration.model == "cord_ends":
        return straight_spine(images.atlas, configuration, place)
    if configuration.images:
        return repeated_sample(images.atlas, configuration, place)
    return fresh_sample(configuration, images.atlas, divmod(place, configuration.batch), share)


def fresh_sample(
    configuration: TrainingConfiguration, atlas: AtlasTensors, seed: Sequence[int], share: float
) -> Sample:
    """Return a synthetic image (1, X, Y[, Z]) and its target (C, X, Y[, Z]).

    Parameters
    ----------
    seed : sequence of int
        Such as step and index; the run's is put before it.
    share : float
        Width, and distance from the middle, compared with the configuration's.
    """
    x, y, z = configuration.patch_voxels
    off_x, off_y = configuration.off_centre_mm
    # Cord or gray matter is what the atlas comes with; all else is asked for by name.
    named = configuration.model == "lesion" or configuration.intensity == "cord"
    targets = configuration.structures if named else None
    own_seed = (configuration.seed, *seed)
    shape = (round(x * share), round(y * share), z)
    ranges = AnatomyRange(
        (off_x * share, off_y * share),
        configuration.end_fraction,
        as_scanned=configuration.as_scanned,
    )
    if seeded((*own_seed, 3)).chance(configuration.sagittal):
        return sagittal_sample(atlas, own_seed, shape, configuration.spacing_mm, ranges)
    sample = synthetic_sample(atlas, own_seed, shape, configuration.spacing_mm, ranges, targets)
    if configuration.intensity != "cord":
        return sample
    random = seeded((*own_seed, 1))
    pixel_mm = configuration.spacing_mm[0]
    return cord_alone(*sample, random, pixel_mm, configuration.fluid_up)


def _width_share(configuration: TrainingConfiguration, step: int) -> float:
    half = seeded((configuration.seed, step)).chance(configuration.half_windows)
    return 0.5 if half else 1.0
