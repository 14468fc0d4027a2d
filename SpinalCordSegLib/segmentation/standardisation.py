# SPDX-License-Identifier: Apache-2.0
"""Intensities onto a standard scale by their percentiles (Nyul and Udupa 1999)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..weights.specification import NYUL_PERCENTILES


def standardise(values: np.ndarray, landmarks: Sequence[float]) -> np.ndarray:
    """Map intensities such that their percentiles land on given landmarks.

    Linear between the percentiles; below the lowest and above the highest an exponential that
    approaches the first and the last landmark, as the published lesion networks were trained
    with. It does not meet the linear part at the end: it is fitted to the slope between the 2nd
    and 3rd percentile counted from the bottom, and between the 3rd and 2nd from the top.

    Parameters
    ----------
    values : ndarray
        Any shape and unit; NaN counts as not seen.
    landmarks : sequence of float
        Rising, one for each of ``NYUL_PERCENTILES``.

    Returns
    -------
    ndarray of float32
        Of the same shape, from the first landmark to the last; NaN where `values` are NaN. Where
        several percentiles are one and the same intensity, such as that of a black background,
        it gets the lowest of their landmarks.
    """
    result = np.full(values.shape, np.nan, np.float32)
    seen = np.isfinite(values)
    if not seen.any():
        return result
    inside = values[seen].astype(np.float64)
    marks = np.asarray(landmarks, np.float64)
    percentiles = np.percentile(inside, NYUL_PERCENTILES)
    known, first = np.unique(percentiles, return_index=True)
    mapped = np.interp(inside, known, marks[first])
    low, high = inside < percentiles[0], inside > percentiles[-1]
    mapped[low] = _tail(inside[low], percentiles[[1, 2]], marks[[1, 2]], marks[0])
    mapped[high] = _tail(inside[high], percentiles[[-3, -2]], marks[[-3, -2]], marks[-1])
    result[seen] = mapped
    return result


def _tail(x: np.ndarray, support: np.ndarray, marks: np.ndarray, limit: float) -> np.ndarray:
    """Return limit + w exp(m (x - x2) / w): slope m and value at the second support, then `limit`.

    A slope without bound, from two equal supports, leaves the limit alone.
    """
    if support[1] <= support[0]:
        return np.full(x.shape, limit)
    slope = (marks[1] - marks[0]) / (support[1] - support[0])
    width = marks[1] - limit
    return limit + width * np.exp(slope * (x - support[1]) / width)
