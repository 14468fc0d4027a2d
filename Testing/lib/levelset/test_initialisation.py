# SPDX-License-Identifier: Apache-2.0
"""Level set functions to begin with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from SpinalCordSegLib.levelset.initialisation import (
    binary_step,
    core,
    fill_holes,
    inscribed_circle,
    largest_pieces,
    signed_distance,
)


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((40, 50), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_the_circle_lies_in_the_middle_of_the_box() -> None:
    masks = np.stack([box(5, 10, 20, 12), box(10, 4, 9, 31)])
    inside = inscribed_circle(masks, 0.5) < 0
    assert np.allclose(ndimage.center_of_mass(inside[0]), (14.5, 15.5))
    assert np.allclose(ndimage.center_of_mass(inside[1]), (14, 19))
    assert np.sqrt(inside.sum(axis=(1, 2)) / np.pi) == pytest.approx([3, 2.25], abs=0.4)


def test_distances_are_taken_within_each_slice() -> None:
    masks = np.stack([box(5, 10, 20, 12), np.zeros((40, 50), bool), np.ones((40, 50), bool)])
    distance = signed_distance(masks)
    alone = ndimage.distance_transform_edt(~masks[0]) - 0.5
    assert np.allclose(distance[0][~masks[0]], alone[~masks[0]])
    assert distance[0, 14, 15] == pytest.approx(-5.5)
    assert distance[1].min() > 1e5 and distance[2].max() < -1e5


def test_the_core_has_the_masks_shape_without_its_holes() -> None:
    mask = box(5, 5, 21, 31)
    holed = mask.copy()
    holed[12:15, 18:22] = False
    empty = np.zeros_like(mask)
    phi = core(np.stack([mask, holed, empty]), 0.5)
    assert np.array_equal(phi[0], phi[1])
    rows, columns = np.nonzero(phi[0] < 0)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (11, 21)
    assert (phi[2] == 2).all()


def test_a_step_has_two_values() -> None:
    assert set(np.unique(binary_step(box(5, 5, 5, 5)[None]))) == {-2, 2}


def test_holes_are_filled_and_small_pieces_dropped_within_each_slice() -> None:
    ring = box(5, 5, 20, 20) & ~box(10, 10, 5, 5)
    two = box(5, 5, 4, 4) | box(20, 20, 5, 5)
    assert np.array_equal(fill_holes(np.stack([ring, two]))[0], box(5, 5, 20, 20))
    pieces = largest_pieces(np.stack([ring, two, np.zeros_like(two)]))
    assert np.array_equal(pieces[0], ring)
    assert np.array_equal(pieces[1], box(20, 20, 5, 5))
    assert not pieces[2].any()
