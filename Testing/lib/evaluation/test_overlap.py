# SPDX-License-Identifier: Apache-2.0
"""Shares of voxels, by hand on ten voxels and against MONAI, SimpleITK on real masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.evaluation import overlap
from SpinalCordSegLib.evaluation.overlap import Confusion, confusion

# Both hold 3 voxels, the mask alone 1, the reference alone 2, neither 4.
MASK = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
REFERENCE = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0], bool)
NOTHING = np.zeros(10, bool)
EVERYTHING = np.ones(10, bool)


def test_ten_voxels_by_hand() -> None:
    assert confusion(MASK, REFERENCE) == Confusion(3, 1, 2, 4)
    assert overlap.dice(MASK, REFERENCE) == pytest.approx(6 / 9)
    assert overlap.jaccard(MASK, REFERENCE) == pytest.approx(3 / 6)
    assert overlap.sensitivity(MASK, REFERENCE) == pytest.approx(3 / 5)
    assert overlap.precision(MASK, REFERENCE) == pytest.approx(3 / 4)
    assert overlap.specificity(MASK, REFERENCE) == pytest.approx(4 / 5)
    assert overlap.relative_volume_difference(MASK, REFERENCE) == pytest.approx(-20)
    # 1 - 3 / 3: at a Dice of 2/3 the conformity is 0.
    assert overlap.conformity(MASK, REFERENCE) == pytest.approx(0)


def test_an_empty_mask_beside_one_that_is_not() -> None:
    assert overlap.dice(NOTHING, REFERENCE) == overlap.jaccard(NOTHING, REFERENCE) == 0
    assert overlap.sensitivity(NOTHING, REFERENCE) == 0
    assert math.isnan(overlap.precision(NOTHING, REFERENCE))
    assert overlap.relative_volume_difference(NOTHING, REFERENCE) == -100
    assert overlap.conformity(NOTHING, REFERENCE) == -math.inf
    assert math.isnan(overlap.sensitivity(MASK, NOTHING))
    assert overlap.precision(MASK, NOTHING) == 0
    assert math.isnan(overlap.relative_volume_difference(MASK, NOTHING))


def test_two_empty_masks_agree() -> None:
    assert overlap.dice(NOTHING, NOTHING) == overlap.jaccard(NOTHING, NOTHING) == 1
    assert overlap.conformity(NOTHING, NOTHING) == overlap.specificity(NOTHING, NOTHING) == 1
    for undefined in (
        overlap.sensitivity,
        overlap.precision,
        overlap.relative_volume_difference,
    ):
        assert math.isnan(undefined(NOTHING, NOTHING))
    assert math.isnan(overlap.specificity(MASK, EVERYTHING))


def test_masks_of_different_shapes_are_no_pair() -> None:
    with pytest.raises(ValueError, match="shapes"):
        overlap.dice(MASK, REFERENCE[:9])


def test_monai_and_simpleitk_agree_on_real_masks(real_masks, monai_metric) -> None:
    mask, reference, _ = real_masks
    assert overlap.dice(mask, reference) == pytest.approx(
        monai_metric("compute_dice", mask, reference), abs=1e-6
    )
    assert overlap.jaccard(mask, reference) == pytest.approx(
        monai_metric("compute_iou", mask, reference), abs=1e-6
    )
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(*(sitk.GetImageFromArray(m.astype(np.uint8)) for m in (mask, reference)))
    assert overlap.dice(mask, reference) == pytest.approx(measures.GetDiceCoefficient())
    assert 1 - overlap.sensitivity(mask, reference) == pytest.approx(
        measures.GetFalseNegativeError()
    )


def test_monai_counts_the_same_voxels(real_masks) -> None:
    monai_metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    mask, reference, _ = real_masks
    tensors = (torch.from_numpy(m.astype(np.uint8))[None, None] for m in (mask, reference))
    counts = monai_metrics.get_confusion_matrix(*tensors, include_background=True)
    for name, ours in (
        ("sensitivity", overlap.sensitivity),
        ("specificity", overlap.specificity),
        ("precision", overlap.precision),
    ):
        theirs = float(monai_metrics.compute_confusion_matrix_metric(name, counts))
        assert ours(mask, reference) == pytest.approx(theirs, abs=1e-6), name
