# SPDX-License-Identifier: Apache-2.0
"""Gray matter exactly as the published tool does it, weaknesses included.

This is the procedure of ``sct_deepseg_gm`` (Spinal Cord Toolbox 7.4.dev0), written from its
description. It neither reorients the image nor looks for the cord: the voxel axes must already
run right to left, posterior to anterior, inferior to superior, and the cord be in the middle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
import torch

from ...images import array_from, image_from
from ...networks import Network, for_prediction
from ...weights import LoadedWeights
from .resampling import resample_to_size, size_at_spacing

_BATCH = 4


def published_gray_matter(
    image: sitk.Image,
    weights: LoadedWeights,
    threshold: float | None = None,
    pad_small: bool = True,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> sitk.Image:
    """Outline the gray matter by the published procedure.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar; its voxel axes are taken as they are stored, the last one across the slices.
    weights : LoadedWeights
        ``challenge_model`` or ``large_model``.
    threshold : float, optional
        Probability above which a voxel counts; 0.999 by default.
    pad_small : bool
        An image of under 200 x 200 voxels of 0.25 mm is filled up with its mirror image, as the
        tool does since version 5.7; False: it is used at its own size, nothing being cropped, as
        up to 5.6.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.

    Returns
    -------
    SimpleITK.Image
        uint8, 0 and 1, on the grid of `image`.
    """
    preprocessing = weights.specification.preprocessing
    threshold = weights.specification.threshold if threshold is None else threshold
    patch_x, patch_y = preprocessing.patch_voxels[:2]
    volume = array_from(image)
    size = size_at_spacing(volume.shape, image.GetSpacing(), preprocessing.spacing_mm)
    fine = resample_to_size(volume, size)
    cropped = bool(pad_small or min(fine.shape[:2]) > max(patch_x, patch_y))
    stack = fitted(fine, (patch_x, patch_y)) if cropped else fine
    probability = _predict(
        standardised(stack), for_prediction(weights.network, device), device, progress
    )
    mask = (probability > threshold).astype(np.float32)
    if cropped:
        mask = unfitted(mask, fine.shape[:2])
    return image_from((resample_to_size(mask, volume.shape) > 0.5).astype(np.uint8), image)


def fitted(volume: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """Return the middle of a volume, filled up with its mirror image where it is too small.

    Parameters
    ----------
    volume : array (X, Y, Z)
    patch : (int, int)
        X and Y of the result.
    """
    for axis, wanted in enumerate(patch):
        own = volume.shape[axis]
        if own < wanted:
            before = (wanted - own) // 2
            widths = [(0, 0)] * volume.ndim
            widths[axis] = (before, wanted - own - before)
            volume = np.pad(volume, widths, mode="symmetric")
        else:
            start = own // 2 - wanted // 2
            volume = volume.take(range(start, start + wanted), axis=axis)
    return volume


def unfitted(volume: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Undo :func:`fitted`: cut off what was filled up, put 0 where the volume was cut.

    Parameters
    ----------
    volume : array (X, Y, Z)
    shape : (int, int)
        X and Y of the volume that was fitted.
    """
    for axis, wanted in enumerate(shape):
        own = volume.shape[axis]
        if wanted < own:
            start = (own - wanted) // 2
            volume = volume.take(range(start, start + wanted), axis=axis)
        else:
            before = wanted // 2 - own // 2
            widths = [(0, 0)] * volume.ndim
            widths[axis] = (before, wanted - own - before)
            volume = np.pad(volume, widths)
    return volume


def standardised(volume: np.ndarray) -> np.ndarray:
    """Return a volume with mean 0 and standard deviation 1; a constant one becomes 0."""
    centred = volume - volume.mean(dtype=np.float32)
    deviation = float(centred.std(dtype=np.float32))
    return (centred / deviation if deviation > 0 else centred).astype(np.float32)


def _predict(
    stack: np.ndarray,
    network: Network,
    device: str,
    progress: Callable[[float, str], None] | None,
) -> np.ndarray:
    probability = np.empty(stack.shape, np.float32)
    for first in range(0, stack.shape[2], _BATCH):
        if progress:
            progress(first / stack.shape[2], "outlining the gray matter")
        batch = np.ascontiguousarray(stack[:, :, first : first + _BATCH].transpose(2, 0, 1))
        tensor = torch.from_numpy(batch)[:, None].to(device)
        with torch.inference_mode():
            output = network(tensor.contiguous(memory_format=torch.channels_last))
        probability[:, :, first : first + _BATCH] = output[:, 0].cpu().numpy().transpose(1, 2, 0)
    return probability
