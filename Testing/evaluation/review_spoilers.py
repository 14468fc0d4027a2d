# SPDX-License-Identifier: Apache-2.0
"""Ways to spoil the mask of a slice, for ``review.py``.

Every function takes a cord on one slice, as its signed distance in millimetres (positive inside),
where each pixel lies in millimetres, the direction and the size of the fault, 0 moderate to 1
gross, and returns the spoiled mask.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Spoiler = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]

# A slice is spoiled if no more than this Dice is left.
_LEFT = 0.8


def shift(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Move the outline by 0.2 to 2 radii."""
    step = (0.2 + 1.8 * size) * _radius(depth, where) / _pixel(where)
    move = step * np.array([np.cos(angle), np.sin(angle)])
    return ndimage.shift(depth, move, order=1, mode="nearest") > 0


def leak(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Add a blob of 0.6 to 1.6 radii that sits on the outline."""
    radius = _radius(depth, where)
    centre = _centre(depth, where) + 1.1 * radius * np.array([np.cos(angle), np.sin(angle)])
    away = np.hypot(*(where - centre[:, None, None]))
    return (depth > 0) | (away < (0.6 + size) * radius)


def part_lost(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Cut off what lies beyond a line, a quarter of the cord to nearly all of it."""
    along = np.tensordot([np.cos(angle), np.sin(angle)], where, 1)
    cut = np.quantile(along[depth > 0], 0.75 - 0.7 * size)
    return (depth > 0) & (along < cut)


def all_lost(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Leave nothing."""
    return np.zeros(depth.shape, bool)


def overgrowth(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Widen by 0.15 to 1 radius all around."""
    return depth > -(0.15 + 0.85 * size) * _radius(depth, where)


def undergrowth(depth: np.ndarray, where: np.ndarray, angle: float, size: float) -> np.ndarray:
    """Narrow by 0.15 to 0.75 radius all around."""
    return depth > (0.15 + 0.6 * size) * depth.max()


SPOILERS: dict[str, Spoiler] = {
    f.__name__.replace("_", " "): f
    for f in (shift, leak, part_lost, all_lost, overgrowth, undergrowth)
}


def spoil(
    mask: np.ndarray,
    probability: np.ndarray,
    rows: np.ndarray,
    spacing: tuple[float, ...],
    spoiler: Spoiler,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Spoil a run of slices in one direction, and the probability as if the network meant it.

    Parameters
    ----------
    mask, probability : ndarray, (X, Y, Z)
    rows : ndarray of int
        Each has cord.

    Returns
    -------
    mask, probability : ndarray, (X, Y, Z)
        The probability falls off at the new outline as it did at the old one.
    """
    sides = zip(mask.shape[:2], spacing[:2], strict=True)
    where = np.stack(np.meshgrid(*(np.arange(n) * s for n, s in sides), indexing="ij"))
    depths = {int(k): _depth(mask[:, :, k], spacing) for k in rows}
    while True:
        angle, size = rng.uniform(0, 2 * np.pi), rng.random()
        wrong = {k: spoiler(depth, where, angle, size) for k, depth in depths.items()}
        if all(dice(wrong[k], mask[:, :, k]) < _LEFT for k in wrong):
            break
    spoiled, followed = mask.copy(), probability.copy()
    for k, plane in wrong.items():
        spoiled[:, :, k] = plane
        followed[:, :, k] = _profile(probability[:, :, k], depths[k], _depth(plane, spacing))
    return spoiled, followed


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return Dice's overlap, 1 for two empty masks."""
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def _profile(probability: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the mean probability at each distance from the old outline, about the new one."""
    steps = np.arange(-3, 3.01, 0.3)
    bins = np.digitize(np.clip(old, -3, 3), steps)
    counts = np.bincount(bins.ravel(), minlength=steps.size + 1)
    means = np.bincount(bins.ravel(), probability.ravel(), steps.size + 1) / np.maximum(counts, 1)
    known = np.flatnonzero(counts)
    means = np.interp(np.arange(counts.size), known, means[known])
    return means[np.digitize(np.clip(new, -3, 3), steps)].astype(probability.dtype)


def _depth(plane: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    if not plane.any():
        return np.full(plane.shape, -99.0)
    inside = ndimage.distance_transform_edt(plane, sampling=spacing[:2])
    return inside - ndimage.distance_transform_edt(~plane, sampling=spacing[:2])


def _radius(depth: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt((depth > 0).sum() * np.prod(_pixel(where)) / np.pi))


def _centre(depth: np.ndarray, where: np.ndarray) -> np.ndarray:
    return where[:, depth > 0].mean(axis=1)


def _pixel(where: np.ndarray) -> np.ndarray:
    return np.array([where[0, 1, 0], where[1, 0, 1]])
