# SPDX-License-Identifier: Apache-2.0
"""The trainer on a tiny network: it learns, it stops, it resumes to the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import Cancelled, InvalidArgument
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.configuration import (
    MODELS,
    TrainingConfiguration,
    read_configuration,
)
from SpinalCordSegLib.training.losses import dice_and_cross_entropy, soft_dice_loss
from SpinalCordSegLib.training.trainer import train


def test_the_loss_falls(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    train(replace(configuration, steps=75), atlas, tmp_path)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert len(losses) == 3 and losses[-1] < 0.85 * losses[0]


def test_a_killed_run_goes_on_to_the_same_bits(
    atlas: AtlasTensors,
    configuration: TrainingConfiguration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("SpinalCordSegLib.training.trainer._LOG_EVERY", 3)
    whole = train(configuration, atlas, tmp_path / "whole")

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        train(configuration, atlas, tmp_path / "stopped", stop)
    resumed = train(configuration, atlas, tmp_path / "stopped")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_soft_dice_by_hand() -> None:
    target = torch.tensor([[[1.0, 1, 0, 0]]])
    half = torch.tensor([[[1.0, 0, 1, 0]]])
    assert float(soft_dice_loss(target, target)) == 0
    # Overlap 1, squared sizes 2 and 2: 1 - (2 + 1) / (4 + 1).
    assert float(soft_dice_loss(half, target)) == pytest.approx(0.4)
    assert float(soft_dice_loss(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4))) == 0


def test_cross_entropy_pulls_where_there_is_no_cord() -> None:
    logits = torch.full((1, 1, 8), 2.0, requires_grad=True)
    dice_and_cross_entropy(logits, torch.zeros(1, 1, 8)).backward()
    assert logits.grad is not None and (logits.grad > 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_configuration(model: str) -> None:
    assert read_configuration(model).model == model


def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("batch = 3\nspeed = 9\n")
    with pytest.raises(InvalidArgument, match=r"mine\.toml"):
        read_configuration("cord", path)
    with pytest.raises(InvalidArgument, match="kidney"):
        read_configuration("kidney")
