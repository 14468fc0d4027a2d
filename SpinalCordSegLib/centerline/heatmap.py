# SPDX-License-Identifier: Apache-2.0
"""CNN1 on axial slices: the heat map of the cord (Gros 2019, section 2.2.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import ndimage

from ..intensity import intensity_limits, normalised
from ..networks import for_prediction
from ..weights import LoadedWeights

# Pixels of nothing around whole slices: the networks were trained on fields of view that end
# inside the patch, and see a cord at the very edge of their input badly.
_MARGIN = 12

_BATCH_PIXELS = 60_000


class CordHeatmap:
    """CNN1 on one image: axial slices or tiles of them in, probabilities of cord out.

    Parameters
    ----------
    volume : ndarray, (X, Y, Z)
        In network order.
    spacing : (x, y, z)
        Voxel size, mm.
    weights : LoadedWeights
        A 2D centerline network and its preprocessing.
    device : str
        Torch device.

    Attributes
    ----------
    spacing_mm : (x, y)
        Pixel size of the probabilities, which is the network's.
    threshold : float
        Probability from which on a pixel counts as cord.
    """

    def __init__(
        self, volume: np.ndarray, spacing: Sequence[float], weights: LoadedWeights, device: str
    ) -> None:
        self.volume = volume
        self.preprocessing = weights.specification.preprocessing
        self.threshold = weights.specification.threshold
        self.network = for_prediction(weights.network, device)
        self.device = device
        self.spacing_mm = tuple(
            wanted or own
            for wanted, own in zip(self.preprocessing.spacing_mm[:2], spacing[:2], strict=True)
        )
        self.step = np.array([s / own for s, own in zip(self.spacing_mm, spacing, strict=False)])
        self.size = tuple(
            max(1, round(n / step)) for n, step in zip(volume.shape, self.step, strict=False)
        )
        self.limits = intensity_limits(volume, self.preprocessing)

    def to_image_index(self, pixel: np.ndarray) -> np.ndarray:
        """Return continuous image indices of pixel positions, both (N, 2)."""
        return (pixel + 0.5) * self.step - 0.5

    def at_whole_slices(
        self, slices: np.ndarray, progress: Callable[[float, str], None] | None
    ) -> np.ndarray:
        """Return probabilities (X, Y, len(slices)) on whole slices, given by their index."""
        corners = np.full((slices.size, 2), -_MARGIN)
        framed = [n + 2 * _MARGIN for n in self.size]
        heat = self._look(slices, corners, framed, "searching for the cord", progress)
        return heat[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    def at_tiles(
        self,
        slices: np.ndarray,
        around: np.ndarray,
        progress: Callable[[float, str], None] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities in tiles around a path, pasted in their bounding box.

        Returns
        -------
        heat : ndarray, (X, Y, len(slices))
        origin : ndarray, (2,)
            Where the box starts, pixels.
        """
        side = self.preprocessing.patch_voxels[:2]
        corners = np.rint(around).astype(int) - np.array(side) // 2
        tiles = self._look(slices, corners, side, "following the cord", progress)
        origin = corners.min(axis=0)
        box = corners.max(axis=0) - origin + side
        heat = np.zeros((*box, slices.size), np.float32)
        for k, (x, y) in enumerate(corners - origin):
            heat[x : x + side[0], y : y + side[1], k] = tiles[:, :, k]
        return heat, origin

    def _look(
        self,
        slices: np.ndarray,
        corners: np.ndarray,
        size: Sequence[int],
        message: str,
        progress: Callable[[float, str], None] | None,
    ) -> np.ndarray:
        stride = self.network.stride
        padded = [-(-n // stride) * stride for n in size]
        at_once = max(1, _BATCH_PIXELS // (padded[0] * padded[1]))
        heat = np.zeros((*size, slices.size), np.float32)
        for start in range(0, slices.size, at_once):
            if progress:
                progress(start / slices.size, message)
            chosen = range(start, min(start + at_once, slices.size))
            batch = np.stack([self._input(slices[k], corners[k], padded) for k in chosen])
            with torch.inference_mode():
                tensor = torch.from_numpy(batch)[:, None].to(self.device)
                output = self.network(tensor.contiguous(memory_format=torch.channels_last))
            values = output[:, 0, : size[0], : size[1]].float().cpu().numpy()
            heat[:, :, list(chosen)] = values.transpose(1, 2, 0)
        return heat

    def _input(self, k: int, corner: np.ndarray, size: Sequence[int]) -> np.ndarray:
        """Return one normalised slice, or a tile of it; what lies outside the image is 0."""
        pixels = [c + np.arange(n) for c, n in zip(corner, size, strict=True)]
        pixel_slice = _sample_plane(self.volume[:, :, k], pixels, self.step)
        return normalised(pixel_slice, self.preprocessing, self.limits)


def _sample_plane(plane: np.ndarray, pixels: Sequence[np.ndarray], step: np.ndarray) -> np.ndarray:
    """Resample a slice onto a lattice of pixels `step` voxels wide; NaN outside the image.

    Pixels wider than voxels average what they cover.
    """
    result = plane.astype(np.float32)
    outside = []
    for axis in range(2):
        count = plane.shape[axis]
        position = (pixels[axis] + 0.5) * step[axis] - 0.5
        outside.append((position < -0.5 - 1e-6) | (position > count - 0.5 + 1e-6))
        if step[axis] > 1.0:
            result = ndimage.gaussian_filter1d(
                result, 0.5 * np.sqrt(step[axis] ** 2 - 1), axis=axis, mode="nearest"
            )
        result = _interpolate_axis(result, np.clip(position, 0, count - 1), axis)
    result[outside[0], :] = np.nan
    result[:, outside[1]] = np.nan
    return result


def _interpolate_axis(values: np.ndarray, position: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation of `values` at fractional indices along one axis."""
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, values.shape[axis] - 1)
    shape = [1] * values.ndim
    shape[axis] = -1
    weight = (position - low).astype(np.float32).reshape(shape)
    return np.take(values, low, axis) * (1 - weight) + np.take(values, high, axis) * weight
