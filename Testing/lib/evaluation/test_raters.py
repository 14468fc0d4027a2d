# SPDX-License-Identifier: Apache-2.0
"""The consensus of raters: by hand, and as SimpleITK votes on real masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.evaluation.overlap import dice
from SpinalCordSegLib.evaluation.raters import dice_to_consensus, majority_vote

A = np.array([1, 1, 1, 0, 0], bool)
B = np.array([1, 1, 0, 1, 0], bool)
C = np.array([1, 0, 0, 0, 0], bool)


def test_three_raters_by_hand() -> None:
    assert majority_vote([A, B, C]).tolist() == [1, 1, 0, 0, 0]
    # Consensus of 2 voxels: 2 * 2 / (3 + 2) twice, 2 * 1 / (1 + 2).
    assert dice_to_consensus([A, B, C]) == pytest.approx([4 / 5, 4 / 5, 2 / 3])


def test_half_is_no_majority() -> None:
    assert majority_vote([A, B]).tolist() == [1, 1, 0, 0, 0]
    assert majority_vote([A]).tolist() == A.tolist()


def test_raters_who_saw_nothing_agree() -> None:
    nothing = np.zeros(5, bool)
    assert dice_to_consensus([nothing, nothing, C]) == [1, 1, 0]


def test_a_vote_needs_masks_of_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        majority_vote([])
    with pytest.raises(ValueError, match="one shape"):
        majority_vote([A, B[:4]])


def test_simpleitk_votes_alike_on_real_masks(shared: Path) -> None:
    # One scan's gray matter by a person and by two networks.
    paths = (
        "data/subj-c/t2s_uncropped_gm",
        "oracle/gm_challenge_uncropped_gmseg",
        "oracle/gm_large_uncropped_gmseg",
    )
    images = [
        sitk.Cast(sitk.ReadImage(str(shared / f"{path}.nii.gz")) != 0, sitk.sitkUInt8)
        for path in paths
    ]
    for image in images[1:]:
        image.CopyInformation(images[0])
    consensus = sitk.GetArrayFromImage(sitk.LabelVoting(images, 0)) != 0
    raters = [sitk.GetArrayFromImage(image) != 0 for image in images]
    assert np.array_equal(majority_vote(raters), consensus)
    assert dice_to_consensus(raters) == [dice(rater, consensus) for rater in raters]
    assert all(0.85 < value < 1 for value in dice_to_consensus(raters))
