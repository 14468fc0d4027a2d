# SPDX-License-Identifier: Apache-2.0
"""Robust z-scores: one value far away does not hide itself or others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from SpinalCordSegLib.batch.report_outliers import outlying, robust_z

AREAS = [70.0, 72.0, 74.0, 76.0, 78.0]


def test_the_score_is_in_robust_standard_deviations() -> None:
    # Median 74, deviations 4 2 0 2 4, so MAD 2.
    np.testing.assert_allclose(robust_z(AREAS), np.array([-4, -2, 0, 2, 4]) / (1.4826 * 2))


def test_normal_values_have_about_their_own_standard_deviation() -> None:
    values = np.random.default_rng(1).normal(75, 6, 4000)
    np.testing.assert_allclose(robust_z(values), (values - 75) / 6, atol=0.25)


def test_values_far_away_stand_out_though_several() -> None:
    rows = [{"area_mm2_mean": area} for area in [*AREAS, *AREAS, 20.0, 15.0]]
    found = outlying(rows)
    assert [bool(each) for each in found] == [False] * 10 + [True] * 2
    assert found[11]["area_mm2_mean"] < found[10]["area_mm2_mean"] < -3.5


def test_where_most_values_are_equal_another_one_still_stands_out() -> None:
    scores = robust_z([1.0] * 20 + [1.5])
    assert scores[0] == 0.0
    assert scores[-1] > 3.5


def test_equal_values_have_no_outlier() -> None:
    assert robust_z([0.1 + 0.2] * 5 + [0.3]).tolist() == [0.0] * 6


def test_few_values_are_not_judged_and_unknown_ones_do_not_count() -> None:
    assert np.isnan(robust_z([1.0, 1.0, 1.0, 9.0])).all()
    scores = robust_z([*AREAS, math.nan])
    assert np.isfinite(scores[:5]).all()
    assert math.isnan(scores[5])


@pytest.mark.parametrize("name", ["length_mm", "volume_mm3", "intensity_mean_mean"])
def test_what_depends_on_the_scan_rather_than_on_the_outline_is_not_judged(name: str) -> None:
    assert not any(outlying([{name: value} for value in [*AREAS, 5000.0]]))
