# SPDX-License-Identifier: Apache-2.0
"""Where each voxel of a sample lies in the straight spine: placed, scaled, turned and bent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .randomness import Randomness

_MOST_TILT_DEG = 40.0
# A curve that was found strays from the cord, and comes back, over such a length.
_CURVE_NODES_MM = 30.0


def deformed_position(
    random: Randomness,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    off_centre_mm: Sequence[float],
    curved: bool = False,
) -> torch.Tensor:
    """Return a random place in the straight spine for each voxel.

    Parameters
    ----------
    shape : (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    spacing_mm : (x, y, z)
    off_centre_mm : (x, y)
        How far the cord may lie from the middle.
    curved : bool
        Bend the spine as in scoliosis or a strong kyphosis: it crosses the axial slices at up to
        40°, and stays in the middle of each slice, as where an image was straightened along a
        curve.

    Returns
    -------
    Tensor of float32, (3, X, Y, Z)
        Millimetres from the cord's axis and from the height of the sample's middle.
    """
    x, y, z = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True))
    x = x + random.uniform(-off_centre_mm[0], off_centre_mm[0])
    y = y + random.uniform(-off_centre_mm[1], off_centre_mm[1])
    size = random.uniform(0.78, 1.35)
    scale = np.array(
        [
            size * random.uniform(0.86, 1.16),
            size * random.uniform(0.8, 1.2),
            random.uniform(0.75, 1.3),
        ]
    )
    matrix = _rotation(random, 6 if curved else 16) / scale
    axes = _curve(random, x, y, z) if curved else (x[:, None, None], y[:, None], z)
    unturned = [torch.from_numpy(a.astype(np.float32)).to(random.device) for a in axes]
    position = torch.empty((3, *shape), device=random.device)
    for row, weights in enumerate(matrix.tolist()):
        torch.add(
            weights[0] * unturned[0] + weights[2] * unturned[2],
            weights[1] * unturned[1],
            out=position[row],
        )
    extent = [n * s for n, s in zip(shape, spacing_mm, strict=True)]
    coarse = [max(2, round(e / 16) + 1) for e in extent]
    fine = [max(2, round(e / 5) + 1) for e in extent]
    position += random.smooth_field(shape, coarse, 3, random.uniform(0, 1.5))
    position += random.smooth_field(shape, fine, 3, random.uniform(0, 0.5))
    along = position[2] * position[2]
    position[0] += random.scalars.normal(0, 0.001) * along
    position[1] += random.scalars.normal(0, 0.0024) * along
    return position


def along_curve(
    position: torch.Tensor, random: Randomness, slice_mm: float, off_centre_mm: Sequence[float]
) -> torch.Tensor:
    """Return a place whose slices were moved so that the cord's axis runs near their middles.

    Parameters
    ----------
    position : Tensor of float32, (3, X, Y, Z)
        As :func:`deformed_position` gives it.
    slice_mm : float
        Distance between slices.
    off_centre_mm : (x, y)
        How far off the axis the curve is, by a random walk along the slices.
    """
    _, x, y, z = position.shape
    off = off_curve(random, z, slice_mm, off_centre_mm)
    moved = position.clone()
    moved[:2] -= (position[:2, x // 2, y // 2] - off)[:, None, None]
    return moved


def off_curve(
    random: Randomness, slices: int, slice_mm: float, most_mm: Sequence[float]
) -> torch.Tensor:
    """Return how far, mm, a curve that was found is off the cord on each slice, (2, Z): x and y."""
    nodes = max(2, round(slices * slice_mm / _CURVE_NODES_MM))
    field = random.smooth_field((1, 1, slices), (1, 1, nodes), 2, random.uniform(0, 0.6))
    most = torch.tensor(list(most_mm), device=field.device)[:, None]
    return field[:, 0, 0].clamp(-1, 1) * most


def _rotation(random: Randomness, most_deg: float) -> np.ndarray:
    a, b, c = np.deg2rad(random.scalars.uniform(-most_deg, most_deg, 3))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _curve(
    random: Randomness, x: np.ndarray, y: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coordinates in a spine that leans sideways, or forward, by another angle a slice.

    Each is (X, Y, Z), or what broadcasts to it.
    """
    lean = random.uniform(12, _MOST_TILT_DEG - 6) * (1 if random.chance(0.5) else -1)
    # Half a degree a millimetre is a curve of 11 cm radius.
    angle = lean + random.uniform(-0.5, 0.5) * z
    angle = np.deg2rad(np.clip(angle, -_MOST_TILT_DEG, _MOST_TILT_DEG))
    height = np.cumsum(np.gradient(z) / np.cos(angle)) if len(z) > 1 else z
    height = height - np.interp(0, z, height)
    if random.chance(0.7):
        x = x[:, None, None]
        return x * np.cos(angle), y[:, None], height + x * np.sin(angle)
    y = y[:, None]
    return x[:, None, None], y * np.cos(angle), height + y * np.sin(angle)
