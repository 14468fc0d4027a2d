# SPDX-License-Identifier: Apache-2.0
"""The lumbar enlargement: where people have it, as wide as they have it, nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SpinalCordSegLib.training.lumbar_enlargement import enlarge_lumbar_cord
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.tissue_atlas import ATLAS_SPACING_MM, TissueAtlas

# mm of the straight spine, across and along; the tip of the cord is at 0.
AXES = (torch.linspace(-15, 15, 61), torch.linspace(-15, 15, 61), torch.linspace(-40, 160, 101))


def _position() -> torch.Tensor:
    return torch.stack(torch.meshgrid(*AXES, indexing="ij"))


def _widths(seed: int, radius_mm: float) -> np.ndarray:
    """Return how wide a cord of a radius has become at each height, as a share."""
    position = _position()
    found = enlarge_lumbar_cord(position, position[2], seeded((seed,)))
    areas = [(p[0] ** 2 + p[1] ** 2 < radius_mm**2).sum(dim=(0, 1)) for p in (found, position)]
    return (areas[0] / areas[1]).sqrt().numpy()


@pytest.mark.parametrize("seed", range(5))
def test_cords_are_wider_in_the_lumbar_segments_alone(seed: int) -> None:
    widths = _widths(seed, 4.0)
    height = AXES[2].numpy()
    assert (widths[(height < 8) | (height > 98)] == 1).all()
    full = widths[(height >= 32) & (height <= 62)]
    assert full.min() >= 1 and full.max() < 1.35
    assert widths.max() == full.max()


def test_people_differ_in_it() -> None:
    widest = [_widths(seed, 4.0).max() for seed in range(12)]
    assert max(widest) > 1.2 and min(widest) < 1.1


@pytest.mark.parametrize("seed", range(5))
def test_nothing_folds_and_the_vertebrae_stay(seed: int) -> None:
    position = _position()
    found = enlarge_lumbar_cord(position, position[2], seeded((seed,)))
    assert (found[0].diff(dim=0) > 0).all() and (found[1].diff(dim=1) > 0).all()
    far = position[0] ** 2 + position[1] ** 2 > 14**2
    assert float((found - position)[:, far].abs().max()) < 0.4


@pytest.mark.parametrize("lowest", [98.0, -250.0])
def test_elsewhere_nothing_is_changed(lowest: float) -> None:
    position = _position()
    found = enlarge_lumbar_cord(position, position[2] - float(AXES[2][0]) + lowest, seeded((4,)))
    assert found is position


def test_what_is_drawn_later_stays() -> None:
    position, random = _position(), seeded((4,))
    found = enlarge_lumbar_cord(position, position[2], random)
    assert not torch.equal(found, position)
    assert random.uniform(0, 1) == seeded((4,)).uniform(0, 1)


def test_real_cords_become_as_wide_as_published(template_atlas: TissueAtlas) -> None:
    inside = template_atlas.cord > 127
    lowest = template_atlas.cord_slices[0]
    # The segment L3, 39 to 50 mm above the tip.
    segment = inside[:, :, lowest + 78 : lowest + 100]
    width_mm = ATLAS_SPACING_MM * segment.any(axis=1).sum(axis=0).mean()
    grown = np.mean([_widths(seed, width_mm / 2).max() for seed in range(40)])
    # Frostell 2016: 9.4 +- 1.5 mm.
    assert width_mm < 8.4
    assert 9.0 < grown * width_mm < 9.8
