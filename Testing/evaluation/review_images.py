# SPDX-License-Identifier: Apache-2.0
"""Scans made worse in the ways scans are bad, for ``review.py``.

Every function takes a volume (X, Y, Z) in network order, the cord's reference on it, the spacing
in millimetres and a random generator, and returns a new volume and the reference that belongs to
it. Sizes are drawn from wide ranges, so that some harm the segmentation a little, some entirely.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Pair = tuple[np.ndarray, np.ndarray]
Degradation = Callable[[np.ndarray, np.ndarray, tuple[float, ...], np.random.Generator], Pair]


def noise(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Rician noise over the whole scan."""
    sigma = rng.uniform(0.15, 0.4) * _range(volume)
    parts = rng.normal(0, sigma, (2, *volume.shape))
    return np.hypot(volume + parts[0], parts[1]), reference


def ghosts(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Ghosts of the slice on itself, along one axis, in some runs of slices."""
    result = volume.copy()
    for k in _runs(volume.shape[2], 0.25, rng):
        axis, shift = int(rng.integers(2)), rng.uniform(6, 25)
        steps = round(shift / spacing[axis])
        ghost = np.roll(volume[:, :, k], steps, axis) + np.roll(volume[:, :, k], -steps, axis)
        weight = rng.uniform(0.3, 0.8)
        result[:, :, k] = (1 - weight) * volume[:, :, k] + weight * ghost
    return result, reference


def noise_slices(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Some runs of slices hold nothing but noise."""
    result = volume.copy()
    for k in _runs(volume.shape[2], 0.15, rng):
        plane = volume[:, :, k]
        result[:, :, k] = np.abs(rng.normal(plane.mean(), plane.std() + 1e-6, plane.shape))
    return result, reference


def moved_slices(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """The patient lay elsewhere during some runs of slices."""
    result, moved = volume.copy(), reference.copy()
    for k in _runs(volume.shape[2], 0.2, rng):
        steps = tuple(round(rng.choice((-1, 1)) * rng.uniform(3, 12) / s) for s in spacing[:2])
        result[:, :, k] = np.roll(volume[:, :, k], steps, (0, 1))
        moved[:, :, k] = np.roll(reference[:, :, k], steps, (0, 1))
    return result, moved


def voids(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Signal lost about metal: dark blobs with a bright rim over part of the cord."""
    result = volume.copy()
    present = np.flatnonzero(reference.any(axis=(0, 1)))
    for _ in range(2):
        k = int(rng.choice(present))
        centre = np.array([*ndimage.center_of_mass(reference[:, :, k]), k])
        centre[:2] += rng.uniform(-5, 5, 2) / spacing[:2]
        away = [
            (np.arange(n) - c) * s for n, c, s in zip(volume.shape, centre, spacing, strict=True)
        ]
        distance = np.sqrt(sum(a**2 for a in np.ix_(*away)))
        radius = rng.uniform(6, 14)
        lost = 1 / (1 + np.exp((distance - radius) / 0.8))
        rim = np.exp(-((distance - radius - 1.5) ** 2))
        result = result * (1 - lost) + 0.8 * rim * _range(volume)
    return result, reference


def bias(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """A strong sensitivity profile along every axis."""
    field = np.zeros(volume.shape)
    for axis, n in enumerate(volume.shape):
        shape = [1, 1, 1]
        shape[axis] = n
        slope = rng.choice((-1, 1)) * rng.uniform(1.0, 2.5)
        field = field + slope * np.linspace(-0.5, 0.5, n).reshape(shape) * (1 if n > 1 else 0)
    return volume * np.exp(field), reference


def coarse(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Voxels of 1.5 to 3 mm in plane, interpolated back."""
    wide = rng.uniform(1.5, 3)
    zoomed = ndimage.zoom(
        ndimage.gaussian_filter(volume, (0.4 * wide / spacing[0], 0.4 * wide / spacing[1], 0)),
        (spacing[0] / wide, spacing[1] / wide, 1),
        order=1,
    )
    factors = [n / m for n, m in zip(volume.shape, zoomed.shape, strict=True)]
    return ndimage.zoom(zoomed, factors, order=1)[tuple(map(slice, volume.shape))], reference


def inverted(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """Bright for dark."""
    low, high = np.percentile(volume, (0.5, 99.5))
    return high - np.clip(volume, low, high), reference


def cropped(volume: np.ndarray, reference: np.ndarray, spacing: tuple, rng: object) -> Pair:
    """A field of view that ends beside the cord, or cuts it, on two sides."""
    low, high = (f(np.argwhere(reference), axis=0) for f in (np.min, np.max))
    result = volume.copy()
    for axis in range(2):
        cut = rng.uniform(-3, 3) / spacing[axis]
        middle = (low[axis] + high[axis]) / 2
        far = round(20 / spacing[axis])
        if rng.random() < 0.5:
            keep = slice(max(0, round(low[axis] + cut)), round(middle + far))
        else:
            keep = slice(max(0, round(middle - far)), round(high[axis] + 1 - cut))
        outside = np.ones(volume.shape[axis], bool)
        outside[keep] = False
        result[(slice(None),) * axis + (outside,)] = 0
    return result, reference


DEGRADATIONS: dict[str, Degradation] = {
    f.__name__.replace("_", " "): f
    for f in (
        noise,
        ghosts,
        noise_slices,
        moved_slices,
        voids,
        bias,
        coarse,
        inverted,
        cropped,
    )
}


def _range(volume: np.ndarray) -> float:
    low, high = np.percentile(volume, (2, 98))
    return float(high - low)


def _runs(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return rows that make up a share of all, in runs of one to four."""
    rows: set[int] = set()
    while len(rows) < max(1, round(share * count)):
        first, length = int(rng.integers(count)), int(rng.integers(1, 5))
        rows |= set(range(first, min(first + length, count)))
    return np.array(sorted(rows))
