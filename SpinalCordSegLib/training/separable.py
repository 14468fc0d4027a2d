# SPDX-License-Identifier: Apache-2.0
"""Linear operations along one axis at a time, as matrices: resampling, blurring, truncation.

A product of small matrices costs a tenth of what the general interpolation of three axes does,
and several operations along an axis become one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def apply_along_axes(values: torch.Tensor, matrices: Sequence[np.ndarray | None]) -> torch.Tensor:
    """Multiply each of the last three axes by a matrix.

    Parameters
    ----------
    values : Tensor of float32, (..., X, Y, Z)
    matrices : sequence of (N, X), (M, Y) and (L, Z) ndarray or None
        None leaves the axis alone.

    Returns
    -------
    Tensor of float32, (..., N, M, L)
    """
    x, y, z = (
        None if m is None else torch.from_numpy(m.astype(np.float32)).to(values.device)
        for m in matrices
    )
    if z is not None:
        values = values @ z.T
    if y is not None:
        values = y @ values
    if x is not None:
        rows = values.shape[-3]
        flat = x @ values.reshape(*values.shape[:-3], rows, -1)
        values = flat.reshape(*values.shape[:-3], len(x), *values.shape[-2:])
    return values


def node_interpolation(nodes: int, length: int) -> np.ndarray:
    """Return the linear interpolation from nodes, the outer ones on the outer voxels' centres.

    Returns
    -------
    ndarray, (length, nodes)
    """
    return _linear(np.linspace(0, nodes - 1, length), nodes)


def voxel_resampling(length: int, wanted: int) -> np.ndarray:
    """Return the linear interpolation to another number of voxels over the same extent.

    Returns
    -------
    ndarray, (wanted, length)
    """
    return _linear((np.arange(wanted) + 0.5) * length / wanted - 0.5, length)


def slice_means(length: int, slices: int, thickness: float) -> np.ndarray:
    """Return the means over slices that lie side by side, or with gaps, over the same extent.

    Parameters
    ----------
    thickness : float
        Of a slice, as a share of the distance between slices.

    Returns
    -------
    ndarray, (slices, length)
    """
    middle = (np.arange(slices) + 0.5) * length / slices
    half = thickness * length / slices / 2
    voxel = np.arange(length)
    low = np.maximum((middle - half)[:, None], voxel)
    high = np.minimum((middle + half)[:, None], voxel + 1)
    inside = np.maximum(high - low, 0)
    means: np.ndarray = inside / inside.sum(axis=1, keepdims=True)
    return means


def gaussian_blur(length: int, sigma: float) -> np.ndarray:
    """Return a Gaussian blur, sigma in voxels; beyond the ends the outer voxels go on.

    Returns
    -------
    ndarray, (length, length)
    """
    radius = int(np.ceil(2.5 * sigma))
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    matrix = np.zeros((length, length))
    for step, weight in zip(steps, kernel / kernel.sum(), strict=True):
        source = np.clip(np.arange(length) + step, 0, length - 1)
        np.add.at(matrix, (np.arange(length), source), weight)
    return matrix


def spectrum_truncation(length: int, kept: float) -> np.ndarray:
    """Return what keeps the lowest frequencies only and so rings at edges (Gibbs).

    The cosine transform is used, which mirrors the signal at its ends: a patch cut out of an
    image must not ring at its own border.

    Parameters
    ----------
    kept : float
        Share of the frequencies, 0 to 1.

    Returns
    -------
    ndarray, (length, length)
    """
    count = max(1, round(kept * length))
    place, frequency = np.arange(length) + 0.5, np.arange(count)
    cosines = np.cos(np.pi * np.outer(place, frequency) / length) * np.sqrt(2 / length)
    cosines[:, 0] /= np.sqrt(2)
    return cosines @ cosines.T


def _linear(position: np.ndarray, length: int) -> np.ndarray:
    position = np.clip(position, 0, length - 1)
    low = np.minimum(position.astype(int), max(length - 2, 0))
    share = position - low
    matrix = np.zeros((position.size, length))
    rows = np.arange(position.size)
    matrix[rows, low] = 1 - share
    if length > 1:
        matrix[rows, low + 1] = share
    return matrix
