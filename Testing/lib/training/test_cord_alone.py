# SPDX-License-Identifier: Apache-2.0
"""What is shown of a sample: the cord alone, as it may have been found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SpinalCordSegLib.training.cord_alone import cord_alone
from SpinalCordSegLib.training.randomness import seeded

X, Y = torch.meshgrid(*(torch.arange(64, dtype=torch.float32),) * 2, indexing="ij")
AWAY = torch.hypot(X - 32, Y - 32)
CORD = (16.5 - AWAY).clamp(0, 1)
GRAY = (6.5 - AWAY).clamp(0, 1)


def plane() -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (64, 64))).float()
    image = torch.where(AWAY < 17, 100 + 30 * GRAY, 400.0) + noise
    return image[None], torch.stack([CORD, GRAY])


def test_outside_the_cord_nothing_is_shown_and_nothing_taught() -> None:
    image, target = cord_alone(*plane(), seeded((0,)), 0.25, False)
    assert image.shape == target.shape == (1, 64, 64)
    assert not image[0][AWAY > 21].any() and image[0][AWAY < 12].all()
    assert torch.equal(torch.isnan(target[0]), CORD == 0)
    assert torch.equal(target[0][CORD > 0], GRAY[CORD > 0])


@pytest.mark.parametrize(("pixel_mm", "most"), [(0.25, 2.5), (0.5, 1.5)])
def test_the_outline_is_off_by_half_a_millimetre_at_most(pixel_mm: float, most: float) -> None:
    radii = []
    for seed in range(40):
        image, _ = cord_alone(*plane(), seeded((seed,)), pixel_mm, False)
        shown = image[0] != 0
        radii.append(float(shown.sum() / torch.pi) ** 0.5)
        # Off to one side, and larger.
        assert (AWAY[shown] < 17 + 2 * most).all()
    assert 15.5 < min(radii) < 16.5 < 17.2 < max(radii) < 17 + most


def test_a_plane_is_a_block_of_one() -> None:
    image, target = plane()
    flat = cord_alone(image, target, seeded((5,)), 0.25, True)
    block = cord_alone(image[..., None], target[..., None], seeded((5,)), 0.25, True)
    for one, other in zip(flat, block, strict=True):
        torch.testing.assert_close(one, other[..., 0], equal_nan=True)
