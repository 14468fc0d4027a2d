# SPDX-License-Identifier: Apache-2.0
"""Two boxes and a diagonal chain of voxels, one above the other.

z ^   [ chain ]   3 voxels touching at corners
  |   [ box 2 ]
  |   [ box 1 ]
"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.measurement.lesions import (
    drop_small_lesions,
    label_lesions,
    measure_lesions,
)

SPACING = (0.5, 1.0, 2.0)


@pytest.fixture
def mask() -> sitk.Image:
    array = np.zeros((20, 20, 20), np.uint8)
    array[3:7, 4:6, 2:5] = 1
    array[10:12, 10:12, 8:9] = 1
    for step in range(3):
        array[14 + step, 14 + step, 14 + step] = 1
    image = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing(SPACING)
    image.SetOrigin((-10, 20, 30))
    return image


def test_every_piece_has_its_row_from_the_top_down(mask: sitk.Image) -> None:
    chain, small, large = measure_lesions(mask)
    assert [row.label for row in (chain, small, large)] == [1, 2, 3]
    assert [row.voxels for row in (chain, small, large)] == [3, 4, 24]
    assert [row.volume_mm3 for row in (chain, small, large)] == [3, 4, 24]
    assert [row.length_mm for row in (chain, small, large)] == [6, 2, 6]
    assert large.centre_mm == pytest.approx((-10 + 4.5 * 0.5, 20 + 4.5, 30 + 3 * 2.0))


def test_labels_are_those_of_the_rows(mask: sitk.Image) -> None:
    labels = sitk.GetArrayFromImage(label_lesions(mask)).transpose()
    assert labels.dtype == np.uint16 and labels.max() == 3
    for row in measure_lesions(mask):
        where = np.argwhere(labels == row.label)
        assert len(where) == row.voxels
        centre = mask.TransformContinuousIndexToPhysicalPoint(where.mean(axis=0).tolist())
        assert centre == pytest.approx(row.centre_mm)


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "PSR", "AIL"])
def test_how_the_mask_is_stored_does_not_matter(mask: sitk.Image, orientation: str) -> None:
    stored = sitk.DICOMOrient(mask, orientation)
    for row, expected in zip(measure_lesions(stored), measure_lesions(mask), strict=True):
        assert (row.label, row.voxels) == (expected.label, expected.voxels)
        assert row.centre_mm == pytest.approx(expected.centre_mm)
        assert row.length_mm == pytest.approx(expected.length_mm)
    labels = sitk.DICOMOrient(label_lesions(stored), "LPS")
    same = sitk.GetArrayFromImage(sitk.DICOMOrient(label_lesions(mask), "LPS"))
    assert np.array_equal(sitk.GetArrayFromImage(labels), same)


def test_length_follows_the_curve(mask: sitk.Image) -> None:
    # The curve leans by 45 degrees: a slice holds the square root of 2 of its thickness.
    z = np.linspace(20, 80, 61)
    leaning = Centerline(np.column_stack([np.zeros_like(z), z - 25, z]))
    lengths = [row.length_mm for row in measure_lesions(mask, leaning)]
    assert lengths == pytest.approx(np.sqrt(2) * np.array([6, 2, 6]), rel=1e-3)


def test_mean_intensity(mask: sitk.Image) -> None:
    array = np.arange(20.0)[:, None, None] * np.ones((20, 20, 20))
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(mask)
    intensities = [row.mean_intensity for row in measure_lesions(mask, image=image)]
    assert intensities == [15, 8, 3]


def test_an_empty_mask_has_no_rows(mask: sitk.Image) -> None:
    assert measure_lesions(mask * 0) == ()
    assert not sitk.GetArrayFromImage(label_lesions(mask * 0)).any()


def test_small_pieces_are_dropped(mask: sitk.Image) -> None:
    array = sitk.GetArrayFromImage(mask).transpose() > 0
    assert drop_small_lesions(array, 4).sum() == 28
    assert drop_small_lesions(array, 3).sum() == array.sum()
    assert not drop_small_lesions(array, 25).any()
