# SPDX-License-Identifier: Apache-2.0
"""Samples along a curve that strays: at the conus it goes over to the middle of the sac."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from SpinalCordSegLib.training import straightened
from SpinalCordSegLib.training.acquisition import ANY_SEQUENCE
from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.samples import synthetic_sample
from SpinalCordSegLib.training.straightened import straightened_sample
from SpinalCordSegLib.training.tissues import Tissue

SHAPE, SPACING = (40, 40, 60), (1.0, 1.0, 1.5)
CONUS = AnatomyRange((0.0, 0.0), 1.0, HEALTHY, straightened=True, conus_share=1.0)
WHOLE_VIEW = replace(ANY_SEQUENCE, cut_axes=0.0)


@pytest.fixture
def beside(atlas: AtlasTensors) -> AtlasTensors:
    """A spine whose sac has its middle 4 mm behind the cord's."""
    tissue = atlas.tissue.clone()
    x, y = np.meshgrid(np.arange(101) - 50, np.arange(101) - 50, indexing="ij")
    sac = torch.from_numpy(np.hypot(x, y + 8) < 22)[:, :, None]
    tissue[(tissue == Tissue.CSF) & ~sac] = Tissue.BACKGROUND
    tissue[(tissue >= Tissue.BACKGROUND) & sac] = Tissue.CSF
    return replace(atlas, tissue=tissue)


def test_the_sac_is_what_holds_the_cord_and_its_fluid(beside: AtlasTensors) -> None:
    ranges = AnatomyRange((0.0, 0.0), 0.0, HEALTHY)
    for index in range(4):
        _, (cord, sac) = synthetic_sample(
            beside, (7, index), SHAPE, SPACING, ranges, ("cord", "sac"), WHOLE_VIEW
        )
        assert (sac[cord > 0.99] == 1).float().mean() > 0.97
        assert cord.sum() < 0.6 * sac.sum() and sac.mean() < 0.6


def test_near_the_tip_the_curve_leaves_the_cord_for_the_sac(
    beside: AtlasTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    strayed = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(straightened, "_TO_THE_SAC", share)
        strayed[share] = [_off_at_the_tip(beside, index) for index in range(16)]
    assert max(abs(off) for off in strayed[0.0]) < 1.2
    # It lies in front of the sac's middle, which some of the curves reach above the tip.
    assert max(strayed[1.0]) > 2.5 and min(strayed[1.0]) > -1.2


def test_away_from_the_conus_it_does_not(
    beside: AtlasTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(straightened, "_TO_THE_SAC", 1.0)
    chest = replace(CONUS, end_fraction=0.0)
    inside = []
    for index in range(8):
        cord = _cord(beside, index, chest)
        if bool(cord[..., 0].any()):
            inside.append(float(_middle(cord).abs().max()))
    assert len(inside) >= 3 and max(inside) < 1.2


def _off_at_the_tip(atlas: AtlasTensors, index: int) -> float:
    """Return how far in front of the curve the lowest cm of the cord is, voxels; 0 where none."""
    cord = _cord(atlas, index, CONUS)
    rows = torch.nonzero(cord.sum((0, 1)) > 10).flatten()
    if not rows.numel() or not rows[0]:
        return 0.0
    return float(_middle(cord)[rows[0] : rows[0] + 7].mean())


def _cord(atlas: AtlasTensors, index: int, ranges: AnatomyRange) -> torch.Tensor:
    seed = (8, index)
    _, cord = straightened_sample(
        atlas, seed, SHAPE, SPACING, ranges, WHOLE_VIEW, seeded((*seed, 2))
    )
    return cord[0]


def _middle(cord: torch.Tensor) -> torch.Tensor:
    """Return how far anterior of the middle the cord (X, Y, Z) is on each row, voxels; 0: none."""
    place = torch.arange(cord.shape[1]) - (cord.shape[1] - 1) / 2
    mass = cord.sum((0, 1))
    middle = (cord.sum(0) * place[:, None]).sum(0) / mass.clamp(min=1e-6)
    return torch.where(mass > 10, middle, 0.0)
