# SPDX-License-Identifier: Apache-2.0
"""The cord's own scale: the same for every gain, offset and sign of the contrast."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SpinalCordSegLib.segmentation.cord_scale import scaled_to_cord

SHAPE = (40, 40, 48)
X, Y, _ = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in SHAPE), indexing="ij")
AWAY = torch.hypot(X - 20, Y - 20)
CORD = (12 - AWAY).clamp(0, 1)
LESION = torch.zeros(SHAPE, dtype=torch.bool)
LESION[18:22, 12:16, 20:28] = True


def scan(fluid: float) -> torch.Tensor:
    """Return a cord of 100 +- 5 in fluid, with a lesion on the way to it."""
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 5, SHAPE)).float()
    values = torch.where(AWAY < 12, 100.0, torch.where(AWAY < 16, fluid, 60.0))
    return values + noise + LESION * 0.3 * (fluid - 100)


@pytest.mark.parametrize("fluid", [300.0, 20.0])
def test_lesions_are_bright_whatever_the_fluid(fluid: float) -> None:
    scaled = scaled_to_cord(scan(fluid), CORD)
    inside = (AWAY < 11) & ~LESION
    assert abs(float(scaled[inside].median())) < 0.05
    assert float(scaled[inside].std()) == pytest.approx(0.5, abs=0.05)
    assert float(scaled[LESION].min()) > float(scaled[inside].quantile(0.98))
    assert (scaled[CORD == 0] == 0).all() and float(scaled.abs().max()) <= 3


def test_gain_offset_and_what_lies_outside_change_nothing() -> None:
    values = scan(300.0)
    scaled = scaled_to_cord(values, CORD)
    torch.testing.assert_close(scaled_to_cord(7 * values - 900, CORD), scaled, rtol=0, atol=1e-4)
    outside = values.clone()
    outside[AWAY > 17] = torch.nan
    torch.testing.assert_close(scaled_to_cord(outside, CORD), scaled)


def test_a_scale_that_changes_along_the_cord_is_followed() -> None:
    values = scan(300.0)
    brighter = values * torch.linspace(1, 3, SHAPE[2])
    whole, windowed = scaled_to_cord(brighter, CORD), scaled_to_cord(brighter, CORD, 16)
    ends = [[s[..., k][AWAY[..., 0] < 11].median() for k in (3, -4)] for s in (whole, windowed)]
    assert min(abs(m) for m in ends[0]) > 2 * max(abs(m) for m in ends[1])
    torch.testing.assert_close(scaled_to_cord(values, CORD, 48), scaled_to_cord(values, CORD))


def test_the_contrast_may_stay_as_it_is() -> None:
    """Gray matter is told from white by its shape: which of them is brighter may be seen."""
    values = scan(20.0)
    torch.testing.assert_close(
        scaled_to_cord(values, CORD, fluid_up=False), -scaled_to_cord(values, CORD)
    )


def test_each_slice_may_have_a_scale_of_its_own() -> None:
    values = scan(300.0) * torch.linspace(1, 3, SHAPE[2])
    scaled = scaled_to_cord(values, CORD, 1)
    for k in (0, 20, 47):
        one = (slice(None), slice(None), slice(k, k + 1))
        torch.testing.assert_close(scaled[one], scaled_to_cord(values[one], CORD[one]))


def test_without_a_cord_nothing_is_shown() -> None:
    assert not scaled_to_cord(scan(300.0), torch.zeros(SHAPE)).any()
    assert not scaled_to_cord(torch.full(SHAPE, torch.nan), CORD).any()
    constant = scaled_to_cord(torch.full(SHAPE, 5.0), CORD)
    assert torch.isfinite(constant).all()
