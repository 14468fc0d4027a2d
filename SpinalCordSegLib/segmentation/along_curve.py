# SPDX-License-Identifier: Apache-2.0
"""The neighbourhood of the curve as a straight block, and back to the image's own grid.

Every axial slice is shifted in its plane so that the curve runs down the middle of the block.
Interpolating between thick slices then follows the cord instead of cutting across its course, and
nothing but this neighbourhood is ever resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class StraightBlock:
    """Image values around the curve.

    Attributes
    ----------
    values : ndarray of float32, (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior; NaN outside the image.
    centres : ndarray of float, (K, 2)
        In-plane continuous index of the curve on the image's slices `first_slice` and up.
    first_slice : int
    slice_of_row : ndarray of float, (Z,)
        Continuous index, from `first_slice`, of the image slice each row lies on.
    image_spacing_mm, spacing_mm : (x, y, z)
        Of the image, and of the block.
    """

    values: np.ndarray
    centres: np.ndarray
    first_slice: int
    slice_of_row: np.ndarray
    image_spacing_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]


def straighten(
    volume: np.ndarray,
    image_spacing_mm: Sequence[float],
    curve: np.ndarray,
    spacing_mm: Sequence[float],
    width: Sequence[int],
) -> StraightBlock:
    """Cut the block around a curve out of a volume.

    Parameters
    ----------
    volume : ndarray, (X, Y, Z)
        In network order: X right to left, Y posterior to anterior, Z inferior to superior.
    image_spacing_mm : (x, y, z)
    curve : ndarray, (Z, 2)
        In-plane continuous index of the curve on each slice of the volume; NaN where it does not
        run. The slices that have it must be consecutive.
    spacing_mm : (x, y, z)
        Of the block.
    width : (X, Y)
        Of the block, voxels.

    Returns
    -------
    StraightBlock
        As long as the slices that the curve crosses, their full thickness included.
    """
    crossed = np.flatnonzero(np.isfinite(curve).all(axis=1))
    first, centres = int(crossed[0]), curve[crossed[0] : crossed[-1] + 1]
    planes = volume[:, :, first : first + len(centres)]
    blurred = _antialias(planes, image_spacing_mm, spacing_mm)
    coordinates = np.empty((3, *width, len(centres)), np.float32)
    for axis in range(2):
        offset = (np.arange(width[axis]) - (width[axis] - 1) / 2) * spacing_mm[axis]
        position = offset[:, None] / image_spacing_mm[axis] + centres[:, axis]
        shape = [1, 1, len(centres)]
        shape[axis] = width[axis]
        coordinates[axis] = position.reshape(shape)
    coordinates[2] = np.arange(len(centres))
    values = _sample_inside(blurred, coordinates)

    slice_of_row = _rows(len(centres), image_spacing_mm[2], spacing_mm[2])
    return StraightBlock(
        values=_interpolate_rows(values, slice_of_row),
        centres=centres,
        first_slice=first,
        slice_of_row=slice_of_row,
        image_spacing_mm=(image_spacing_mm[0], image_spacing_mm[1], image_spacing_mm[2]),
        spacing_mm=(spacing_mm[0], spacing_mm[1], spacing_mm[2]),
    )


def unstraighten(block: StraightBlock, values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Bring values on the block back onto the image's grid.

    Parameters
    ----------
    values : ndarray of float32, (X, Y, Z)
        On the block, such as probabilities.
    shape : (X, Y, Z)
        Of the image in network order.

    Returns
    -------
    ndarray of float32, (X, Y, Z)
        Linear interpolation at the image's voxel centres; 0 outside the block.
    """
    count = len(block.centres)
    row_of_slice = np.interp(np.arange(count), block.slice_of_row, np.arange(values.shape[2]))
    values = _interpolate_rows(values, row_of_slice)
    result = np.zeros(tuple(shape), np.float32)
    for k, centre in enumerate(block.centres):
        ranges, positions = [], []
        for axis in range(2):
            step = block.image_spacing_mm[axis] / block.spacing_mm[axis]
            half = (values.shape[axis] - 1) / 2
            low = max(0, int(np.ceil(centre[axis] - half / step)))
            high = min(shape[axis] - 1, int(np.floor(centre[axis] + half / step)))
            ranges.append(slice(low, high + 1))
            positions.append((np.arange(low, high + 1) - centre[axis]) * step + half)
        grid = np.meshgrid(*positions, indexing="ij")
        plane = ndimage.map_coordinates(values[:, :, k], grid, order=1, mode="nearest")
        result[ranges[0], ranges[1], block.first_slice + k] = plane
    return result


def _antialias(
    planes: np.ndarray, image_spacing_mm: Sequence[float], spacing_mm: Sequence[float]
) -> np.ndarray:
    """Blur in plane where the block's voxels are wider than the image's."""
    ratio = [spacing_mm[axis] / image_spacing_mm[axis] for axis in range(2)]
    sigma = [0.5 * np.sqrt(max(r**2 - 1, 0.0)) for r in ratio]
    if max(sigma) < 0.2:
        return planes.astype(np.float32)
    return ndimage.gaussian_filter(planes.astype(np.float32), (*sigma, 0), mode="nearest")


def _sample_inside(planes: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Linear interpolation; NaN beyond the outer edge of the outermost voxels."""
    outside = np.zeros(coordinates.shape[1:], bool)
    for axis in range(2):
        last = planes.shape[axis] - 1
        outside |= (coordinates[axis] < -0.5) | (coordinates[axis] > last + 0.5)
        np.clip(coordinates[axis], 0, last, out=coordinates[axis])
    values = ndimage.map_coordinates(planes, coordinates, order=1, mode="nearest")
    values[outside] = np.nan
    return values


def _rows(count: int, slice_mm: float, row_mm: float) -> np.ndarray:
    """Return the continuous slice index of rows `row_mm` apart that fill `count` slices."""
    rows = max(1, round(count * slice_mm / row_mm))
    centre = (np.arange(rows) + 0.5) * count / rows - 0.5
    return np.clip(centre, 0, count - 1)


def _interpolate_rows(values: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Linear interpolation along the last axis, averaging where rows are wider than slices."""
    count = values.shape[2]
    if position.size < count:
        seen = np.isfinite(values)
        sigma = (0, 0, 0.5 * np.sqrt(max((count / position.size) ** 2 - 1, 0.0)))
        weight = ndimage.gaussian_filter(seen.astype(np.float32), sigma, mode="nearest")
        blurred = ndimage.gaussian_filter(np.where(seen, values, 0), sigma, mode="nearest")
        values = np.where(seen, blurred / np.maximum(weight, 1e-6), np.nan)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, count - 1)
    weight = (position - low).astype(np.float32)
    return (values[:, :, low] * (1 - weight) + values[:, :, high] * weight).astype(np.float32)
