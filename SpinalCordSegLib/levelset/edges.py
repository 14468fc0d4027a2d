# SPDX-License-Identifier: Apache-2.0
"""What the contours see: gray levels, emphasised edges, the edge indicator (Zhang 2021, 2.1, 2.3).

Slices are arrays (N, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

Slices = NDArray[np.float32]


def gray_levels(slices: NDArray[np.generic], percentiles: Sequence[float] = (1, 99)) -> Slices:
    """Return each slice stretched so that the two percentiles become 0 and 255, clipped.

    A slice without contrast becomes 0.
    """
    values = np.asarray(slices, np.float32)
    low, high = np.percentile(values, percentiles, axis=(1, 2), keepdims=True)
    span = np.where(high > low, high - low, np.inf)
    return np.clip((values - low) / span * 255, 0, 255).astype(np.float32)


def centre_crop(slices: NDArray[np.generic], side: int = 256) -> NDArray[np.generic]:
    """Return the middle `side` x `side` pixels, or what there is of them."""
    corners = [max(0, (size - side) // 2) for size in slices.shape[1:]]
    return slices[:, corners[0] : corners[0] + side, corners[1] : corners[1] + side]


def box_blur(slices: NDArray[np.generic], side: int = 3) -> Slices:
    """Return the mean over `side` x `side` pixels, centred (equation 1, which prints no centre)."""
    return uniform_filter(np.asarray(slices, np.float32), (0, side, side), mode="nearest")


def emphasise_edges(
    blurred: NDArray[np.generic],
    weight: float = 0.8,
    closing: int = 7,
    thresholds: tuple[float, float] = (50, 150),
) -> Slices:
    """Return slices with the pixels that Canny calls edges made bright (equations 2 to 4).

    Parameters
    ----------
    blurred : ndarray, (N, H, W)
        0 to 255, as :func:`box_blur` returns them.
    weight : float
        The paper's alpha.
    closing : int
        Side of the structuring element that closes the edge map.
    thresholds : (low, high)
        Of Canny's hysteresis. The paper does not give them.
    """
    emphasised = np.array(blurred, np.float32)
    element = np.ones((closing, closing), np.uint8)
    for one in emphasised:
        edges = cv2.Canny(np.rint(one).astype(np.uint8), *thresholds)
        closed = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, element).astype(np.float32)
        one[edges > 0] = weight * closed.max() + (1 - weight) * closed[edges > 0]
    return emphasised


def slope(slices: NDArray[np.generic], sigma: float = 0.8) -> Slices:
    """Return the gradient's length after smoothing with a Gaussian of `sigma` pixels."""
    smooth = gaussian_filter(np.asarray(slices, np.float32), (0, sigma, sigma), mode="nearest")
    return np.hypot(*np.gradient(smooth, axis=(1, 2))).astype(np.float32)


def edge_indicator(slices: NDArray[np.generic], sigma: float = 0.8) -> Slices:
    """Return 0 on strong edges to 1 where there is none (equation 6)."""
    return (1 / (1 + slope(slices, sigma) ** 2)).astype(np.float32)


def relative_edge_indicator(slopes: Slices, level_sets: Slices) -> Slices:
    """Return an edge indicator that is a half where a slope is the usual one along a contour.

    That of equation 6 is next to nothing already at the foot of a clear edge, and a contour that
    grows stops there. This one is lowest on the crest alone.

    Parameters
    ----------
    slopes : ndarray, (N, H, W)
        As :func:`slope` returns them.
    level_sets : ndarray, (N, H, W)
        Whose zeros are the contours, with a slope of 1.
    """
    rim = np.abs(level_sets) < 1
    total = np.where(rim, slopes, 0).sum(axis=(1, 2), keepdims=True)
    usual = total / np.maximum(rim.sum(axis=(1, 2), keepdims=True), 1)
    return (1 / (1 + (slopes / np.maximum(usual, 1e-3)) ** 2)).astype(np.float32)
