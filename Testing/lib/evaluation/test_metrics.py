# SPDX-License-Identifier: Apache-2.0
"""Two blocks that overlap by a known amount, voxels 1 x 2 x 3 mm."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.evaluation.metrics import (
    centerline_error_mm,
    dice,
    hausdorff95,
    localisation_rate,
    relative_volume_difference,
)


def block(x: slice, y: slice = slice(4, 8), z: slice = slice(2, 6)) -> sitk.Image:
    array = np.zeros((8, 12, 20), np.uint8)
    array[z, y, x] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1, 2, 3))
    return image


EMPTY = block(slice(0, 0))
REFERENCE = block(slice(4, 8))


def test_dice_and_volume_by_hand() -> None:
    # 4 of 6 columns are shared: 2 * 4 / (6 + 4).
    assert dice(block(slice(4, 10)), REFERENCE) == pytest.approx(0.8)
    assert relative_volume_difference(block(slice(4, 10)), REFERENCE) == pytest.approx(50)
    assert relative_volume_difference(block(slice(4, 7)), REFERENCE) == pytest.approx(-25)


def test_hausdorff_knows_the_voxel_size() -> None:
    assert hausdorff95(REFERENCE, REFERENCE) == 0
    # Shifted by one voxel along y, 2 mm: a face lies 2 mm away from the other's.
    assert hausdorff95(block(slice(4, 8), slice(5, 9)), REFERENCE) == pytest.approx(2)
    assert hausdorff95(block(slice(4, 8), z=slice(3, 7)), REFERENCE) == pytest.approx(3)


def test_empty_masks_have_defined_answers() -> None:
    assert dice(EMPTY, EMPTY) == 1 and dice(EMPTY, REFERENCE) == 0
    assert hausdorff95(EMPTY, EMPTY) == 0 and hausdorff95(EMPTY, REFERENCE) == math.inf
    assert math.isnan(relative_volume_difference(REFERENCE, EMPTY))
    assert math.isnan(localisation_rate(Centerline(np.zeros((1, 3))), EMPTY))


def test_another_library_agrees() -> None:
    rng = np.random.default_rng(0)
    a, b = (sitk.GetImageFromArray((rng.random((6, 9, 9)) > 0.6).astype(np.uint8)) for _ in "ab")
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(a, b)
    assert dice(a, b) == pytest.approx(overlap.GetDiceCoefficient())


def test_a_curve_through_the_middle_and_one_beside_it() -> None:
    # The block's centre lies at index (5.5, 5.5): 5.5 mm, 11 mm; its slices at 6, 9, 12, 15 mm.
    middle = Centerline(np.array([[5.5, 11.0, 0.0], [5.5, 11.0, 20.0]]))
    beside = Centerline(np.array([[5.5, 11.0, 0.0], [5.5, 11.0, 10.0], [16.0, 11.0, 11.0]]))
    assert localisation_rate(middle, REFERENCE) == 1
    assert centerline_error_mm(middle, REFERENCE) == pytest.approx([0, 0, 0, 0])
    # Inside on the first two slices; at 12 mm the curve has left, at 15 mm it has ended.
    assert localisation_rate(beside, REFERENCE) == 0.5
    errors = centerline_error_mm(beside, REFERENCE)
    assert errors[:2] == pytest.approx([0, 0]) and math.isnan(errors[3])
