# SPDX-License-Identifier: Apache-2.0
"""``scs.evaluate``: the right metrics under the right names, of blocks and of real masks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.evaluation import gray_matter_challenge, lesions

COMMON = {
    "dice",
    "dice_on_reference_slices",
    "sensitivity",
    "precision",
    "relative_volume_difference_percent",
    "hausdorff_mm",
    "hausdorff95_mm",
    "assd_mm",
    "rmse_mm",
    "prediction_mm3",
    "reference_mm3",
}


def block(z: slice, x: slice = slice(4, 8)) -> sitk.Image:
    """Voxels of 1 x 2 x 3 mm, 4 of them wide and deep."""
    array = np.zeros((8, 12, 20), np.uint8)
    array[z, 4:8, x] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1, 2, 3))
    return image


def test_a_slice_too_many_by_hand() -> None:
    found = scs.evaluate(block(slice(2, 7)), block(slice(2, 6)))
    assert found.structure == "cord"
    assert found.metrics["dice"] == pytest.approx(2 * 4 / (5 + 4))
    assert found.metrics["dice_on_reference_slices"] == 1
    assert found.metrics["precision"] == pytest.approx(0.8) and found.metrics["sensitivity"] == 1
    assert found.metrics["relative_volume_difference_percent"] == pytest.approx(25)
    assert found.metrics["hausdorff_mm"] == 3
    assert found.metrics["prediction_mm3"] == 5 * 16 * 6
    assert found.metrics["reference_mm3"] == 4 * 16 * 6
    assert found.metrics["centerline_mse_mm2"] == 0 and found.metrics["localisation_rate"] == 1
    # Direction +1: the first row of the array lies lowest.
    assert [s.slice_index for s in found.slices] == [2, 3, 4, 5, 6]
    assert [s.dice for s in found.slices] == [1, 1, 1, 1, 0]
    assert found.slices[-1].hausdorff95_mm == found.slices[-1].rmse_mm == math.inf


def test_a_shifted_cord_by_hand() -> None:
    found = scs.evaluate(block(slice(2, 6), slice(6, 10)), block(slice(2, 6)))
    assert found.metrics["centerline_mse_mm2"] == pytest.approx(4)
    assert found.metrics["centerline_rmse_mm"] == pytest.approx(2)
    # A contour of 12 pixels: 2 mm apart for the far side and its neighbours, less for the rest.
    squares = [4, 4, 4, 4, 1, 1, 0, 0, 1, 1, 0, 0]
    assert found.slices[0].hausdorff95_mm == pytest.approx(2)
    assert found.slices[0].rmse_mm == pytest.approx(math.sqrt(sum(squares) / 12))


def test_a_slice_is_measured_with_its_own_spacing() -> None:
    lower = sitk.Paste(block(slice(0, 0)), block(slice(2, 6)), (20, 11, 8), (0, 1, 0), (0, 0, 0))
    found = scs.evaluate(block(slice(2, 6)), lower)
    # One row of 2 mm further down.
    assert found.slices[0].hausdorff95_mm == found.metrics["hausdorff95_mm"] == 2
    assert found.metrics["centerline_rmse_mm"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("structure", "own"),
    [
        ("cord", {"centerline_mse_mm2", "centerline_rmse_mm", "localisation_rate"}),
        (
            "lesion",
            {
                "lesions_in_reference",
                "lesions_found",
                "lesions_predicted",
                "lesions_predicted_right",
                "lesion_sensitivity",
                "lesion_precision",
            },
        ),
        ("gray_matter", set(gray_matter_challenge.ChallengeMetrics.__dataclass_fields__)),
    ],
)
def test_each_structure_has_its_metrics_even_where_nothing_is(
    structure: str, own: set[str]
) -> None:
    nothing = block(slice(0, 0))
    for pair in ((nothing, nothing), (block(slice(2, 4)), nothing), (nothing, block(slice(2, 4)))):
        assert set(scs.evaluate(*pair, structure).metrics) == COMMON | own


def test_other_structures_are_refused() -> None:
    with pytest.raises(scs.InvalidArgument, match=r"'gm' cannot be evaluated.*gray_matter"):
        scs.evaluate(block(slice(2, 4)), block(slice(2, 4)), structure="gm")


@pytest.mark.parametrize("stored", ["PSR", "RIP", "LAS"])
def test_slices_are_counted_as_the_reference_is_stored(stored: str) -> None:
    reference = sitk.DICOMOrient(block(slice(1, 3)), stored)
    found = scs.evaluate(block(slice(1, 4)), reference)
    axis = next(i for i, letter in enumerate(stored) if letter in "IS")
    array = sitk.GetArrayFromImage(reference).transpose()
    there = np.flatnonzero(array.any(axis=tuple({0, 1, 2} - {axis})))
    both = {s.slice_index for s in found.slices if s.dice == 1}
    assert both == set(there.tolist())


def test_real_masks_by_monai(real_images, real_masks, monai_metric: Callable[..., float]) -> None:
    for structure in ("cord", "lesion", "gray_matter"):
        found = scs.evaluate(*real_images, structure=structure).metrics
        mask, reference, spacing = real_masks
        assert found["dice"] == pytest.approx(
            monai_metric("compute_dice", mask, reference), abs=1e-6
        )
        assert found["hausdorff95_mm"] == pytest.approx(
            monai_metric(
                "compute_hausdorff_distance",
                mask,
                reference,
                percentile=95,
                spacing=list(spacing),
            ),
            rel=1e-5,
        )
    assert lesions.count_lesions(mask, reference).reference >= 1
