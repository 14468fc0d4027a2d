# SPDX-License-Identifier: Apache-2.0
"""A rod of cord along z with one defect at a time."""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.segmentation.cleanup import clean_cord_mask, drop_unsure_ends

SHAPE = (40, 40, 20)
CURVE = np.full((SHAPE[2], 2), 20.0)


def disc(centre: tuple[float, float] = (20, 20), radius: float = 6) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
    return np.hypot(x - centre[0], y - centre[1]) <= radius


@pytest.fixture
def rod() -> np.ndarray:
    return np.repeat(disc()[:, :, None], SHAPE[2], axis=2)


def test_a_good_mask_is_left_alone(rod: np.ndarray) -> None:
    cleaned = clean_cord_mask(rod, CURVE, 1.0)
    assert np.array_equal(cleaned.mask, rod) and cleaned.filled_slices.size == 0


def test_holes_are_filled(rod: np.ndarray) -> None:
    holed = rod.copy()
    holed[20, 20, 3:9] = False
    assert np.array_equal(clean_cord_mask(holed, CURVE, 1.0).mask, rod)


def test_a_larger_object_away_from_the_curve_is_removed(rod: np.ndarray) -> None:
    spoiled = rod.copy()
    spoiled[:, :, 7] |= disc((33, 6), 5)
    assert np.array_equal(clean_cord_mask(spoiled, CURVE, 1.0).mask, rod)


def test_a_speck_beyond_the_cord_is_removed(rod: np.ndarray) -> None:
    rod[:, :, 14:] = False
    speck = rod.copy()
    speck[19:22, 19:22, 18] = True
    assert np.array_equal(clean_cord_mask(speck, CURVE, 1.0).mask, rod)


def test_a_sliver_of_an_end_slice_is_removed(rod: np.ndarray) -> None:
    rod[:, :, 0] = disc(radius=3)
    cleaned = clean_cord_mask(rod, CURVE, 1.0).mask
    assert not cleaned[:, :, 0].any() and cleaned[:, :, 1].any()


def test_a_short_gap_is_filled_and_a_long_one_is_not(rod: np.ndarray) -> None:
    short = rod.copy()
    short[:, :, 8:11] = False
    cleaned = clean_cord_mask(short, CURVE, 1.0)
    assert np.array_equal(cleaned.mask, rod)
    assert cleaned.filled_slices.tolist() == [8, 9, 10]
    # The same three slices, 3 mm thick, are a gap of 12 mm.
    assert np.array_equal(clean_cord_mask(short, CURVE, 3.0).mask, short)


def test_a_gap_of_a_leaning_cord_is_filled_in_its_line() -> None:
    leaning = np.stack([disc((14 + k / 2, 20)) for k in range(SHAPE[2])], axis=2)
    gap = leaning.copy()
    gap[:, :, 8:11] = False
    curve = np.stack([14 + np.arange(SHAPE[2]) / 2, np.full(SHAPE[2], 20.0)], axis=1)
    between = clean_cord_mask(gap, curve, 1.0).mask[:, :, 8:11]
    expected = leaning[:, :, 8:11]
    assert 2 * (between & expected).sum() / (between.sum() + expected.sum()) > 0.97


def test_an_empty_mask_stays_empty() -> None:
    assert not clean_cord_mask(np.zeros(SHAPE, bool), CURVE, 1.0).mask.any()


def test_slices_that_the_network_hardly_believes_are_dropped_at_the_ends_only() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[8:12, 8:12] = True
    probability = mask * 0.9
    probability[:, :, :3] *= 0.7
    probability[:, :, 10] *= 0.5
    probability[:, :, 18] *= 0.8
    probability[:, :, 19] *= 0.4
    kept = drop_unsure_ends(mask, probability, 2.0).any(axis=(0, 1))
    assert np.flatnonzero(~kept).tolist() == [0, 1, 2, 19]
    # Three thin slices are within reach of the image's edge.
    assert drop_unsure_ends(mask, probability, 0.5)[:, :, 0].any()
    probability[:, :, 1:3] = mask[:, :, 1:3] * 0.9
    assert drop_unsure_ends(mask, probability, 2.0)[:, :, 0].any()
    few = np.s_[:, :, :5]
    assert np.array_equal(drop_unsure_ends(mask[few], probability[few], 2.0), mask[few])
