# SPDX-License-Identifier: Apache-2.0
"""Thick sagittal slices as the cascade sees them: the cord in the middle, voxels wide beside it."""

from __future__ import annotations

import torch

from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.sagittal_slices import sagittal_sample

SHAPE, SPACING = (32, 32, 24), (1.0, 1.0, 1.5)
RANGES = AnatomyRange((0.0, 0.0), 0.0, HEALTHY)


def test_the_seed_decides_everything(atlas: AtlasTensors) -> None:
    first, again, other = (
        sagittal_sample(atlas, seed, SHAPE, SPACING, RANGES) for seed in ((5, 1), (5, 1), (5, 2))
    )
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_the_cord_runs_down_the_middle_however_the_spine_leans(atlas: AtlasTensors) -> None:
    for index in range(12):
        _, cord = sagittal_sample(atlas, (1, index), SHAPE, SPACING, RANGES)
        assert float((_middle(cord, 0) - 15.5).abs().nan_to_num().max()) < 1.2
        assert float((_middle(cord, 1) - 15.5).abs().nan_to_num().max()) < 1.2


def test_the_curve_strays_as_far_as_it_may(atlas: AtlasTensors) -> None:
    strays = AnatomyRange((4.0, 0.0), 0.0, HEALTHY)
    off = torch.stack(
        [_middle(sagittal_sample(atlas, (2, i), SHAPE, SPACING, strays)[1], 0) for i in range(20)]
    )
    assert 1.5 < float((off - 15.5).abs().nan_to_num().max()) < 5.0


def test_an_image_is_normalised_and_blurred_across_its_slices(atlas: AtlasTensors) -> None:
    across = along = 0.0
    for index in range(12):
        image, cord = sagittal_sample(atlas, (3, index), SHAPE, SPACING, RANGES)
        assert image.shape == cord.shape == (1, *SHAPE)
        inside = image[image != 0]
        assert abs(float(inside.mean())) < 0.02 and abs(float(inside.std()) - 1) < 0.02
        across += float(image.diff(n=2, dim=1).abs().mean())
        along += float(image.diff(n=2, dim=2).abs().mean())
    assert across < 0.6 * along


def test_an_axial_cut_is_as_blurred_and_not_straightened(atlas: AtlasTensors) -> None:
    strays = AnatomyRange((9.0, 0.0), 0.0, HEALTHY)
    across = along = furthest = 0.0
    for index in range(20):
        image, cord = sagittal_sample(atlas, (4, index), (32, 32, 1), SPACING, strays)
        assert image.shape == cord.shape == (1, 32, 32)
        across += float(image.diff(n=2, dim=1).abs().mean())
        along += float(image.diff(n=2, dim=2).abs().mean())
        furthest = max(furthest, abs(float(_middle(cord[..., None], 0)) - 15.5))
    assert across < 0.6 * along
    assert furthest > 5.0


def _middle(cord: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the place of the cord (1, X, Y, Z) on each row, voxels; NaN where it ends."""
    place = torch.arange(cord.shape[axis + 1], dtype=torch.float32)
    over = cord[0].sum(dim=1 - axis)
    mass = over.sum(dim=0)
    return torch.where(mass > 10, (over * place[:, None]).sum(dim=0) / mass, torch.nan)
