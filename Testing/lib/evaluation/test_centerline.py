# SPDX-License-Identifier: Apache-2.0
"""Centres slice by slice: by hand, against SciPy's and SimpleITK's centres of mass."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.evaluation.centerline import (
    centerline_error_mm,
    errors_mm,
    localisation_rate,
    localised,
    mean_squared_error_mm2,
    slice_centres,
)

SPACING = (0.5, 2.0, 7.5)


def squares() -> np.ndarray:
    """Two voxels by two on slices 1 to 4 of 6."""
    mask = np.zeros((10, 10, 6), bool)
    mask[4:6, 4:6, 1:5] = True
    return mask


def points(*rows: tuple[float, float]) -> np.ndarray:
    return np.array([(np.nan, np.nan), *rows, (np.nan, np.nan)])


def test_four_slices_by_hand() -> None:
    # Centres at (4.5, 4.5). Off by 2 voxels of 0.5 mm, by 1 of 2 mm, by both, and missing.
    found = points((6.5, 4.5), (4.5, 3.5), (6.5, 3.5), (np.nan, np.nan))
    errors = errors_mm(found, squares(), SPACING)
    assert errors[:3] == pytest.approx([1, 2, math.sqrt(5)]) and math.isnan(errors[3])
    assert mean_squared_error_mm2(errors) == pytest.approx((1 + 4 + 5) / 3)


def test_localised_by_hand() -> None:
    # Inside; inside at a corner; outside; missing.
    found = points((4.5, 4.5), (5.4, 3.6), (6.6, 4.5), (np.nan, np.nan))
    assert localised(found, squares()) == 0.5
    assert localised(points(*[(50.0, -3.0)] * 4), squares()) == 0


def test_nothing_to_follow_and_nothing_that_follows() -> None:
    nothing = np.zeros((10, 10, 6), bool)
    assert math.isnan(localised(slice_centres(squares()), nothing))
    assert errors_mm(slice_centres(squares()), nothing, SPACING).size == 0
    assert math.isnan(mean_squared_error_mm2(np.array([])))
    assert localised(slice_centres(nothing), squares()) == 0
    assert math.isnan(mean_squared_error_mm2(errors_mm(slice_centres(nothing), squares(), SPACING)))


def test_scipy_finds_the_same_centres_in_real_masks(real_masks) -> None:
    mask, _, _ = real_masks
    centres = slice_centres(mask)
    for k in range(mask.shape[2]):
        if mask[:, :, k].any():
            assert centres[k] == pytest.approx(ndimage.center_of_mass(mask[:, :, k]))
        else:
            assert np.isnan(centres[k]).all()


def test_simpleitk_measures_the_same_errors_of_real_masks(real_images, real_masks) -> None:
    mask, reference, spacing = real_masks
    expected = []
    for k in np.flatnonzero(reference.any(axis=(0, 1))):
        centroids = []
        for inside in (mask, reference):
            image = sitk.GetImageFromArray(inside[:, :, k].T.astype(np.uint8))
            image.SetSpacing(spacing[:2])
            shape = sitk.LabelShapeStatisticsImageFilter()
            shape.Execute(image)
            centroids.append(shape.GetCentroid(1) if shape.HasLabel(1) else (np.nan, np.nan))
        expected.append(math.dist(*centroids))
    errors = errors_mm(slice_centres(mask), reference, spacing)
    assert errors == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_curve_through_a_real_mask_has_no_error(real_images) -> None:
    image = real_images[1]
    curve = Centerline.from_mask(sitk.Cast(image != 0, sitk.sitkUInt8))
    assert np.abs(centerline_error_mm(curve, image)).max() < 1e-6


def test_the_curve_through_a_real_cord_lies_inside_it(shared: Path) -> None:
    image = sitk.ReadImage(str(shared / "data" / "subj-d" / "t2w_fakelesion_cord.nii.gz"))
    assert localisation_rate(Centerline.from_mask(image), image) == 1
