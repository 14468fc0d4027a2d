# SPDX-License-Identifier: Apache-2.0
"""A round cord with a cross of gray matter in it, brighter, darker or not there at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.images import image_from, read_image
from SpinalCordSegLib.measurement.gray_matter import (
    gray_matter_contrast,
    has_gray_matter_contrast,
)

SHAPE = (30, 34, 6)


def cord_and_cross() -> tuple[np.ndarray, np.ndarray]:
    x, y, _ = np.indices(SHAPE)
    cord = np.hypot(x - 14, y - 16) < 8
    cross = (abs(x - 14) < 2) | (abs(y - 16) < 2)
    return cord, cross & (np.hypot(x - 14, y - 16) < 6)


def pictured(contrast: float, orientation: str = "LAS") -> tuple[sitk.Image, ...]:
    """Return image, gray matter and cord; noise of deviation 1 and brighter slices upwards."""
    cord, cross = cord_and_cross()
    noise = np.random.default_rng(0).normal(0, 1, SHAPE)
    image = 100 + noise + contrast * cross + 50 * np.arange(SHAPE[2])
    image[~cord] = 500
    x, y, _ = np.indices(SHAPE)
    image[cord & (np.hypot(x - 14, y - 16) > 6.5)] = 300
    like = sitk.Image(SHAPE, sitk.sitkFloat32)
    like.SetSpacing((0.5, 0.5, 4.0))
    like.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    images = (image_from(a.astype(np.float32), like) for a in (image, cross, cord))
    return tuple(sitk.DICOMOrient(i, orientation) for i in images)


@pytest.mark.parametrize(("contrast", "visible"), [(3, True), (-3, True), (0.3, False), (0, False)])
def test_contrast_is_told_from_none(contrast: float, visible: bool) -> None:
    assert has_gray_matter_contrast(*pictured(contrast)) is visible
    if visible:
        assert np.sign(gray_matter_contrast(*pictured(contrast))) == np.sign(contrast)


@pytest.mark.parametrize("orientation", ["RPI", "PSR"])
def test_orientation_does_not_matter(orientation: str) -> None:
    expected = gray_matter_contrast(*pictured(2))
    assert gray_matter_contrast(*pictured(2, orientation)) == pytest.approx(expected)


def test_picking_a_few_bright_voxels_is_no_contrast() -> None:
    image, _, cord = pictured(0)
    brightest = sitk.Cast(image, sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(brightest) - 50 * np.arange(SHAPE[2])[:, None, None]
    inside = sitk.GetArrayFromImage(cord) > 0
    picked = sitk.GetImageFromArray((inside & (array > 102.2)).astype(np.uint8))
    picked.CopyInformation(image)
    assert gray_matter_contrast(image, picked, cord) > 0
    assert not has_gray_matter_contrast(image, picked, cord)


def test_nothing_to_compare_is_no_contrast() -> None:
    image, gray, cord = pictured(3)
    nothing = gray * 0
    assert gray_matter_contrast(image, nothing, cord) == 0
    assert gray_matter_contrast(image, gray, nothing) == 0
    assert gray_matter_contrast(image * 0, gray, cord) == 0


@pytest.mark.parametrize("scan", ["subj-c/t2s", "subj-e/t2s_run1", "subj-f-ses1/t2s_run1"])
def test_real_scans_with_drawn_gray_matter_have_contrast(shared: Path, scan: str) -> None:
    image, gray, cord = (
        read_image(shared / "data" / f"{scan}{suffix}.nii.gz") for suffix in ("", "_gm", "_cord")
    )
    assert gray_matter_contrast(image, gray, cord) > 0.5
