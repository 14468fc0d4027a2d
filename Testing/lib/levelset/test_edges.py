# SPDX-License-Identifier: Apache-2.0
"""What the contours see, on slices small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.levelset import edges


def step() -> np.ndarray:
    """Return a slice of 40 x 40 pixels, 40 left of the middle and 200 right of it."""
    image = np.full((1, 40, 40), 40.0, np.float32)
    image[:, :, 20:] = 200
    return image


def test_gray_levels_run_from_0_to_255() -> None:
    ramp = np.linspace(-5000, 3000, 1600, dtype=np.float32).reshape(1, 40, 40)
    levels = edges.gray_levels(np.concatenate([ramp, ramp * 0]))
    assert (levels[0].min(), levels[0].max()) == (0, 255)
    assert np.percentile(ramp, 50) == pytest.approx(-1000)
    assert levels[0, 20, 0] == pytest.approx(127.5, abs=1)
    assert not levels[1].any()


def test_the_blur_is_centred() -> None:
    point = np.zeros((1, 7, 7), np.float32)
    point[0, 3, 3] = 9
    blurred = edges.box_blur(point)
    assert np.array_equal(np.argwhere(blurred[0] > 0.5).mean(axis=0), [3, 3])
    assert np.allclose(blurred[0, 2:5, 2:5], 1)


def test_the_edge_is_painted_as_equation_3_says() -> None:
    blurred = edges.box_blur(step())
    emphasised = edges.emphasise_edges(blurred)
    painted = emphasised[0] != blurred[0]
    # Canny's line is closed as a whole: every pixel of it becomes 0.8 * 255 + 0.2 * 255.
    assert np.allclose(emphasised[0][painted], 255)
    columns = np.unique(np.nonzero(painted)[1])
    assert 1 <= len(columns) <= 2
    assert set(columns) <= {19, 20}
    assert painted.any(axis=1).sum() >= 36


def test_the_edge_indicator_is_low_on_the_edge_alone() -> None:
    indicator = edges.edge_indicator(step())[0]
    assert indicator[:, :10].min() == pytest.approx(1)
    assert indicator[20, 19:21].max() < 1e-3
    slope = edges.slope(step())[0]
    assert np.allclose(indicator, 1 / (1 + slope**2))


def test_the_middle_of_a_large_slice_is_taken() -> None:
    large = np.arange(300 * 280).reshape(1, 300, 280)
    crop = edges.centre_crop(large)
    assert crop.shape == (1, 256, 256)
    assert crop[0, 0, 0] == large[0, 22, 12]
    assert edges.centre_crop(large[:, :100, :90]).shape == (1, 100, 90)
