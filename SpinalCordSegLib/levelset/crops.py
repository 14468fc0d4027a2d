# SPDX-License-Identifier: Apache-2.0
"""Square crops around a mask at one pixel size, so that forces mean the same in every image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Crops:
    """Where the crops lie: one a slice.

    Attributes
    ----------
    rows : ndarray of int, (N,)
        Axial slices, in network order.
    centres : ndarray of float, (N, 2)
        Middle of each crop, in voxels: x, y.
    step : tuple of float
        Voxels from one pixel of the crop to the next: along x, along y.
    size : int
        Pixels of a side.
    """

    rows: NDArray[np.int64]
    centres: NDArray[np.float64]
    step: tuple[float, float]
    size: int

    def part(self, chunk: slice) -> Crops:
        """Return some of the crops."""
        return replace(self, rows=self.rows[chunk], centres=self.centres[chunk])


def crops_around(
    mask: NDArray[np.bool_],
    rows: NDArray[np.int64],
    spacing_mm: tuple[float, float],
    pixel_mm: float,
    margin_mm: float,
) -> Crops:
    """Return crops that hold the mask of every slice and a margin.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
    rows : ndarray of int, (N,)
        Slices that have some of the mask.
    spacing_mm : (x, y)
        Voxel size in the slice.
    pixel_mm : float
        Pixel size of the crops.
    margin_mm : float
        Least distance of the mask from the border of its crop.
    """
    low, high = _bounds(mask, rows)
    extent_mm = ((high - low + 1) * np.array(spacing_mm)).max()
    return Crops(
        rows=rows,
        centres=(low + high) / 2,
        step=(pixel_mm / spacing_mm[0], pixel_mm / spacing_mm[1]),
        size=math.ceil((extent_mm + 2 * margin_mm) / pixel_mm),
    )


def sample(volume: NDArray[np.generic], crops: Crops, device: str = "cpu") -> Tensor:
    """Return the crops' pixels, float32 (N, S, S); the border of the image goes on outside it.

    Slices finer than the crops are smoothed first, so that a pixel averages what it covers; they
    are interpolated linearly.

    Parameters
    ----------
    volume : ndarray, (X, Y, Z)
    crops : Crops
    """
    low, high = _window(crops, volume.shape)
    block = volume[low[0] : high[0], low[1] : high[1], crops.rows].astype(np.float32)
    for axis, step in enumerate(crops.step):
        if step > 1 + 1e-6:
            sigma = 0.5 * math.sqrt(step**2 - 1)
            block = gaussian_filter1d(block, sigma, axis=axis, mode="nearest")
    slices = torch.from_numpy(np.ascontiguousarray(block.transpose(2, 0, 1))).to(device)
    offsets = torch.arange(crops.size, dtype=torch.float32, device=device) - (crops.size - 1) / 2
    middle = torch.as_tensor(crops.centres - low, dtype=torch.float32, device=device)
    x = middle[:, :1] + offsets * crops.step[0]
    y = middle[:, 1:] + offsets * crops.step[1]
    return _interpolate(slices, x, y)


def paste(
    volume: NDArray[np.bool_], phi: Tensor, crops: Crops, replaced: NDArray[np.bool_]
) -> None:
    """Write the insides of level set functions into a mask, in place.

    Parameters
    ----------
    volume : ndarray of bool, (X, Y, Z)
        Slices with ``replaced`` are overwritten.
    phi : Tensor, (N, S, S)
        Negative inside.
    crops : Crops
    replaced : ndarray of bool, (N,)
    """
    chosen = np.flatnonzero(replaced)
    if chosen.size == 0:
        return
    crops = replace(crops, rows=crops.rows[chosen], centres=crops.centres[chosen])
    low, high = _window(crops, volume.shape)
    middle = torch.as_tensor(crops.centres - low, dtype=torch.float32, device=phi.device)
    pixels = []
    for axis in range(2):
        voxels = torch.arange(high[axis] - low[axis], dtype=torch.float32, device=phi.device)
        pixels.append((voxels - middle[:, axis, None]) / crops.step[axis] + (crops.size - 1) / 2)
    inside = _interpolate(phi[torch.as_tensor(chosen, device=phi.device)], *pixels) < 0
    # The border of a crop goes on outside it, but nothing of the contour does.
    for axis, place in ((1, pixels[0]), (2, pixels[1])):
        within = (place >= 0) & (place <= crops.size - 1)
        inside &= within[:, :, None] if axis == 1 else within[:, None, :]
    volume[:, :, crops.rows] = False
    volume[low[0] : high[0], low[1] : high[1], crops.rows] = inside.permute(1, 2, 0).cpu().numpy()


def _bounds(
    mask: NDArray[np.bool_], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last voxel, x and y, of the mask on each slice."""
    chosen = mask[:, :, rows]
    low, high = [], []
    for axis in (1, 0):
        any_there = np.asarray(chosen.any(axis=axis))
        low.append(any_there.argmax(axis=0))
        high.append(len(any_there) - 1 - any_there[::-1].argmax(axis=0))
    return np.stack(low, axis=1), np.stack(high, axis=1)


def _window(crops: Crops, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels from low up to high, x and y, that hold all the crops."""
    reach = (crops.size / 2 + 1) * np.array(crops.step) + 2
    low = np.floor(crops.centres.min(axis=0) - reach).astype(int)
    high = np.ceil(crops.centres.max(axis=0) + reach).astype(int) + 1
    return np.maximum(low, 0), np.minimum(high, np.array(shape[:2]))


def _interpolate(slices: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return slices (N, X, Y) linearly interpolated at columns x (N, P) and rows y (N, Q)."""
    count = [max(size - 1, 1) for size in slices.shape[1:]]
    across = (2 * x / count[0] - 1)[:, :, None].expand(-1, -1, y.shape[1])
    along = (2 * y / count[1] - 1)[:, None, :].expand(-1, x.shape[1], -1)
    grid = torch.stack((along, across), dim=-1)
    values = F.grid_sample(
        slices[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return values[:, 0]
