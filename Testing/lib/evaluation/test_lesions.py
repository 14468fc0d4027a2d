# SPDX-License-Identifier: Apache-2.0
"""Lesions found and missed: the 25 % rule by hand, and pieces counted by scikit-image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from skimage import measure

from SpinalCordSegLib.evaluation.lesions import (
    LesionCounts,
    count_lesions,
    volume_wise_specificity,
)

NOTHING = np.zeros((40, 5, 5), bool)


def rods(*parts: tuple[int, int]) -> np.ndarray:
    """Lesions one voxel thick along the first axis, from and to."""
    mask = NOTHING.copy()
    for start, stop in parts:
        mask[start:stop, 2, 2] = True
    return mask


@pytest.mark.parametrize(
    ("covered", "found", "right"),
    [
        (1, 0, 0),  # 12.5 %: missed, and the candidate is wrong.
        (2, 1, 0),  # 25 % exactly: not less, so found; not more, so the candidate is wrong.
        (3, 1, 1),
        (8, 1, 1),
    ],
)
def test_a_quarter_of_the_lesion_by_hand(covered: int, found: int, right: int) -> None:
    counts = count_lesions(rods((0, covered)), rods((0, 8)))
    assert counts == LesionCounts(reference=1, found=found, predicted=1, right=right)


def test_several_lesions_by_hand() -> None:
    reference = rods((0, 8), (12, 16), (20, 28))
    # The first is hit, the second missed, the third hit by two pieces; one piece hits none.
    predicted = rods((2, 9), (20, 23), (24, 28), (34, 36))
    counts = count_lesions(predicted, reference)
    assert counts == LesionCounts(reference=3, found=2, predicted=4, right=3)
    assert counts.sensitivity == pytest.approx(2 / 3)
    assert counts.precision == pytest.approx(3 / 4)


def test_crumbs_of_a_lesion_find_it_together_and_are_wrong_one_by_one() -> None:
    counts = count_lesions(rods((0, 2), (3, 5), (6, 8)), rods((0, 8)))
    assert counts == LesionCounts(reference=1, found=1, predicted=3, right=0)


def test_one_large_candidate_may_find_two() -> None:
    counts = count_lesions(rods((0, 20)), rods((0, 8), (10, 18)))
    assert counts == LesionCounts(reference=2, found=2, predicted=1, right=1)


def test_voxels_that_share_a_corner_are_one_lesion() -> None:
    diagonal = NOTHING.copy()
    diagonal[[0, 1, 2], [0, 1, 2], [0, 1, 2]] = True
    assert count_lesions(diagonal, diagonal) == LesionCounts(1, 1, 1, 1)


def test_scans_without_lesions() -> None:
    none = count_lesions(NOTHING, NOTHING)
    assert none == LesionCounts(0, 0, 0, 0)
    assert math.isnan(none.sensitivity) and math.isnan(none.precision)
    assert count_lesions(rods((0, 3)), NOTHING).precision == 0
    missed = count_lesions(NOTHING, rods((0, 3)))
    assert missed.sensitivity == 0 and math.isnan(missed.precision)


def test_specificity_counts_scans() -> None:
    assert volume_wise_specificity([0, 2, 0, 0]) == 0.75
    assert math.isnan(volume_wise_specificity([]))


def test_pieces_counted_by_another_library_on_a_real_mask(shared: Path) -> None:
    path = shared / "oracle" / "lesion_t2ax_t2ms_lesion.nii.gz"
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(path))) != 0
    reference = np.roll(mask, (1, 2), axis=(1, 2))
    ours, theirs = (measure.label(m, connectivity=3) for m in (mask, reference))
    assert theirs.max() > 1
    found, right = 0, set()
    for region in measure.regionprops(theirs):
        touched = ours[tuple(region.coords.T)]
        found += np.count_nonzero(touched) >= 0.25 * region.area
        for candidate in set(touched[touched > 0].tolist()):
            if np.count_nonzero(touched == candidate) > 0.25 * region.area:
                right.add(candidate)
    expected = LesionCounts(int(theirs.max()), int(found), int(ours.max()), len(right))
    assert count_lesions(mask, reference) == expected


def test_the_painted_lesion_and_a_network_that_missed_it(shared: Path) -> None:
    painted, predicted = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(shared / f"{name}.nii.gz"))) != 0
        for name in ("data/subj-d/t2w_fakelesion_lesion", "oracle/lesion_t2ax_fakelesion_lesion")
    )
    assert count_lesions(painted, painted) == LesionCounts(1, 1, 1, 1)
    missed = count_lesions(predicted, painted)
    assert (missed.reference, missed.found, missed.right) == (1, 0, 0)
    assert missed.predicted == measure.label(predicted, connectivity=3).max()
