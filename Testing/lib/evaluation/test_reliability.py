# SPDX-License-Identifier: Apache-2.0
"""R(d) by hand, and as SciPy's empirical distribution has it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from SpinalCordSegLib.evaluation.overlap import dice
from SpinalCordSegLib.evaluation.reliability import reliability, reliability_curve

FOUR = [0.95, 0.8, 0.9, 0.0]


def test_four_scans_by_hand() -> None:
    # Above 0.8 lie two of four: 0.8 itself does not.
    assert reliability(FOUR, [0, 0.79, 0.8, 0.9, 0.95]).tolist() == [0.75, 0.75, 0.5, 0.25, 0]
    assert float(reliability(FOUR, 0.85)) == 0.5


def test_no_scans_have_no_reliability() -> None:
    assert np.isnan(reliability([], [0.5, 0.9])).all()


def test_perfect_masks_are_reliable_up_to_one() -> None:
    assert reliability([1, 1], [0, 0.999, 1]).tolist() == [1, 1, 0]


def test_the_staircase_has_the_same_area_as_the_mean() -> None:
    d, share = reliability_curve(FOUR)
    assert d[0] == 0 and d[-1] == 1 and share[-1] == 0 and (np.diff(share) <= 0).all()
    # The area under R is the mean Dice.
    assert np.trapezoid(share, d) == pytest.approx(np.mean(FOUR))


def test_scipy_agrees_on_the_slices_of_real_masks(real_masks) -> None:
    mask, reference, _ = real_masks
    slices = np.flatnonzero((mask | reference).any(axis=(0, 1)))
    values = [dice(mask[:, :, k], reference[:, :, k]) for k in slices]
    at = np.linspace(0, 1, 21)
    assert reliability(values, at) == pytest.approx(stats.ecdf(values).sf.evaluate(at))
