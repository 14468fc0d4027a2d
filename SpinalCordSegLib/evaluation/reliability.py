# SPDX-License-Identifier: Apache-2.0
"""How often a method reaches an accuracy: R(d) (Zhang 2021, equation 23)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def reliability(dice: ArrayLike, d: ArrayLike) -> Floats:
    """Return R(d) = Pr(Dice > d), the share of scans or slices with a Dice above d.

    Parameters
    ----------
    dice : array_like, (N,)
        One for each scan or slice, 0 to 1. What failed counts as 0, and must not be left out.
    d : float or array_like, (M,)
        0 to 1.

    Returns
    -------
    ndarray, shape of `d`
        0 to 1; NaN without scans.
    """
    values, at = np.asarray(dice, np.float64), np.asarray(d, np.float64)
    if values.size == 0:
        return np.full(at.shape, np.nan)
    return np.asarray((values > at[..., None]).mean(axis=-1), np.float64)


def reliability_curve(dice: ArrayLike) -> tuple[Floats, Floats]:
    """Return the corners of R as a falling staircase from (0, R(0)) to (1, 0).

    Returns
    -------
    d, share : ndarray, (M,)
        To be drawn with straight lines from corner to corner.
    """
    steps = np.unique(np.concatenate([[0.0], np.asarray(dice, np.float64), [1.0]]))
    share = reliability(dice, steps)
    return np.repeat(steps, 2)[1:], np.repeat(share, 2)[:-1]
