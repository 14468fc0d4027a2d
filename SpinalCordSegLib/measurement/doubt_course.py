# SPDX-License-Identifier: Apache-2.0
"""What a slice should be like, by the slices near it: courses that outliers cannot bend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]

# Neighbours are looked for this far on either side, and at least so many slices: runs of a few bad
# slices are then a minority.
_REACH_MM = 12.0
_FEWEST_A_SIDE = 3
_MOST_A_SIDE = 6


def neighbours(present: NDArray[np.bool_], slice_mm: float) -> Indices:
    """Return the slices by which each slice is judged.

    Parameters
    ----------
    present : ndarray of bool, (N,)
        Consecutive slices; those with something to compare with.
    slice_mm : float

    Returns
    -------
    ndarray of int, (N, K)
        The nearest present ones, a slice itself left out: about a centimetre of cord to either
        side, or three slices. Near an end more of them lie on the other side. K is 0 if there is
        nothing to compare with.
    """
    usable = np.flatnonzero(present)
    reach = max(_FEWEST_A_SIDE, round(_REACH_MM / slice_mm))
    stride = -(-reach // _MOST_A_SIDE)
    count = min(2 * (reach // stride), max(0, (usable.size - 1) // stride))
    chosen = np.empty((present.size, count), np.int64)
    for row in range(present.size):
        others = usable[usable != row]
        nearest = others[np.argsort(np.abs(others - row), kind="stable")[: count * stride]]
        chosen[row] = np.sort(nearest)[stride // 2 :: stride][:count]
    return chosen


def usual_course(values: Floats, near: Indices) -> Floats:
    """Return what the neighbours' straight course gives for each slice.

    Parameters
    ----------
    values : ndarray, (N, C)
        Of N consecutive slices.
    near : ndarray of int, (N, K)
        From :func:`neighbours`.

    Returns
    -------
    ndarray, (N, C)
        A line through the neighbours with the median of all slopes between two of them (Theil
        1950, Sen 1968), which less than a third of bad slices cannot turn; NaN without neighbours.
    """
    if near.shape[1] == 0:
        return np.full(values.shape, np.nan)
    away = (near - np.arange(len(near))[:, None]).astype(float)[..., None]
    known = values[near].astype(float)
    if near.shape[1] == 1:
        return known[:, 0]
    first, second = np.triu_indices(near.shape[1], 1)
    slopes = (known[:, second] - known[:, first]) / (away[:, second] - away[:, first])
    slope = np.median(slopes, axis=1, keepdims=True)
    return np.asarray(np.median(known - slope * away, axis=1))
