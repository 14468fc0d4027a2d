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

import SpinalCordSegLib as scs
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.measurement.lesions import (
    drop_small_lesions,
    label_lesions,
    max_axial_damage_ratio,
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


# A cord of radius 10 mm, 30 slices of 2 mm; left is +x in LPS, the front is -y.
CENTRE, SIZE = 24, (49, 49, 30)


def _in_cord(
    boxes: dict[tuple[int, int], range], leaning: float = 0.0
) -> tuple[sitk.Image, sitk.Image]:
    """Return a cord and lesions of 5 x 5 voxels, that many voxels to the left and to the front."""
    x, y = np.indices(SIZE[:2]) - CENTRE
    cord, lesions = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for k in range(SIZE[2]):
        lean = leaning * (k - SIZE[2] // 2)
        cord[:, :, k] = np.hypot(x, y - lean) <= 10
        for (left, front), slices in boxes.items():
            if k in slices:
                lesions[:, :, k] |= (np.abs(x - left) <= 2) & (np.abs(y - lean + front) <= 2)
    return _image(cord), _image(lesions)


def _image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing((1.0, 1.0, 2.0))
    return image


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "PSR"])
@pytest.mark.parametrize(
    ("offset", "part"),
    [
        ((0, 0), "centre"),
        ((2, 2), "centre"),
        ((6, 0), "left"),
        ((-6, 1), "right"),
        ((0, 6), "anterior"),
        ((-3, -5), "posterior"),
    ],
)
def test_parts_are_the_patients(offset: tuple[int, int], part: str, orientation: str) -> None:
    cord, mask = (sitk.DICOMOrient(each, orientation) for each in _in_cord({offset: range(8, 13)}))
    (row,) = measure_lesions(mask, cord=cord)
    assert row.part == part
    assert sum(row.shares.values()) == pytest.approx(1)
    assert max(row.shares, key=row.shares.__getitem__) == part


def test_a_lesion_across_the_whole_cord_lies_in_its_centre() -> None:
    cord, _ = _in_cord({})
    (row,) = measure_lesions(cord, cord=cord)
    assert row.part == "centre" and row.max_axial_damage_ratio == 1
    # The centre takes a ninth of an ellipse, the others a quarter of the rest each.
    assert row.shares["centre"] == pytest.approx(1 / 9, abs=0.02)
    assert row.shares["left"] == pytest.approx(2 / 9, abs=0.03)


def test_the_damage_ratio_is_that_of_the_worst_slice() -> None:
    cord, mask = _in_cord({(0, 0): range(5, 9), (6, 0): range(20, 22), (-6, 0): range(21, 25)})
    array = sitk.GetArrayFromImage(mask)
    array[6, CENTRE - 2 : CENTRE + 3, CENTRE - 6 : CENTRE + 7] = 1
    mask = _image(array.transpose())
    area = (sitk.GetArrayFromImage(cord)[6] > 0).sum()
    rows = measure_lesions(mask, cord=cord)
    # From the top down: the two beside each other, then the long one.
    assert [round(row.max_axial_damage_ratio * area) for row in rows] == [25, 25, 65]
    assert max_axial_damage_ratio(mask, cord) * area == pytest.approx(65)
    both, _ = _in_cord({})
    assert max_axial_damage_ratio(mask * 0, both) == 0


def test_positions_run_along_the_cord_from_its_top() -> None:
    cord, mask = _in_cord({(0, 0): range(10, 12)}, leaning=2.0)
    (row,) = measure_lesions(mask, cord=cord)
    # 45 degrees: the lesion's middle is 11 slices of 2 mm below that of the highest.
    middle = (29 - 10.5) * 2 * np.sqrt(2)
    assert row.position_mm == pytest.approx(middle + np.sqrt(2), abs=0.3)
    assert row.length_mm == pytest.approx(2 * 2 * np.sqrt(2), rel=0.02)
    (below,) = measure_lesions(mask, cord=cord, landmark=10.0)
    assert below.position_mm == pytest.approx(row.position_mm - 10)


def test_a_lesion_beside_the_cord_has_no_part() -> None:
    cord, mask = _in_cord({(0, 0): range(3, 5)})
    array = sitk.GetArrayFromImage(cord)
    array[:8] = 0
    (row,) = measure_lesions(mask, cord=_image(array.transpose()))
    assert row.part is None and row.max_axial_damage_ratio is None and row.shares == {}
    assert row.position_mm == pytest.approx(60 - 8)


def test_the_cord_lies_on_the_same_grid(mask: sitk.Image) -> None:
    cord, _ = _in_cord({})
    with pytest.raises(scs.InvalidImage, match="the mask of the spinal cord lesion is not on"):
        measure_lesions(mask, cord=cord)
    with pytest.raises(scs.InvalidImage, match="the mask of the cord is empty"):
        measure_lesions(mask, cord=mask * 0)
