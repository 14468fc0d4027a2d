# SPDX-License-Identifier: Apache-2.0
"""OptiC: the globally best curve through a stack of slices.

One voxel is chosen in each slice so that the curve follows the evidence (a localisation map, for
instance the distance map of the first network) and does not bend sideways without need. The
minimum is exact: it is found by dynamic programming along the slices, each step of which is a
separable distance transform with a quadratic cost.

References
----------
Gros et al., Medical Image Analysis 44, 2018 (the curve); Gros et al., NeuroImage 184, 2019, section
2.2.2 (on the network's distance map); Felzenszwalb and Huttenlocher, Theory of Computing 8, 2012
(distance transforms of sampled functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def optimal_path(
    score: NDArray[Any],
    spacing_mm: tuple[float, float, float | Sequence[float] | NDArray[Any]],
    slope_weight: float = 1.0,
) -> NDArray[np.int64]:
    """Find the voxel path with the best score for its slope, one voxel a slice.

    Minimises over all paths (x_z, y_z), with free ends::

        E = - sum_z S(x_z, y_z, z)
            + slope_weight * sum_z [ ((x_z - x_{z-1}) px / pz)^2 + ((y_z - y_{z-1}) py / pz)^2 ]

    The penalty is the squared slope in mm/mm, so that thick slices may step further than thin ones.
    A slice without evidence (a constant score) is crossed on the straightest line; at the ends of
    the stack the path goes on unchanged. Equal paths are decided for the smaller step.

    Parameters
    ----------
    score : ndarray, shape (X, Y, Z)
        Evidence for the cord, any finite values, larger is better.
    spacing_mm : tuple
        (px, py, pz). pz is one distance for all, or Z - 1 distances from slice to next slice.
    slope_weight : float
        Evidence one accepts to lose for a slope of 1 mm/mm over one slice; positive.

    Returns
    -------
    ndarray of int, shape (Z, 2)
        (x, y) index in each slice.

    Raises
    ------
    ValueError
        If the score is empty, not 3D or not finite, or a spacing or weight is not positive.

    Notes
    -----
    Time is O(X Y Z D), with D the longest step in voxels that pays anywhere in the stack; memory
    is 4 bytes a voxel for tracing the path back.
    """
    score = np.asarray(score)
    _check_score(score)
    weights = _step_weights(spacing_mm, slope_weight, score.shape[2])
    cost = -score[:, :, 0].astype(np.float64)
    steps = np.zeros((len(weights), 2, *score.shape[:2]), dtype=np.int16)
    for z, (weight_x, weight_y) in enumerate(weights, start=1):
        cost, steps[z - 1, 0] = _spread(cost, weight_x)
        transposed, step_y = _spread(np.ascontiguousarray(cost.T), weight_y)
        cost, steps[z - 1, 1] = transposed.T - score[:, :, z], step_y.T
    return _trace_back(cost, steps)


def path_energy(
    score: NDArray[Any],
    path: ArrayLike,
    spacing_mm: tuple[float, float, float | Sequence[float] | NDArray[Any]],
    slope_weight: float = 1.0,
) -> float:
    """Return the energy E that `optimal_path` minimises, of any voxel path of shape (Z, 2)."""
    score, path = np.asarray(score), np.asarray(path)
    weights = _step_weights(spacing_mm, slope_weight, score.shape[2])
    evidence = score[path[:, 0], path[:, 1], np.arange(len(path))].astype(np.float64)
    return float((weights * np.diff(path, axis=0) ** 2).sum() - evidence.sum())


def refine_subvoxel(score: NDArray[Any], path: ArrayLike, radius: int = 12) -> NDArray[np.float64]:
    """Move each path voxel to the centre of mass of the evidence around it.

    Parameters
    ----------
    score : ndarray, shape (X, Y, Z)
        Evidence for the cord; only what is above 0 has a weight. With the distance map of a mask
        the result is close to the middle of the mask, which the highest voxel alone is not: along
        the axis of a flat cord the map is nearly level.
    path : array_like of int, shape (Z, 2)
        (x, y) index in each slice.
    radius : int
        The window reaches this many voxels to each side of the path; take a little
        more than half the width of the cord: the default is 6 mm on a 0.5 mm grid.

    Returns
    -------
    ndarray of float, shape (Z, 2)
        Continuous (x, y) index; the path itself in a slice without evidence in the window.
    """
    score, path = np.asarray(score), np.asarray(path)
    offsets = np.arange(-radius, radius + 1)
    x, y = path[:, :1] + offsets, path[:, 1:] + offsets
    inside_x, inside_y = (x >= 0) & (x < score.shape[0]), (y >= 0) & (y < score.shape[1])
    columns, rows = np.clip(x, 0, score.shape[0] - 1), np.clip(y, 0, score.shape[1] - 1)
    slices = np.arange(len(path))[:, None, None]
    window = np.maximum(score[columns[:, :, None], rows[:, None, :], slices], 0).astype(np.float64)
    window *= inside_x[:, :, None] & inside_y[:, None, :]
    mass = window.sum(axis=(1, 2))
    moment = np.stack([window.sum(axis=2) @ offsets, window.sum(axis=1) @ offsets], axis=1)
    shift = np.divide(moment, mass[:, None], out=np.zeros_like(moment), where=mass[:, None] > 0)
    return path + shift


def _check_score(score: NDArray[Any]) -> None:
    if score.ndim != 3 or score.size == 0:
        raise ValueError(f"score must be a non-empty (X, Y, Z) array, not of shape {score.shape}")
    if max(score.shape[:2]) > np.iinfo(np.int16).max:
        raise ValueError("score is wider than 32767 voxels")
    if not np.isfinite(score).all():
        raise ValueError("score must be finite")


def _step_weights(
    spacing_mm: tuple[float, float, float | Sequence[float] | NDArray[Any]],
    slope_weight: float,
    slices: int,
) -> NDArray[np.float64]:
    """Return what a step of one voxel in x and in y costs, (Z - 1, 2)."""
    in_plane = np.asarray(spacing_mm[:2], dtype=np.float64)
    between = np.broadcast_to(np.asarray(spacing_mm[2], dtype=np.float64), (slices - 1,))
    for name, value in (("spacing", in_plane), ("spacing", between), ("weight", slope_weight)):
        if not (np.isfinite(value).all() and np.all(np.asarray(value) > 0)):
            raise ValueError(f"{name} must be positive and finite")
    return slope_weight * (in_plane / between[:, None]) ** 2


def _spread(
    cost: NDArray[np.float64], weight: float
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Return min over d of cost[x + d] + weight d^2 along the first axis, and the minimising d.

    Distances are tried in rising order, and the first that improves nothing anywhere ends the
    search. That is exact: since d^2 = 1 + 3 + ... + (2d - 1), widening the reach from d - 1 to d is
    one minimum with the nearest neighbours raised by (2d - 1) weight; where this changes nothing,
    neighbours differ by no more than that, and the next, raised by more, changes nothing either.
    """
    best = cost.copy()
    step = np.zeros(cost.shape, dtype=np.int16)
    for distance in range(1, len(cost)):
        price = weight * distance**2
        improved = False
        for there, here, sign in (
            (cost[distance:], slice(None, -distance), 1),
            (cost[:-distance], slice(distance, None), -1),
        ):
            candidate = there + price
            better = candidate < best[here]
            if better.any():
                improved = True
                np.copyto(best[here], candidate, where=better)
                np.copyto(step[here], sign * distance, where=better)
        if not improved:
            break
    return best, step


def _trace_back(cost: NDArray[np.float64], steps: NDArray[np.int16]) -> NDArray[np.int64]:
    """Follow the stored steps down from the best voxel of the last slice."""
    x, y = np.unravel_index(np.argmin(cost), cost.shape)
    path = np.empty((len(steps) + 1, 2), dtype=np.int64)
    path[-1] = x, y
    for z in range(len(steps) - 1, -1, -1):
        y = y + steps[z, 1, x, y]
        x = x + steps[z, 0, x, y]
        path[z] = x, y
    return path
