# SPDX-License-Identifier: Apache-2.0
"""Percentiles of anything land on the landmarks, whatever the intensities are."""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.segmentation.standardisation import standardise
from SpinalCordSegLib.weights.registry import published_named
from SpinalCordSegLib.weights.specification import NYUL_PERCENTILES

LANDMARKS = (0, 120, 250, 400, 560, 720, 900, 1100, 1400, 1800, 2611)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).gamma(2.0, 50.0, (30, 30, 20)).astype(np.float32)


def test_percentiles_land_on_landmarks(values: np.ndarray) -> None:
    landed = np.percentile(standardise(values, LANDMARKS), NYUL_PERCENTILES[1:-1])
    np.testing.assert_allclose(landed, LANDMARKS[1:-1], atol=2)


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (0.01, 5.0), (1.0, -400.0)])
def test_the_scanner_s_scale_does_not_matter(
    values: np.ndarray, scale: float, offset: float
) -> None:
    moved = standardise(values.astype(np.float64) * scale + offset, LANDMARKS)
    np.testing.assert_allclose(moved, standardise(values, LANDMARKS), atol=0.05)


def test_tails_stay_between_the_outer_landmarks_and_keep_the_order(values: np.ndarray) -> None:
    values[0, 0, :3] = -1e4, -1e5, 1e6
    standard = standardise(values, LANDMARKS)
    assert standard.dtype == np.float32 and standard.min() >= 0 and standard.max() <= 2611
    high = values > np.percentile(values, 99)
    order = np.argsort(values[high])
    assert (np.diff(standard[high][order]) >= 0).all()


def test_tails_follow_the_printed_formula() -> None:
    values = np.arange(0.0, 1001.0)  # percentile p is the value 10 p
    standard = standardise(values, LANDMARKS)
    # Slope between the 10th and 20th percentile, value at the 20th, approaching the first mark.
    slope, width = (250 - 120) / 100, 250 - 0
    assert standard[4] == pytest.approx(width * np.exp(slope * (4 - 200) / width), rel=1e-5)
    slope, width = (1800 - 1400) / 100, 1800 - 2611
    expected = 2611 + width * np.exp(slope * (997 - 900) / width)
    assert standard[997] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999, 1.0])
def test_a_large_background_of_one_value_is_the_lowest_landmark_and_nothing_breaks(
    values: np.ndarray, share: float
) -> None:
    flat = values.reshape(-1)
    flat[: int(share * flat.size)] = 0
    with np.errstate(all="raise", under="ignore"):
        standard = standardise(values, LANDMARKS)
    assert np.isfinite(standard).all()
    assert standard.min() >= 0 and standard.max() <= 2611
    assert standard[values == 0].max() == 0


def test_a_saturated_top_does_not_break_it(values: np.ndarray) -> None:
    standard = standardise(np.minimum(values, np.percentile(values, 75)), LANDMARKS)
    assert np.isfinite(standard).all() and standard.max() <= 2611


def test_what_is_outside_the_image_is_left_out(values: np.ndarray) -> None:
    padded = np.pad(values, 4, constant_values=np.nan)
    standard = standardise(padded, LANDMARKS)
    inside = (slice(4, -4),) * 3
    np.testing.assert_array_equal(standard[inside], standardise(values, LANDMARKS))
    assert np.isnan(standard[0]).all()
    assert np.isnan(standardise(np.full((3, 3), np.nan), LANDMARKS)).all()


def test_the_landmarks_on_record_fit() -> None:
    for name in ("t2_lesion", "t2_ax_lesion", "t2s_lesion"):
        entry = published_named(name)
        assert entry is not None
        assert len(entry.preprocessing.landmarks) == len(NYUL_PERCENTILES)
