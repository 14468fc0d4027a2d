# SPDX-License-Identifier: Apache-2.0
"""The scales of intensity on which networks see an image."""

from __future__ import annotations

import numpy as np

from .weights.specification import Preprocessing

# Where "percentile255" puts black and white.
_PERCENTILES = (2, 98)


def intensity_limits(volume: np.ndarray, preprocessing: Preprocessing) -> tuple[float, float]:
    """Return the intensities that become black and white, for :func:`normalised`.

    Parameters
    ----------
    volume : ndarray
        All that is scaled together; NaN is not part of the image.
    """
    if preprocessing.intensity != "percentile255":
        return 0.0, 1.0
    finite = np.isfinite(volume)
    seen = volume if finite.all() else volume[finite]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(seen, _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def normalised(
    values: np.ndarray, preprocessing: Preprocessing, limits: tuple[float, float]
) -> np.ndarray:
    """Return values as a network of the cascade wants them.

    Parameters
    ----------
    values : ndarray
        A slice or window of the image; NaN outside of it.
    preprocessing : Preprocessing
        ``percentile255``: from `limits` to 0 to 255, then its mean and standard deviation; outside
        the image is black. Any other: mean 0 and standard deviation 1 over `values`, 0 outside.
    limits : (float, float)
        From :func:`intensity_limits`.

    Returns
    -------
    ndarray of float32
    """
    seen = np.isfinite(values)
    if not seen.any():
        return np.zeros(values.shape, np.float32)
    if preprocessing.intensity == "percentile255":
        low, high = limits
        scaled = (np.clip(values, low, high) - low) * (255 / (high - low))
        scaled = (scaled - preprocessing.mean) / preprocessing.std
        black = -preprocessing.mean / preprocessing.std
        return np.where(seen, scaled, black).astype(np.float32)
    return zero_mean_unit_variance(values)


def zero_mean_unit_variance(window: np.ndarray) -> np.ndarray:
    """Normalise a window over the part of it that lies in the image; elsewhere it becomes 0.

    Parameters
    ----------
    window : ndarray
        NaN outside the image.
    """
    seen = np.isfinite(window)
    if not seen.any():
        return np.zeros(window.shape, np.float32)
    inside = window[seen]
    scaled = (window - inside.mean()) / (inside.std() + 1e-5)
    return np.where(seen, scaled, 0).astype(np.float32)
