# SPDX-License-Identifier: Apache-2.0
"""A curve of one point a slice made smooth, and how a curve goes on past its ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import BSpline, make_smoothing_spline

from .polyline import Floats, interpolated

# Past the evidence the curve goes on along its end tangent, and levels off over this distance.
_LEVELLING_MM = 20.0


def smooth_curve(
    points_mm: ArrayLike,
    weights: ArrayLike | None = None,
    at_mm: ArrayLike | None = None,
    smoothing_mm: float = 5.0,
) -> Floats:
    """Smooth a curve that has one point per slice, with a cubic smoothing spline.

    Parameters
    ----------
    points_mm : array_like, shape (N, 3)
        Points in a frame whose third axis is perpendicular to the slices, strictly rising: for
        instance voxel index times spacing. The third coordinate is not smoothed.
    weights : array_like, shape (N,), optional
        Evidence of each slice, at least 0. Points of weight 0 are not used.
    at_mm : array_like, shape (M,), optional
        Third coordinate of the points to return; that of `points_mm` by default.
    smoothing_mm : float
        Half width of what is averaged, mm: details much shorter vanish, whatever the distance of
        the slices; where slices are further apart, hardly anything is smoothed.

    Returns
    -------
    ndarray, shape (M, 3)
        Past the first and the last slice with evidence the curve goes on along its tangent and
        levels off. With fewer than 5 slices with evidence it is linear from slice to slice, and
        constant past them.
    """
    points = np.asarray(points_mm, dtype=np.float64)
    heights = points[:, 2] if at_mm is None else np.asarray(at_mm, dtype=np.float64)
    evidence = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=np.float64)
    known = np.flatnonzero(evidence > 0)
    if known.size == 0:
        known, evidence = np.arange(len(points)), np.ones(len(points))
    positions, values, evidence = points[known, 2], points[known, :2], evidence[known]
    if (np.diff(positions) <= 0).any():
        raise ValueError("the third coordinate must rise from point to point")
    if len(known) < 5:
        return np.column_stack([interpolated(heights, positions, values), heights])
    # The smoother with penalty lambda averages over about (lambda * distance of points)^(1/4).
    penalty = smoothing_mm**4 / float(np.mean(np.diff(positions)))
    spline = make_smoothing_spline(positions, values, evidence / evidence.max(), penalty)
    return np.column_stack([_extended(spline, positions[0], positions[-1], heights), heights])


def levelled(beyond_mm: Floats) -> Floats:
    """Return how far a tangent is followed at a distance past the curve's end, mm."""
    followed: Floats = -_LEVELLING_MM * np.expm1(-beyond_mm / _LEVELLING_MM)
    return followed


def _extended(spline: BSpline, first: float, last: float, heights: Floats) -> Floats:
    """Evaluate a spline between its ends, and past them along the tangent, levelling off."""
    inside = np.clip(heights, first, last)
    beyond = heights - inside
    reach = np.sign(beyond) * levelled(np.abs(beyond))
    extended: Floats = spline(inside) + reach[:, None] * spline.derivative()(inside)
    return extended
