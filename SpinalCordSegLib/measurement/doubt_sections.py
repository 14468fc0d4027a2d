# SPDX-License-Identifier: Apache-2.0
"""Small pictures of slices, all centred on the cord: what outlines and tissue are compared on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.floating[Any]]

# Half the width of a picture and the size of its pixels: a cord and what lies around it.
HALF_MM = 14.0
STEP_MM = 0.7
# A little more than a picture, so that distances to an outline beside it are right.
_MARGIN_MM = 4.0


def offsets_mm() -> Floats:
    """Return where the pixels of a picture lie along one axis, from its middle."""
    half = round(HALF_MM / STEP_MM)
    return np.arange(-half, half + 1) * STEP_MM


def pictures(volume: Floats, centres: Floats, spacing_mm: tuple[float, float, float]) -> Floats:
    """Return every slice around its centre.

    Parameters
    ----------
    volume : ndarray, (X, Y, N)
    centres : ndarray, (N, 2)
        In-plane index; NaN gives a picture of NaN.
    spacing_mm : (x, y, z)

    Returns
    -------
    ndarray of float32, (N, S, S)
        Linear interpolation; beyond the image its outermost values.
    """
    return np.stack(
        [_picture(volume[:, :, k], centre, spacing_mm) for k, centre in enumerate(centres)]
    )


def outline_distances(
    mask: NDArray[np.bool_], centres: Floats, spacing_mm: tuple[float, float, float]
) -> Floats:
    """Return for every slice how deep, in millimetres, each pixel of its picture lies in the mask.

    Parameters and result as for :func:`pictures`; negative outside, far outside where a slice has
    no mask near its centre.
    """
    reach = HALF_MM + _MARGIN_MM
    result = []
    for k, centre in enumerate(centres):
        window, origin = _window(mask[:, :, k], centre, reach, spacing_mm)
        if not window.any():
            result.append(np.full(2 * (offsets_mm().size,), -reach, np.float32))
            continue
        padded = np.pad(window, 1)
        depth = ndimage.distance_transform_edt(padded, sampling=spacing_mm[:2])
        depth = depth - ndimage.distance_transform_edt(~padded, sampling=spacing_mm[:2])
        result.append(_picture(depth, centre - origin + 1, spacing_mm))
    return np.stack(result)


def _picture(plane: Floats, centre: Floats, spacing_mm: tuple[float, float, float]) -> Floats:
    offsets = offsets_mm()
    if not np.isfinite(centre).all():
        return np.full((offsets.size, offsets.size), np.nan, np.float32)
    x, y = (centre[axis] + offsets / spacing_mm[axis] for axis in range(2))
    grid = np.meshgrid(x, y, indexing="ij")
    return np.asarray(
        ndimage.map_coordinates(plane, grid, order=1, mode="nearest", output=np.float32)
    )


def _window(
    plane: NDArray[np.bool_],
    centre: Floats,
    reach_mm: float,
    spacing_mm: tuple[float, float, float],
) -> tuple[NDArray[np.bool_], Floats]:
    """Return the part of a slice within reach of a centre, and where it begins."""
    if not np.isfinite(centre).all():
        return plane[:0, :0], np.zeros(2)
    low = [max(0, int(centre[a] - reach_mm / spacing_mm[a])) for a in range(2)]
    high = [max(0, int(centre[a] + reach_mm / spacing_mm[a]) + 2) for a in range(2)]
    return plane[low[0] : high[0], low[1] : high[1]], np.array(low, float)
