# SPDX-License-Identifier: Apache-2.0
"""Initial level set functions from masks: a circle (Zhang 2021, 2.2), or what is left inside.

Masks are arrays (N, H, W); level set functions are float32, negative inside, flat from `height`
on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

HEIGHT = 2.0
# As far from each other as slices lie for distances within them.
_FAR = 1e6


def fill_holes(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return masks with what they enclose within each slice."""
    return ndimage.binary_fill_holes(inside, _within_slices())


def largest_pieces(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected piece of each mask."""
    pieces, count = ndimage.label(inside, _within_slices())
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    size = sizes[pieces]
    # Of pieces of the same size, the first.
    first = np.where(size == size.max(axis=(1, 2), keepdims=True), pieces, count + 1)
    return inside & (pieces == first.min(axis=(1, 2), keepdims=True))


def binary_step(inside: NDArray[np.bool_], height: float = HEIGHT) -> NDArray[np.float32]:
    """Return `-height` inside and `height` outside."""
    return np.where(inside, -height, height).astype(np.float32)


def signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance from the outline within each slice, pixels, negative inside.

    A million on slices that have no inside, minus a million on those that have nothing else.
    """
    distance = np.zeros(inside.shape, np.float64)
    for part, sign in ((inside, -1), (~inside, 1)):
        # Where a slice has none of the other, the nearest is in another slice, or nowhere.
        steps = ndimage.distance_transform_edt(part, sampling=(_FAR, 1, 1))
        alone = part.all(axis=(1, 2), keepdims=True)
        distance += np.where(part, sign * np.where(alone, _FAR, steps - 0.5), 0)
    return distance.astype(np.float32)


def inscribed_circle(
    inside: NDArray[np.bool_], proportion: float, height: float = HEIGHT
) -> NDArray[np.float32]:
    """Return a circle in the middle of each mask's bounding box, as a step.

    Parameters
    ----------
    inside : ndarray of bool, (N, H, W)
        None empty.
    proportion : float
        Its radius as a part of that of the circle inscribed in the box.
    """
    grids = []
    radius = np.full((len(inside), 1, 1), np.inf)
    for axis, other in ((1, 2), (2, 1)):
        there = np.asarray(inside.any(axis=other))
        count = there.shape[1]
        first, last = there.argmax(axis=1), count - 1 - there[:, ::-1].argmax(axis=1)
        radius[:, 0, 0] = np.minimum(radius[:, 0, 0], (last - first + 1) / 2)
        offset = np.arange(count) - (first + last)[:, None] / 2
        grids.append(offset[:, :, None] if axis == 1 else offset[:, None, :])
    return binary_step(np.hypot(*grids) <= proportion * radius, height)


def core(
    inside: NDArray[np.bool_], proportion: float, height: float = HEIGHT
) -> NDArray[np.float32]:
    """Return what is left of masks when they are eroded to a part of their depth.

    It is to the mask's own shape what :func:`inscribed_circle` is to its bounding box: the part
    that is inside the cord even if the mask is a little too large or beside it.

    Parameters
    ----------
    inside : ndarray of bool, (N, H, W)
        Holes are filled. An empty mask has an empty core.
    proportion : float
        Depth of the core as a part of the depth of the mask.
    """
    distance = signed_distance(fill_holes(inside))
    depth = -distance.min(axis=(1, 2), keepdims=True)
    return np.clip(distance + (1 - proportion) * depth, -height, height).astype(np.float32)


def _within_slices() -> NDArray[np.bool_]:
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    return structure
