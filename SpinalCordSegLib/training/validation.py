# SPDX-License-Identifier: Apache-2.0
"""How well a network does on what training does not see, looked at as in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..intensity import zero_mean_unit_variance
from ..networks import Network
from ..segmentation.patches import predict_along, predict_slices
from .batches import TrainingImages, fresh_sample
from .configuration import TrainingConfiguration
from .scan_patches import centre_of

# Seeds are (run, step, index) in training; no step has this number.
_VALIDATION_STEP = 2**31


@dataclass(frozen=True)
class HeldBack:
    """A piece of an image that training does not see.

    Attributes
    ----------
    values : ndarray of float32, (X, Y, Z)
        NaN outside the image.
    target : ndarray of float32, (X, Y, Z)
        What the network is for, 0 to 1; NaN where nobody drew.
    normalised : bool
        Whether `values` are already what the network takes.
    """

    values: np.ndarray
    target: np.ndarray
    normalised: bool


def held_back(configuration: TrainingConfiguration, images: TrainingImages) -> list[HeldBack]:
    """Return what is held back of the scans, or synthetic images where there are none."""
    if images.scans:
        found = [centre_of(block, configuration) for block in images.scans.held_back]
        scaled = configuration.intensity == "cord"
        return [HeldBack(values, target, scaled) for values, target in found]
    atlas, count = images.atlas, configuration.validation_samples
    if atlas is None:
        return []
    pieces = []
    for index in range(count):
        sample = fresh_sample(configuration, atlas, (_VALIDATION_STEP, index), 1.0)
        values, target = (part[-1].cpu().numpy() for part in sample)
        if configuration.patch_voxels[2] == 1:
            values, target = values[..., None], target[..., None]
        pieces.append(HeldBack(values, target, True))
    return pieces


def validation_dice(
    network: Network, pieces: Sequence[HeldBack], configuration: TrainingConfiguration
) -> float:
    """Return the Dice at the threshold of a network in evaluation mode, all pieces together."""
    device = str(next(network.parameters()).device)
    overlap = size = 0
    for piece in pieces:
        normalise = np.nan_to_num if piece.normalised else zero_mean_unit_variance
        if network.dimensions == 2:
            found = predict_slices(piece.values, network, device, normalise=normalise)
        else:
            length = configuration.patch_voxels[2]
            found = predict_along(piece.values, network, length, device, normalise=normalise)
        mask = (found >= configuration.threshold) & np.isfinite(piece.target)
        wanted = piece.target >= 0.5
        overlap += int((mask & wanted).sum())
        size += int(mask.sum() + wanted.sum())
    return 2 * overlap / size if size else 1.0
