# SPDX-License-Identifier: Apache-2.0
"""Overlapping windows along a block, with a network that marks what is bright."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from SpinalCordSegLib.errors import Cancelled
from SpinalCordSegLib.segmentation.patches import predict_along


class Bright(nn.Module):
    """Stands for a network: probability 1 where the normalised value is positive."""

    dimensions = 3
    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.lengths.append(x.shape[-1])
        return (x > 0).float()


def rod(rows: int) -> np.ndarray:
    values = np.zeros((16, 16, rows), np.float32)
    values[5:11, 5:11] = 100
    return values


@pytest.mark.parametrize("rows", [1, 5, 31, 32, 33, 48, 100])
def test_any_length_is_covered(rows: int) -> None:
    network = Bright()
    probability = predict_along(rod(rows), network, 32)  # type: ignore[arg-type]
    assert np.array_equal(probability, (rod(rows) > 0).astype(np.float32))
    assert set(network.lengths) == {32}


def test_a_brightness_that_drifts_along_the_cord_does_not_matter() -> None:
    drifting = (rod(96) + 20) * np.linspace(1, 30, 96, dtype=np.float32)
    probability = predict_along(drifting, Bright(), 16)  # type: ignore[arg-type]
    wrong = (probability > 0.5) != (rod(96) > 0)
    assert wrong.mean() < 0.01


def test_outside_the_image_there_is_no_cord() -> None:
    values = rod(40)
    values[:, :7] = np.nan
    probability = predict_along(values, Bright(), 32)  # type: ignore[arg-type]
    assert not probability[:, :7].any() and probability[8, 8, 20] == 1


def test_a_network_that_prefers_one_side_is_averaged_with_its_mirror_image() -> None:
    class RightSide(Bright):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            marked = torch.zeros_like(x)
            marked[:, :, :8] = 1
            return marked

    both = predict_along(rod(32), RightSide(), 32)  # type: ignore[arg-type]
    once = predict_along(rod(32), RightSide(), 32, mirrored=False)  # type: ignore[arg-type]
    assert (both == 0.5).all()
    assert (once[:8] == 1).all() and not once[8:].any()


def test_progress_can_stop_it() -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        predict_along(rod(32), Bright(), 32, progress=stop)  # type: ignore[arg-type]
