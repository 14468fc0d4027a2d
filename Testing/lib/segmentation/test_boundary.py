# SPDX-License-Identifier: Apache-2.0
"""The threshold follows the fluid around the cord."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from SpinalCordSegLib.segmentation.along_curve import StraightBlock
from SpinalCordSegLib.segmentation.boundary import boundary_threshold, fluid_contrast
from SpinalCordSegLib.weights import WeightsSpecification, load_weights

SPACING = (0.5, 0.5, 1.0)
OWN = load_weights("cord").specification
BOTH = replace(OWN, threshold=0.3, dark_fluid_threshold=0.6)


def _block(fluid: float, cord: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    x, y, _ = np.meshgrid(*(np.arange(n) - n / 2 for n in (64, 64, 8)), indexing="ij")
    radius = np.hypot(x, y) * SPACING[0]
    values = np.where(radius < 5, cord, np.where(radius < 9, fluid, 60.0)).astype(np.float32)
    values += np.random.default_rng(0).normal(0, 3, values.shape)
    values[:3] = np.nan
    return values, (radius < 5) * 0.9


def _threshold(specification: WeightsSpecification, fluid: float) -> float:
    values, probability = _block(fluid)
    block = StraightBlock(values, np.zeros((8, 2)), 0, np.arange(8.0), SPACING, SPACING)
    return boundary_threshold(specification, block, probability)


@pytest.mark.parametrize(("fluid", "threshold"), [(200.0, 0.3), (20.0, 0.6)])
def test_bright_and_dark_fluid_have_a_threshold_each(fluid: float, threshold: float) -> None:
    assert _threshold(BOTH, fluid) == pytest.approx(threshold)


def test_the_threshold_changes_gradually_between_them() -> None:
    found = [_threshold(BOTH, fluid) for fluid in np.arange(80, 112, 2.0)]
    assert np.all(np.diff(found) <= 1e-9)
    assert max(-np.diff(found)) < 0.1


def test_weights_with_one_threshold_keep_it() -> None:
    plain = replace(OWN, threshold=0.35, dark_fluid_threshold=None)
    assert _threshold(plain, 20.0) == 0.35


def test_scale_and_offset_of_the_intensities_do_not_matter() -> None:
    values, probability = _block(150.0)
    contrast = fluid_contrast(values, probability, SPACING)
    assert contrast > 0
    assert fluid_contrast(7 * values - 4000, probability, SPACING) == pytest.approx(contrast, 1e-3)


def test_a_block_without_cord_has_no_contrast() -> None:
    values, probability = _block(150.0)
    assert fluid_contrast(values, 0 * probability, SPACING) == 0
