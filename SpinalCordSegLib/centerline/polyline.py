# SPDX-License-Identifier: Apache-2.0
"""Points one after the other, (N, 3) or (N, columns): lengths, crossings, repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def arc_length(points: Floats) -> Floats:
    """Return the distance of each point from the first, along the polyline."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def crossings(height: Floats, values: Floats, at: Floats) -> Floats:
    """Return the values of a polyline at given heights within its range.

    Where the polyline turns back and crosses a height several times, the mean of the crossings.
    """
    rise = np.diff(height)
    if (rise > 0).all():
        return interpolated(at, height, values)
    if (rise < 0).all():
        return interpolated(at, height[::-1], values[::-1])
    result = np.empty((len(at), values.shape[1]))
    low, high = np.minimum(height[:-1], height[1:]), np.maximum(height[:-1], height[1:])
    for row, level in enumerate(at):
        crossing = np.flatnonzero((low <= level) & (level <= high))
        climb = np.where(rise[crossing] == 0, 1.0, rise[crossing])
        share = np.where(rise[crossing] == 0, 0.5, (level - height[crossing]) / climb)[:, None]
        result[row] = (values[crossing] * (1 - share) + values[crossing + 1] * share).mean(axis=0)
    return result


def interpolated(at: Floats, positions: Floats, values: Floats) -> Floats:
    """Linear interpolation of the columns of `values`, constant past the ends."""
    return np.stack([np.interp(at, positions, column) for column in values.T], axis=1)


def without_repeats(points: Floats) -> Floats:
    """Drop points equal to the one before."""
    keep = np.concatenate([[True], (np.diff(points, axis=0) != 0).any(axis=1)])
    return points[keep[: len(points)]]
