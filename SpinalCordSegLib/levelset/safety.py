# SPDX-License-Identifier: Apache-2.0
"""Whether an evolved contour is better than the mask it began with.

Arrays are (N, H, W); lengths are millimetres, contrasts gray levels of 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .initialisation import signed_distance

# The contour left the mask by more than a degraded mask of a cord is wrong.
_FARTHEST_MM = 3.0
# Less than this part of the mask is no cord any more.
_SMALLEST_PART = 0.25
# Below this contrast, gray matter and noise make edges as good as the cord's own.
_WEAKEST_CONTRAST = 50.0
# How much more evidence a contour needs than the mask's own outline, and how much of the outline's
# contrast it may lose, before it takes the mask's place. A level set looks for slope, so slope it
# finds: good masks, which it would make worse, have up to this much less.
_MORE_EVIDENCE = 1.3
_CONTRAST_KEPT = 0.7
# What lies just inside and just outside an outline.
_BAND_MM = (0.5, 2.0)
_RIM_PIXELS = 1.0
# What a contour may leak into.
_RING_MM = 3.5


class Reason(Enum):
    """What became of a slice, in words that a reader of images understands."""

    REFINED = "the outline was moved to the nearest edge"
    AT_EDGE = "kept: its outline lies on as good an edge"
    LEAKED = "kept: the level set ran out of the cord"
    VANISHED = "kept: the level set vanished"
    WEAK_EDGE = "kept: there is hardly an edge around the cord"


# Those after which a person should look.
DOUBTFUL = (Reason.LEAKED, Reason.VANISHED, Reason.WEAK_EDGE)


@dataclass(frozen=True)
class Evidence:
    """How much of an edge there is along outlines.

    Attributes
    ----------
    contrast : ndarray of float, (N,)
        Mean gray level just outside less that just inside, without its sign.
    slope : ndarray of float, (N,)
        Mean slope of the image on the outline, gray levels a pixel.
    """

    contrast: NDArray[np.float64]
    slope: NDArray[np.float64]

    @property
    def amount(self) -> NDArray[np.float64]:
        """Contrast and slope in one number that tells good outlines from bad ones."""
        return np.asarray(self.contrast * self.slope**1.5)


def judge(
    gray: NDArray[np.float32],
    slopes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    evolved: NDArray[np.bool_],
    pixel_mm: float,
) -> list[Reason]:
    """Say for each slice whether the evolved contour takes the mask's place, or why not.

    Parameters
    ----------
    gray : ndarray, (N, H, W)
        Gray levels, 0 to 255.
    slopes : ndarray, (N, H, W)
        Length of their gradient.
    mask, evolved : ndarray of bool, (N, H, W)
        What the level set began with, none empty; what it came to.
    pixel_mm : float
    """
    before, after = signed_distance(mask), signed_distance(evolved)
    old = evidence(gray, slopes, before, pixel_mm)
    new = evidence(gray, slopes, after, pixel_mm)
    farthest = np.where(evolved, before, -np.inf).max(axis=(1, 2)) * pixel_mm
    part = evolved.sum(axis=(1, 2)) / np.maximum(mask.sum(axis=(1, 2)), 1)
    better = new.amount >= _MORE_EVIDENCE * old.amount
    better &= new.contrast >= np.maximum(_CONTRAST_KEPT * old.contrast, _WEAKEST_CONTRAST)
    # The first that holds.
    verdicts = (
        (part < _SMALLEST_PART, Reason.VANISHED),
        (farthest > _FARTHEST_MM, Reason.LEAKED),
        (np.maximum(old.contrast, new.contrast) < _WEAKEST_CONTRAST, Reason.WEAK_EDGE),
        (~better, Reason.AT_EDGE),
    )
    return [
        next((reason for holds, reason in verdicts if holds[i]), Reason.REFINED)
        for i in range(len(mask))
    ]


def evidence(
    gray: NDArray[np.float32],
    slopes: NDArray[np.float32],
    distance: NDArray[np.float32],
    pixel_mm: float,
) -> Evidence:
    """Return the edge along the outline that `distance` (pixels, negative inside) is zero on."""
    near, far = (mm / pixel_mm for mm in _BAND_MM)
    inner = _mean(gray, (distance < -near) & (distance > -far))
    outer = _mean(gray, (distance > near) & (distance < far))
    return Evidence(np.abs(outer - inner), _mean(slopes, np.abs(distance) < _RIM_PIXELS))


def is_darker(
    gray: NDArray[np.float32], mask: NDArray[np.bool_], pixel_mm: float
) -> NDArray[np.bool_]:
    """Tell for each slice whether the mask is darker than what surrounds it within 3.5 mm."""
    distance = signed_distance(mask) * pixel_mm
    depth = -distance.min(axis=(1, 2), keepdims=True)
    inner = _mean(gray, distance < -np.minimum(1.0, depth / 2))
    outer = _mean(gray, (distance > _BAND_MM[0]) & (distance < _RING_MM))
    return inner <= outer


def _mean(values: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean of each slice over some pixels, 0 where there are none."""
    total = np.where(where, values, 0).sum(axis=(1, 2), dtype=np.float64)
    return total / np.maximum(where.sum(axis=(1, 2)), 1)
