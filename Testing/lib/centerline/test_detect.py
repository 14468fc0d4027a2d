# SPDX-License-Identifier: Apache-2.0
"""How far along the image the curve goes, with a network that takes for cord what is bright."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from SpinalCordSegLib.centerline.detect import detect_cord
from SpinalCordSegLib.errors import CordNotFound
from SpinalCordSegLib.weights import LoadedWeights, load_weights

# Slices of 2 mm; the cord from the 60th up, 80 mm of it.
_CORD = range(60, 100)
# How far the curve is drawn past what was seen, mm.
_DRAWN_ON = 15


def test_specks_below_the_conus_are_not_the_cord() -> None:
    # 2 mm of something bright among the roots each, 18, 38 and 86 mm below the tip.
    specks = [50, 40, 16]
    assert _lowest(detect([*_CORD, *specks])) == pytest.approx(120 - _DRAWN_ON, abs=2)


def test_a_cord_that_hides_for_a_while_goes_on() -> None:
    hidden = range(70, 84)
    assert _lowest(detect([k for k in _CORD if k not in hidden])) == pytest.approx(
        120 - _DRAWN_ON, abs=2
    )


def test_another_organ_far_away_is_not_the_cord() -> None:
    # As long a piece as outweighs the gap of 60 mm.
    assert _lowest(detect([*_CORD, *range(20, 31)])) == pytest.approx(120 - _DRAWN_ON, abs=2)


def test_an_image_without_a_cord_is_told() -> None:
    with pytest.raises(CordNotFound):
        detect([])


def detect(bright: list[int]) -> np.ndarray:
    """Return the curve's points, mm from the lowest slice up, where a rod shows on these slices."""
    y, x = np.indices((48, 48))
    volume = np.repeat(np.where(x < 24, 100, 150).astype(np.float32)[None], 100, axis=0)
    rod = np.hypot(x - 24, y - 22) <= 5
    for k in bright:
        volume[k][rod] = 400
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing((1.0, 1.0, 2.0))
    return detect_cord(image, _weights()).centerline.points_mm


def _lowest(points: np.ndarray) -> float:
    return float(points[:, 2].min())


def _weights() -> LoadedWeights:
    return replace(load_weights("centerline"), network=_Bright())  # type: ignore[arg-type]


class _Bright(nn.Module):
    dimensions = 2
    stride = 4

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(10 * (image - 2))
