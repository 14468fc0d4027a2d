# SPDX-License-Identifier: Apache-2.0
"""One grid or two: what is turned, what is refused, and what counts as inside."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.errors import InvalidImage
from SpinalCordSegLib.evaluation.grids import masks_on_one_grid

OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.1).GetMatrix()


def mask(dtype: type = np.uint8) -> sitk.Image:
    array = np.zeros((5, 6, 7), dtype)
    array[1:3, 2:4, 3:6] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.75, 4.0))
    image.SetOrigin((-30, 12, 7))
    image.SetDirection(OBLIQUE)
    return image


@pytest.mark.parametrize("stored", ["RAS", "LPI", "PSR", "ASL", "SRA"])
def test_the_order_of_storage_does_not_matter(stored: str) -> None:
    turned = sitk.DICOMOrient(mask(), stored)
    ours, theirs, spacing = masks_on_one_grid(turned, mask())
    assert np.array_equal(ours, theirs) and ours.sum() == 12
    assert spacing == pytest.approx((0.5, 0.75, 4.0))


def test_every_turn_of_a_lopsided_mask_comes_back() -> None:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray((rng.random((3, 4, 5)) > 0.5).astype(np.uint8))
    image.SetDirection(OBLIQUE)
    _, expected, _ = masks_on_one_grid(image, image)
    for order in permutations(range(3)):
        for flips in np.ndindex(2, 2, 2):
            turned = sitk.Flip(sitk.PermuteAxes(image, order), [bool(f) for f in flips])
            ours, _, _ = masks_on_one_grid(turned, image)
            assert np.array_equal(ours, expected), (order, flips)


def test_single_slices_and_pictures_have_a_grid() -> None:
    picture = sitk.GetImageFromArray(sitk.GetArrayFromImage(mask())[1])
    ours, theirs, _ = masks_on_one_grid(picture, picture)
    assert ours.ndim == 3 and ours.sum() == 6 and np.array_equal(ours, theirs)
    one = mask()[:, :, 1:2]
    assert masks_on_one_grid(sitk.DICOMOrient(one, "SRA"), one)[0].sum() == 6


def test_headers_may_be_rounded() -> None:
    rounded = mask()
    rounded.SetOrigin([x + 0.04 for x in mask().GetOrigin()])
    assert masks_on_one_grid(rounded, mask())[0].sum() == 12


def test_the_images_stay_as_they_were() -> None:
    ours, theirs = mask(np.float64), sitk.DICOMOrient(mask(), "PSR")
    before = [(i.GetDirection(), i.GetOrigin(), sitk.Hash(i)) for i in (ours, theirs)]
    masks_on_one_grid(ours, theirs)
    assert [(i.GetDirection(), i.GetOrigin(), sitk.Hash(i)) for i in (ours, theirs)] == before


def moved() -> sitk.Image:
    image = mask()
    image.SetOrigin((-30, 12, 12))
    return image


def coarser() -> sitk.Image:
    image = mask()
    image.SetSpacing((0.5, 0.75, 4.2))
    return image


def finer() -> sitk.Image:
    image = sitk.Expand(mask(), (2, 2, 1), sitk.sitkNearestNeighbor)
    assert image.GetSpacing()[:2] == (0.25, 0.375)
    return image


def straight() -> sitk.Image:
    image = mask()
    image.SetDirection(np.eye(3).ravel())
    return image


def slanted() -> sitk.Image:
    image = mask()
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.9, -0.2, 0.9).GetMatrix())
    return image


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (moved, "5.0 mm apart"),
        (coarser, "mm apart"),
        (finer, "14 x 12 x 5 voxels against 7 x 6 x 5"),
        (straight, "6.0 mm apart"),
        (slanted, "different directions"),
        (lambda: mask()[1:], "6 x 6 x 5 voxels against 7 x 6 x 5"),
    ],
    ids=["moved", "coarser", "finer", "straight", "slanted", "cropped"],
)
def test_different_grids_are_refused_with_a_remedy(other, words: str) -> None:
    with pytest.raises(InvalidImage, match=words) as refused:
        masks_on_one_grid(other(), mask())
    assert "resample" in refused.value.remedy


def test_a_label_is_chosen_or_all_count_with_a_warning() -> None:
    array = sitk.GetArrayFromImage(mask())
    array[1, 2, 3:5] = 3
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(mask())
    assert masks_on_one_grid(labels, mask(), label=3)[0].sum() == 2
    assert masks_on_one_grid(mask(), labels, reference_label=1)[1].sum() == 10
    with pytest.warns(UserWarning, match="several labels .* --reference-label"):
        assert masks_on_one_grid(mask(), labels)[1].sum() == 12


def test_maps_of_probabilities_and_scans_are_no_masks() -> None:
    soft = sitk.Cast(mask(), sitk.sitkFloat32) * 0.7
    with pytest.raises(InvalidImage, match="the prediction holds fractions"):
        masks_on_one_grid(soft, mask())
    scan = sitk.GetImageFromArray(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7))
    scan.CopyInformation(mask())
    with pytest.raises(InvalidImage, match="the reference holds 209 different values"):
        masks_on_one_grid(mask(), scan)


def test_whole_numbers_may_be_stored_as_floats() -> None:
    assert masks_on_one_grid(mask(np.float32), mask(np.int16))[0].sum() == 12
