# SPDX-License-Identifier: Apache-2.0
"""Distances of surfaces: by hand, against MONAI and SimpleITK, and where a mask is empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial import cKDTree

from SpinalCordSegLib.evaluation.surface import (
    average_surface_distance,
    hausdorff,
    hausdorff95,
    rms_surface_distance,
    surface_distances,
)

METRICS = (hausdorff, hausdorff95, average_surface_distance, rms_surface_distance)


def at(*places: tuple[int, ...], shape: tuple[int, ...] = (12, 10, 8)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for place in places:
        mask[place] = True
    return mask


def test_a_piece_too_many_by_hand() -> None:
    # Voxels of 2 mm: the mask's voxels lie 0 and 6 mm from the reference, the reference's 0 mm.
    distances = surface_distances(at((0,), (3,), shape=(5,)), at((0,), shape=(5,)), (2,))
    assert distances.of_mask.tolist() == [0, 6] and distances.of_reference.tolist() == [0]
    assert hausdorff(distances) == 6
    assert hausdorff95(distances) == pytest.approx(0.95 * 6)
    assert average_surface_distance(distances) == pytest.approx(6 / 3)
    assert rms_surface_distance(distances) == pytest.approx(math.sqrt(36 / 3))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_single_voxels_are_as_far_apart_as_their_spacing(axis: int) -> None:
    spacing = (0.5, 1.25, 7.5)
    moved = [5, 5, 5]
    moved[axis] += 2
    distances = surface_distances(at((5, 5, 5)), at(tuple(moved)), spacing)
    assert [metric(distances) for metric in METRICS] == pytest.approx([2 * spacing[axis]] * 4)


def test_the_order_of_the_masks_does_not_matter() -> None:
    a, b = at((2, 2, 2), (9, 2, 2)), at((2, 3, 2), (2, 4, 2), (2, 5, 2))
    for metric in METRICS:
        there, back = (surface_distances(*pair, (1, 2, 3)) for pair in ((a, b), (b, a)))
        assert metric(there) == pytest.approx(metric(back))


def test_what_is_inside_does_not_count() -> None:
    solid = np.zeros((9, 9), bool)
    solid[1:8, 1:8] = True
    hollow = solid.copy()
    hollow[4, 4] = False
    # The hole of one pixel has a surface: four pixels, 2 from the reference's.
    distances = surface_distances(hollow, solid, (1, 1))
    assert hausdorff(distances) == 2 and distances.of_reference.max() == 0
    assert distances.of_reference.size == 24 and distances.of_mask.size == 28


def test_a_cord_that_leaves_the_field_of_view_ends_there_with_a_face() -> None:
    whole = np.zeros((7, 7, 6), bool)
    whole[2:5, 2:5] = True
    short = whole.copy()
    short[:, :, 4:] = False
    # The face at the top of one is 2 slices of 5 mm from that of the other.
    assert hausdorff(surface_distances(short, whole, (1, 1, 5))) == 10
    assert surface_distances(whole, whole, (1, 1, 5)).of_mask.size == 2 * 9 + 4 * 8


def test_empty_masks_have_defined_answers() -> None:
    nothing, something = at(), at((1, 1, 1))
    both = surface_distances(nothing, nothing, (1, 1, 1))
    assert [metric(both) for metric in METRICS] == [0, 0, 0, 0]
    for pair in ((nothing, something), (something, nothing)):
        one = surface_distances(*pair, (1, 1, 1))
        assert [metric(one) for metric in METRICS] == [math.inf] * 4


def test_shapes_and_spacing_must_fit() -> None:
    with pytest.raises(ValueError, match="spacing"):
        surface_distances(at(), at(), (1, 1))
    with pytest.raises(ValueError, match="shapes"):
        surface_distances(at(), at(shape=(3, 3, 3)), (1, 1, 1))


def test_monai_agrees_on_real_masks(real_masks, monai_metric, monai_distances) -> None:
    mask, reference, spacing = real_masks
    distances = surface_distances(mask, reference, spacing)
    options = {"spacing": list(spacing)}
    assert hausdorff(distances) == pytest.approx(
        monai_metric("compute_hausdorff_distance", mask, reference, **options), rel=1e-5
    )
    assert hausdorff95(distances) == pytest.approx(
        monai_metric("compute_hausdorff_distance", mask, reference, percentile=95, **options),
        rel=1e-5,
    )
    assert average_surface_distance(distances) == pytest.approx(
        monai_metric(
            "compute_average_surface_distance", mask, reference, symmetric=True, **options
        ),
        rel=1e-5,
    )
    both = [monai_distances(*pair, spacing) for pair in ((mask, reference), (reference, mask))]
    squares = np.concatenate(both) ** 2
    assert rms_surface_distance(distances) == pytest.approx(np.sqrt(squares.mean()), rel=1e-5)


def test_simpleitk_agrees_on_real_masks(real_images, real_masks) -> None:
    # Of whole masks and of their surfaces the largest distance is the same.
    measure = sitk.HausdorffDistanceImageFilter()
    mask, reference = (sitk.Cast(image != 0, sitk.sitkUInt8) for image in real_images)
    # SimpleITK refuses what differs by the rounding of a header.
    mask.CopyInformation(reference)
    measure.Execute(mask, reference)
    assert hausdorff(surface_distances(*real_masks)) == pytest.approx(
        measure.GetHausdorffDistance(), rel=1e-5
    )


def test_contours_of_a_slice_by_nearest_neighbours(real_masks) -> None:
    cv2 = pytest.importorskip("cv2")
    mask, reference, spacing = real_masks
    k = int(np.flatnonzero((mask & reference).any(axis=(0, 1)))[0])
    points = []
    for plane in (mask[:, :, k], reference[:, :, k]):
        eroded = cv2.erode(
            np.pad(plane, 1).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        )
        points.append(np.argwhere(plane & (eroded[1:-1, 1:-1] == 0)) * spacing[:2])
    nearest = [cKDTree(b).query(a)[0] for a, b in (points, points[::-1])]
    distances = surface_distances(mask[:, :, k], reference[:, :, k], spacing[:2])
    assert np.sort(distances.of_mask) == pytest.approx(np.sort(nearest[0]))
    assert np.sort(distances.of_reference) == pytest.approx(np.sort(nearest[1]))


def test_the_known_pair(shared) -> None:
    """Facts found with MONAI and MedPy, before any of this was written."""
    from SpinalCordSegLib.evaluation.grids import masks_on_one_grid
    from SpinalCordSegLib.evaluation.overlap import dice

    images = (
        sitk.ReadImage(str(shared / "oracle" / f"t2_seg-deepseg_sc-{kind}.nii.gz"))
        for kind in ("3d", "2d")
    )
    mask, reference, spacing = masks_on_one_grid(*images)
    distances = surface_distances(mask, reference, spacing)
    assert dice(mask, reference) == pytest.approx(0.98084, abs=5e-6)
    assert hausdorff(distances) == 1
    assert average_surface_distance(distances) == pytest.approx(0.0901, abs=5e-5)
