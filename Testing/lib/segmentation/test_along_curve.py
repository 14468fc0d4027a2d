# SPDX-License-Identifier: Apache-2.0
"""A leaning rod in a small volume, straightened and brought back.

z ^      /            |
  |     /      ->     |        ->  the rod where it was
  |    /              |
"""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.segmentation.along_curve import straighten, unstraighten

SHAPE = (40, 44, 24)


def leaning_rod(radius: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    z = np.arange(SHAPE[2])
    curve = np.column_stack([18 + 0.2 * z, 20 - 0.3 * z + 0.01 * z**2])
    x, y = np.meshgrid(*(np.arange(n) for n in SHAPE[:2]), indexing="ij")
    distance = np.hypot(x[..., None] - curve[:, 0], y[..., None] - curve[:, 1])
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32), curve


def test_the_rod_stands_in_the_middle_of_the_block() -> None:
    rod, curve = leaning_rod()
    block = straighten(rod, (1, 1, 2), curve, (0.5, 0.5, 1.0), (32, 32))
    assert block.values.shape == (32, 32, 48)
    x, y = np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5, indexing="ij")
    for row in range(48):
        plane = block.values[:, :, row]
        centre = np.array([(plane * x).sum(), (plane * y).sum()]) / plane.sum()
        assert np.abs(centre).max() < 0.1


@pytest.mark.parametrize("spacing", [(1, 1, 2), (0.7, 1.3, 5), (0.4, 0.4, 0.8)])
def test_there_and_back_gives_the_rod(spacing: tuple[float, float, float]) -> None:
    rod, curve = leaning_rod(radius=6)
    width = (64, 128)
    block = straighten(rod, spacing, curve, (0.5, 0.5, 1.0), width)
    back = unstraighten(block, np.nan_to_num(block.values), SHAPE)
    a, b = rod > 0.5, back > 0.5
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.95


def test_outside_the_image_is_not_a_number_and_inside_is() -> None:
    volume = np.ones(SHAPE, np.float32)
    curve = np.full((SHAPE[2], 2), 2.0)
    block = straighten(volume, (1, 1, 1), curve, (1, 1, 1), (16, 16))
    # The curve runs at index 2: the block reaches from -5.5 to 9.5, the image starts at -0.5.
    assert np.isnan(block.values[:5]).all()
    assert np.array_equal(block.values[5:, 5:], np.ones((11, 11, SHAPE[2])))


def test_only_the_slices_of_the_curve_are_used() -> None:
    rod, curve = leaning_rod()
    curve[:4] = np.nan
    curve[20:] = np.nan
    block = straighten(rod, (1, 1, 1), curve, (1, 1, 1), (16, 16))
    assert block.first_slice == 4 and len(block.centres) == 16
    back = unstraighten(block, np.nan_to_num(block.values), SHAPE)
    assert not back[:, :, :4].any() and not back[:, :, 20:].any() and back[:, :, 4:20].any()


def test_a_single_slice_is_a_block_too() -> None:
    plane = np.random.default_rng(0).random((30, 30, 1), dtype=np.float32)
    block = straighten(plane, (1, 1, 6), np.array([[14.5, 14.5]]), (1, 1, 1), (16, 16))
    assert block.values.shape == (16, 16, 6)
    assert np.ptp(block.values, axis=2).max() == 0
    assert np.allclose(
        unstraighten(block, block.values, plane.shape)[8:22, 8:22], plane[8:22, 8:22]
    )
