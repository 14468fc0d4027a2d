# SPDX-License-Identifier: Apache-2.0
"""Repair slices: a leaning cylinder loses slices and gets them back; nothing else changes.

The mask is 40 x 40 x 15 voxels of 1 x 1 x 2 mm; the cylinder has a radius of 6 voxels, leans by
half a voxel a slice, and is on slices 1 to 13.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.errors import InvalidArgument
from SpinalCordSegLib.network_order import axial_axis

SIZE = (40, 40, 15)


def _cylinder() -> np.ndarray:
    x, y, z = np.indices(SIZE)
    return ((x - 15 - z / 2) ** 2 + (y - 20 + z / 2) ** 2 < 36) & (z >= 1) & (z <= 13)


def _image(array: np.ndarray, code: str = "LPS") -> sitk.Image:
    image = sitk.GetImageFromArray(array.transpose().astype(np.uint8))
    image.SetSpacing((1, 1, 2))
    return sitk.DICOMOrient(image, code)


def _array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS")).transpose() > 0


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("bad", [[6], [5, 6, 7], [4, 5, 6, 7, 8], [2, 6, 12]])
@pytest.mark.parametrize("code", ["LPS", "SAR", "PIR"])
def test_bad_slices_come_back_and_good_ones_stay(bad: list[int], code: str) -> None:
    truth = _cylinder()
    spoiled = truth.copy()
    spoiled[:, :, bad] = np.roll(spoiled[:, :, bad], 9, axis=0)
    image = _image(spoiled, code)
    # Slices are counted as the image is stored, from the head down if that is where it starts.
    turned = code == "PIR"
    numbers = [SIZE[2] - 1 - k if turned else k for k in bad]
    repaired = scs.repair_slices(image, numbers)
    assert repaired.slices == tuple(sorted(numbers))
    assert repaired.skipped == ()
    found = _array(repaired.mask)
    assert _dice(found[:, :, bad], truth[:, :, bad]) > 0.96
    others = [k for k in range(SIZE[2]) if k not in bad]
    assert (found[:, :, others] == spoiled[:, :, others]).all()
    assert repaired.mask.GetDirection() == image.GetDirection()
    assert (_array(image) == spoiled).all()


@pytest.mark.parametrize("bad", [[6], [6, 7], [5, 6, 7]])
def test_a_cord_that_bends_within_the_gap_is_followed(bad: list[int]) -> None:
    """On thick slices a straight line between the slices beside would miss it by voxels."""
    x, y, z = np.indices(SIZE)
    truth = (x - 14 - 8 * np.sin(z / 14 * np.pi)) ** 2 + (y - 20) ** 2 < 36
    image = _image(truth)
    image.SetSpacing((1, 1, 8))
    found = _array(scs.repair_slices(image, bad).mask)
    for k in bad:
        centres = [np.argwhere(m[:, :, k]).mean(axis=0) for m in (found, truth)]
        assert np.linalg.norm(centres[0] - centres[1]) < 0.35
    assert _dice(found[:, :, bad], truth[:, :, bad]) > 0.95


def test_a_mix_of_unlike_shapes_does_not_shrink() -> None:
    x, y, z = np.indices(SIZE)
    wide = (z < 7).astype(float)
    squared = ((x - 20) / (5 + 5 * wide)) ** 2 + ((y - 20) / (10 - 5 * wide)) ** 2
    truth = squared < 1
    areas = _areas(truth)
    repaired = _areas(_array(scs.repair_slices(_image(truth), [6, 7]).mask))
    assert np.abs(repaired[[6, 7]] / areas[[5, 8]] - 1).max() < 0.05


def _areas(mask: np.ndarray) -> np.ndarray:
    return mask.sum(axis=(0, 1))


def test_a_spoiled_slice_says_nothing_about_the_result() -> None:
    truth = _cylinder()
    emptied, leaked = truth.copy(), truth.copy()
    emptied[:, :, 6], leaked[:, :, 6] = False, True
    results = [scs.repair_slices(_image(mask), [6]).mask for mask in (emptied, leaked)]
    assert (_array(results[0]) == _array(results[1])).all()


def test_slices_without_a_good_neighbour_are_left() -> None:
    truth = _cylinder()
    repaired = scs.repair_slices(_image(truth), [0, 1, 2, 13, 14, 7])
    assert repaired.slices == (7,)
    assert repaired.skipped == (0, 1, 2, 13, 14)
    assert (_array(repaired.mask)[:, :, [0, 1, 2, 13, 14]] == truth[:, :, [0, 1, 2, 13, 14]]).all()


def test_an_empty_slice_is_no_good_one() -> None:
    truth = _cylinder()
    spoiled = truth.copy()
    spoiled[:, :, 5:8] = False
    found = _array(scs.repair_slices(_image(spoiled), [6]).mask)
    assert _dice(found[:, :, 6], truth[:, :, 6]) > 0.95
    assert not found[:, :, [5, 7]].any()


def test_a_slice_that_is_not_there() -> None:
    with pytest.raises(InvalidArgument, match="there is no slice 15: the mask has 15"):
        scs.repair_slices(_image(_cylinder()), [15])
    with pytest.raises(InvalidArgument, match="there is no slice -1"):
        scs.repair_slices(_image(_cylinder()), [-1])


def test_the_axial_axis() -> None:
    assert axial_axis(_image(_cylinder(), "LPS").GetDirection()) == 2
    assert axial_axis(_image(_cylinder(), "PIR").GetDirection()) == 1


def test_a_real_cord_keeps_its_shape(shared: Path) -> None:
    mask = sitk.ReadImage(str(shared / "data/subj-a/t2w_cord.nii.gz"))
    axis = axial_axis(mask.GetDirection())
    layers = np.moveaxis(sitk.GetArrayFromImage(mask).transpose() > 0, axis, 0)
    present = np.flatnonzero(layers.any(axis=(1, 2)))
    middle = int(present[present.size // 2])
    repaired = scs.repair_slices(mask, [middle - 1, middle, middle + 1])
    found = np.moveaxis(sitk.GetArrayFromImage(repaired.mask).transpose() > 0, axis, 0)
    bad = slice(middle - 1, middle + 2)
    assert _dice(found[bad], layers[bad]) > 0.95
