# SPDX-License-Identifier: Apache-2.0
"""The scales on which networks see intensities."""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.intensity import intensity_limits, normalised
from SpinalCordSegLib.weights import Preprocessing

TO_255 = Preprocessing((0.5, 0.5, None), (80, 80), "percentile255", 0.0, 1.0)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 4095.0])
def test_percentiles_become_0_and_255(scale: float) -> None:
    values = np.random.default_rng(0).random((10, 10)) * scale
    result = normalised(values, TO_255, intensity_limits(values, TO_255))
    assert result.shape == (10, 10) and result.dtype == np.float32
    assert result.min() == 0 and result.max() == pytest.approx(255, abs=1e-3)
    low, high = np.percentile(values, (2, 98))
    inside = (values > low) & (values < high)
    assert np.allclose(result[inside], 255 * (values[inside] - low) / (high - low), atol=1e-3)


def test_outside_the_image_is_black_and_not_counted() -> None:
    values = np.linspace(50, 100, 99).reshape(9, 11)
    framed = np.pad(values, 3, constant_values=np.nan)
    preprocessing = Preprocessing((0.5, 0.5, None), (80, 80), "percentile255", 60.0, 30.0)
    limits = intensity_limits(framed, preprocessing)
    assert limits == intensity_limits(values, preprocessing)
    result = normalised(framed, preprocessing, limits)
    assert (result[:3] == np.float32(-2)).all()
    assert np.array_equal(result[3:-3, 3:-3], normalised(values, preprocessing, limits))


def test_other_scales_have_mean_0_and_deviation_1() -> None:
    preprocessing = Preprocessing((None, None, None), (32, 32, 32), "zscore")
    values = np.random.default_rng(0).normal(300, 20, (8, 8, 4))
    values[0] = np.nan
    result = normalised(values, preprocessing, intensity_limits(values, preprocessing))
    assert abs(result[1:].mean()) < 1e-5 and abs(result[1:].std() - 1) < 1e-4
    assert not result[0].any()


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_or_empty_image_stays_finite(value: float) -> None:
    values = np.full((4, 4), value)
    assert np.isfinite(normalised(values, TO_255, intensity_limits(values, TO_255))).all()
