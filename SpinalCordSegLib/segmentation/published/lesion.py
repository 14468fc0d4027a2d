# SPDX-License-Identifier: Apache-2.0
"""Lesions as the published tool finds them (Gros 2019; Spinal Cord Toolbox 7.4.dev0).

Its procedure, in its order and with its weaknesses, to reproduce its masks: blocks do not
overlap, nothing keeps lesions inside the cord, and voxels shift by part of a voxel each time the
image is resampled. ``segmentation.lesion`` does better with the same networks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
import torch

from ...centerline.curve import Centerline
from ...errors import CordNotFound
from ...images import array_from, image_from, network_array, restore_grid, to_network_order
from ...networks import Network, for_prediction
from ...weights import LoadedWeights
from ...weights.specification import Preprocessing
from ..standardisation import standardise
from .resampling import resample_to_size, size_at_spacing

# From which interpolated value of the mask on a voxel of the image is lesion.
_BINARISE = 0.1


def segment_lesions_as_published(
    image: sitk.Image,
    centerline: Centerline | sitk.Image,
    weights: LoadedWeights,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> sitk.Image:
    """Return the mask of lesions that the published tool gives.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    centerline : Centerline or SimpleITK.Image
        A curve; or a mask on the image's grid, of which the centre of mass on each slice counts,
        as with the tool's own ``-centerline file``.
    weights : LoadedWeights
        A published lesion network.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.

    Returns
    -------
    SimpleITK.Image
        uint8, 0 and 1, on the image's own grid.

    Raises
    ------
    CordNotFound
        If the centerline does not cross the image.
    """
    preprocessing = weights.specification.preprocessing
    native, ordered = network_array(image)
    in_plane = (*preprocessing.spacing_mm[:2], None)
    size = size_at_spacing(native.shape, ordered.GetSpacing(), in_plane)
    volume = resample_to_size(native, size)
    centres = _centres(centerline, ordered, size)
    if not np.isfinite(centres).any():
        raise CordNotFound(
            "the centerline does not cross the image", "check that both belong together"
        )
    starts = _window_starts(centres, size, preprocessing.patch_voxels)
    crop = standardise(_crop(volume, starts, preprocessing.patch_voxels), preprocessing.landmarks)

    spacing = np.multiply(ordered.GetSpacing(), np.divide(native.shape, size))
    fine = resample_to_size(crop, size_at_spacing(crop.shape, spacing, preprocessing.spacing_mm))
    found = predict_in_blocks(fine, weights, device, progress) > weights.specification.threshold
    found_crop = resample_to_size(found, crop.shape)
    lesions = resample_to_size(_uncrop(found_crop, starts, size), native.shape) >= _BINARISE
    return restore_grid(image_from(lesions.astype(np.uint8), ordered), image)


def predict_in_blocks(
    crop: np.ndarray,
    weights: LoadedWeights,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> np.ndarray:
    """Return probabilities (X, Y, Z), from blocks laid end to end along Z.

    Parameters
    ----------
    crop : ndarray of float32, (X, Y, Z)
        Standardised, on the network's grid. Blocks that are 0 throughout are left out.
    weights, device, progress
        See :func:`segment_lesions_as_published`.
    """
    preprocessing = weights.specification.preprocessing
    network = for_prediction(weights.network, device)
    length = preprocessing.patch_voxels[2]
    probability = np.zeros(crop.shape, np.float32)
    for start in range(0, crop.shape[2], length):
        if progress:
            progress(start / crop.shape[2], "looking for lesions")
        block = crop[:, :, start : start + length]
        if block.any():
            probability[:, :, start : start + length] = _run(block, network, preprocessing, device)
    return probability


def _centres(
    centerline: Centerline | sitk.Image, ordered: sitk.Image, size: tuple[int, ...]
) -> np.ndarray:
    """Return the in-plane index (Z, 2) of the curve on the resampled slices; NaN where none is."""
    if isinstance(centerline, Centerline):
        scale = np.array(size[:2]) / ordered.GetSize()[:2]
        return centerline.in_slices(ordered) * scale
    mask = resample_to_size(array_from(to_network_order(centerline)), size)
    mass = mask.sum(axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        along = [
            np.tensordot(np.arange(size[axis]), mask.sum(axis=1 - axis), 1) / mass
            for axis in range(2)
        ]
    return np.stack(along, axis=1)


def _window_starts(
    centres: np.ndarray, size: tuple[int, ...], patch: tuple[int, ...]
) -> dict[int, tuple[int, int]]:
    """Return where the window around the curve starts, by slice, moved to lie in the image."""
    starts = {}
    for k in np.flatnonzero(np.isfinite(centres).all(axis=1)):
        x, y = (
            max(0, min(int(centres[k, axis]) - patch[axis] // 2 + 1, size[axis] - patch[axis]))
            for axis in range(2)
        )
        starts[int(k)] = (x, y)
    return starts


def _crop(
    volume: np.ndarray, starts: dict[int, tuple[int, int]], patch: tuple[int, ...]
) -> np.ndarray:
    """Return the windows, stacked; 0 beyond a small image and on slices without a curve."""
    crop = np.zeros((patch[0], patch[1], volume.shape[2]), np.float32)
    for k, (x, y) in starts.items():
        window = volume[x : x + patch[0], y : y + patch[1], k]
        crop[: window.shape[0], : window.shape[1], k] = window
    return crop


def _uncrop(
    crop: np.ndarray, starts: dict[int, tuple[int, int]], size: tuple[int, ...]
) -> np.ndarray:
    volume = np.zeros(size, np.float32)
    for k, (x, y) in starts.items():
        window = volume[x : x + crop.shape[0], y : y + crop.shape[1], k]
        window[...] = crop[: window.shape[0], : window.shape[1], k]
    return volume


def _run(
    block: np.ndarray, network: Network, preprocessing: Preprocessing, device: str
) -> np.ndarray:
    missing = preprocessing.patch_voxels[2] - block.shape[2]
    padded = np.pad(block, ((0, 0), (0, 0), (0, missing)))
    normalised = ((padded - preprocessing.mean) / preprocessing.std).astype(np.float32)
    with torch.inference_mode():
        output = network(torch.from_numpy(normalised)[None, None].to(device))
    return output[0, 0, :, :, : block.shape[2]].float().cpu().numpy()
