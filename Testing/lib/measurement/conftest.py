# SPDX-License-Identifier: Apache-2.0
"""A cord of known size: an elliptic cylinder with flat ends, leaning in a grid of any kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

Cylinder = Callable[..., sitk.Image]


@pytest.fixture(scope="session")
def cylinder() -> Cylinder:
    """Return a function that makes a mask.

    ``cylinder(tilt_deg, towards_deg, spacing, radii, length, turn_deg, direction, stored)``: the
    axis leans by `tilt_deg` from the normal of the slices, towards the patient's left (0) or
    front (90). `radii` are those to the right and left, and to the front and back, across the
    axis, before the section is turned by `turn_deg` about it. `direction` turns the whole grid in
    space; `stored` is the order of axes that it is stored in.
    """
    return _cylinder


def _cylinder(
    tilt_deg: float = 0.0,
    towards_deg: float = 90.0,
    spacing: tuple[float, float, float] = (0.3, 0.3, 1.0),
    radii: tuple[float, float] = (6.0, 4.5),
    length: float = 60.0,
    turn_deg: float = 0.0,
    direction: np.ndarray | None = None,
    stored: str = "LAS",
) -> sitk.Image:
    tilt, towards, turn = np.radians([tilt_deg, towards_deg, turn_deg])
    axis = np.array([np.sin(tilt) * np.cos(towards), np.sin(tilt) * np.sin(towards), np.cos(tilt)])
    steps = np.array(spacing)
    size = np.ceil((length * np.abs(axis) + 2 * max(radii) + 6) / steps).astype(int)
    # Off the lattice, so that no row of voxels lies exactly on an edge.
    aside = np.array([0.03, 0.07, 0.11])
    places = [
        ((np.arange(n) - (n - 1) / 2) * step - shift).astype(np.float32)
        for n, step, shift in zip(size, steps, aside, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij", sparse=True)
    rotation = _rotation_from_z(axis).astype(np.float32)
    along_x, along_y, along = (
        sum(g * r for g, r in zip(grid, column, strict=True)) for column in rotation.T
    )
    x = along_x * np.cos(turn) + along_y * np.sin(turn)
    y = along_y * np.cos(turn) - along_x * np.sin(turn)
    inside = (x / radii[0]) ** 2 + (y / radii[1]) ** 2 <= 1
    inside &= np.abs(along) <= length / 2
    image = sitk.GetImageFromArray(inside.astype(np.uint8).transpose())
    image.SetSpacing(spacing)
    # In LPS, network order runs to the left, to the front and upward.
    upright = np.diag([1.0, -1.0, 1.0])
    image.SetDirection(((np.eye(3) if direction is None else direction) @ upright).ravel().tolist())
    image.SetOrigin((-20.0, 30.0, -40.0))
    return sitk.DICOMOrient(image, stored)


def _rotation_from_z(axis: np.ndarray) -> np.ndarray:
    """Return the shortest rotation that takes the z axis to another."""
    cross = np.cross([0, 0, 1], axis)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + axis[2])
