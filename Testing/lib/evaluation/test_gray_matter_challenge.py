# SPDX-License-Identifier: Apache-2.0
"""The ten metrics of the challenge: crosses by hand, MONAI and scikit-image on real masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import metrics
from skimage.morphology import skeletonize

from SpinalCordSegLib.evaluation.gray_matter_challenge import (
    challenge_metrics,
    skeleton_distances,
)

SPACING = (0.5, 0.25, 5.0)


def bars(*columns: int, slices: slice = slice(0, 2)) -> np.ndarray:
    """Bars one voxel wide along the second axis, which are their own skeletons."""
    mask = np.zeros((12, 12, 3), bool)
    for column in columns:
        mask[column, 2:10, slices] = True
    return mask


def test_bars_by_hand() -> None:
    # One bar of two is shared; the other is 4 columns of 0.5 mm away.
    found = challenge_metrics(bars(2, 6), bars(2), SPACING)
    # 16 voxels of the mask at 0 mm, 16 at 2 mm, 16 of the reference at 0 mm.
    assert found.dsc == pytest.approx(2 / 3) and found.ji == pytest.approx(1 / 2)
    assert found.msd_mm == pytest.approx(16 * 2 / 48) and found.hsd_mm == 2
    assert found.tpr_percent == 100 and found.ppv_percent == 50
    assert found.tnr_percent == pytest.approx(100 * (432 - 32) / (432 - 16))
    assert found.cc_percent == pytest.approx(0)
    assert found.shd_mm == 2 and found.smd_mm == 0


def test_skeletons_meet_in_their_plane_only() -> None:
    # The bar of slice 2 has no partner there, and 5 mm away is not in the plane.
    distances = skeleton_distances(bars(4, slices=slice(0, 3)), bars(2), SPACING)
    assert distances.pooled.size == 4 * 8 and distances.pooled == pytest.approx(1.0)


def test_empty_masks_have_defined_answers() -> None:
    nothing = bars()
    both = challenge_metrics(nothing, nothing, SPACING)
    assert (both.dsc, both.ji, both.cc_percent, both.tnr_percent) == (1, 1, 100, 100)
    assert (both.msd_mm, both.hsd_mm, both.shd_mm, both.smd_mm) == (0, 0, 0, 0)
    assert math.isnan(both.tpr_percent) and math.isnan(both.ppv_percent)
    for pair in ((nothing, bars(2)), (bars(2), nothing), (bars(2), bars(2, slices=slice(2, 3)))):
        one = challenge_metrics(*pair, SPACING)
        assert one.dsc == 0 and one.cc_percent == -math.inf
        assert one.shd_mm == one.smd_mm == math.inf


def test_monai_agrees_on_real_masks(real_masks, monai_metric) -> None:
    mask, reference, spacing = real_masks
    found = challenge_metrics(mask, reference, spacing)
    dice = monai_metric("compute_dice", mask, reference)
    options = {"spacing": list(spacing)}
    assert found.dsc == pytest.approx(dice, abs=1e-6)
    assert found.ji == pytest.approx(monai_metric("compute_iou", mask, reference), abs=1e-6)
    assert found.cc_percent == pytest.approx(100 * (3 * dice - 2) / dice, abs=1e-3)
    assert found.hsd_mm == pytest.approx(
        monai_metric("compute_hausdorff_distance", mask, reference, **options), rel=1e-5
    )
    assert found.msd_mm == pytest.approx(
        monai_metric(
            "compute_average_surface_distance", mask, reference, symmetric=True, **options
        ),
        rel=1e-5,
    )


def test_scikit_image_agrees_on_the_skeletons_of_real_masks(real_masks) -> None:
    mask, reference, spacing = real_masks
    assert spacing[0] == pytest.approx(spacing[1])
    largest, pooled = 0.0, []
    for k in np.flatnonzero(mask.any(axis=(0, 1)) & reference.any(axis=(0, 1))):
        skeletons = [skeletonize(m[:, :, k]) for m in (mask, reference)]
        largest = max(largest, metrics.hausdorff_distance(*skeletons))
        places = [np.argwhere(skeleton) for skeleton in skeletons]
        apart = np.linalg.norm(places[0][:, None] - places[1][None], axis=2)
        pooled += [*apart.min(axis=0), *apart.min(axis=1)]
    found = challenge_metrics(mask, reference, spacing)
    assert found.shd_mm == pytest.approx(spacing[0] * largest, rel=1e-5)
    assert found.smd_mm == pytest.approx(spacing[0] * np.median(pooled), rel=1e-5)
