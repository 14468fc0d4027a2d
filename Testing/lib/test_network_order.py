# SPDX-License-Identifier: Apache-2.0
"""Views in network order agree with the copies, voxel for voxel and millimetre for millimetre."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.network_order import (
    axial_axis,
    network_slices,
    network_view,
    paste,
    stored_slices,
)


def oblique(orientation: str) -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((5, 6, 7), dtype=np.float32))
    image.SetSpacing((1.0, 2.0, 3.5))
    image.SetOrigin((3.0, -4.0, 9.0))
    tilted = Rotation.from_euler("xyz", (0.3, -0.1, 0.2)).as_matrix()
    image.SetDirection(tilted.ravel().tolist())
    return sitk.DICOMOrient(image, orientation)


ORIENTATIONS = ["LAS", "LPS", "RAS", "RPI", "PSR", "ASL", "SRP", "IPR"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("last", [2, 4])
def test_a_box_is_written_where_it_belongs(orientation: str, last: int) -> None:
    image = oblique(orientation)
    expected = array_from(to_network_order(image)).copy()
    box = (slice(1, 3), slice(0, 4), slice(1, last))
    expected[box] = 10 + np.arange(expected[box].size).reshape(expected[box].shape)
    paste(image, box, expected[box])
    assert np.array_equal(array_from(to_network_order(image)), expected)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("pixel", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkFloat64])
def test_the_order_is_what_simpleitk_calls_las(orientation: str, pixel: int) -> None:
    image = sitk.Cast(100 * oblique(orientation), pixel)
    ordered, expected = to_network_order(image), sitk.DICOMOrient(image, "LAS")
    assert ordered.GetPixelID() == pixel
    assert np.array_equal(array_from(ordered), array_from(expected))
    for property_of in (sitk.Image.GetOrigin, sitk.Image.GetSpacing, sitk.Image.GetDirection):
        assert np.allclose(property_of(ordered), property_of(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_view_and_geometry_are_those_of_the_reoriented_image(orientation: str) -> None:
    image = oblique(orientation)
    ordered = to_network_order(image)
    stored = sitk.GetArrayFromImage(image)
    view = network_view(stored, image)
    assert np.shares_memory(view, stored)
    assert np.array_equal(view, array_from(ordered))

    geometry = network_slices(image)
    assert geometry.GetSize() == (1, 1, ordered.GetSize()[2])
    for property_of in (sitk.Image.GetOrigin, sitk.Image.GetSpacing, sitk.Image.GetDirection):
        assert np.allclose(property_of(geometry), property_of(ordered))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("slices", [1, 4])
def test_slices_are_counted_as_they_are_stored(orientation: str, slices: int) -> None:
    image = oblique(orientation)
    axis = axial_axis(image.GetDirection())
    region = [slice(None)] * 3
    region[axis] = slice(0, slices)
    image = image[tuple(region)]
    stored = sitk.GetArrayFromImage(image).transpose()
    ordered = array_from(to_network_order(image))
    numbers = stored_slices(image)
    assert sorted(numbers) == list(range(slices))
    for row, number in enumerate(numbers):
        same = np.take(stored, number, axis=axis).ravel(), ordered[:, :, row].ravel()
        assert np.array_equal(*map(np.sort, same))
