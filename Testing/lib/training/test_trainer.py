# SPDX-License-Identifier: Apache-2.0
"""The trainer on a tiny network: it learns, it stops, it resumes to the same bits."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import Cancelled, InvalidArgument
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.batches import TrainingImages
from SpinalCordSegLib.training.configuration import TrainingConfiguration
from SpinalCordSegLib.training.losses import (
    dice_and_cross_entropy,
    mean_dice_loss,
    negative_dice,
    soft_dice_loss,
)
from SpinalCordSegLib.training.trainer import train
from SpinalCordSegLib.training.validation import held_back, validation_dice


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
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_every_step_is_told_even_where_the_log_has_none(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    told: list[tuple[float, str]] = []
    train(replace(configuration, steps=4), atlas, tmp_path, lambda *words: told.append(words))
    assert [fraction for fraction, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[0][1] == "learning" and told[-1][1].startswith("step 4: loss")


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


def test_dice_is_measured_for_each_structure() -> None:
    target = torch.zeros(1, 2, 4)
    target[0, 1, 0] = 1
    # All of the first, none of the second: (0 + 1) / (0 + 1) and 1 - (0 + 1) / (1 + 1).
    assert soft_dice_loss(torch.zeros(1, 2, 4), target).tolist() == [[0.0, 0.5]]


def test_a_small_structure_can_count_more() -> None:
    target = torch.tensor([[[0.0, 1.0]]])
    logits = torch.zeros(1, 1, 2)
    plain, weighted = (float(dice_and_cross_entropy(logits, target, w)) for w in (1.0, 9.0))
    # Half of the mean of two terms ln 2, of which one counts nine times.
    assert weighted - plain == pytest.approx(0.5 * 8 * math.log(2) / 2)


@pytest.mark.parametrize("loss_of", [dice_and_cross_entropy, mean_dice_loss, negative_dice])
def test_what_nobody_drew_is_not_counted(
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    target = torch.tensor([[[1.0, 0.0, torch.nan]]])
    losses = []
    for guess in (-4.0, 4.0):
        logits = torch.tensor([[[2.0, -1.0, guess]]], requires_grad=True)
        loss = loss_of(logits, target)
        loss.backward()
        assert logits.grad is not None and logits.grad[0, 0, 2] == 0
        assert (logits.grad[0, 0, :2] != 0).all()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_another_training_is_not_gone_on_with(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    train(configuration, atlas, tmp_path)
    train(replace(configuration, steps=8), atlas, tmp_path)
    for change in ({"learning_rate": 1e-3}, {"seed": 4}, {"batch": 3}):
        with pytest.raises(InvalidArgument, match=next(iter(change))):
            train(replace(configuration, **change), atlas, tmp_path)


def test_the_weights_that_do_best_in_validation_are_kept(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    chosen = replace(configuration, steps=40, validate_every=10, validation_samples=4)
    trained = train(chosen, atlas, tmp_path)
    with (tmp_path / "log.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["validation_dice"]]
    assert [int(row["step"]) for row in rows] == [0, 10, 20, 30, 40]
    best = max(rows, key=lambda row: float(row["validation_dice"]))
    assert trained.step == int(best["step"])
    assert f"{trained.validation_dice:.4f}" == best["validation_dice"]
    pieces = held_back(chosen, TrainingImages(atlas))
    assert validation_dice(trained.network, pieces, chosen) == trained.validation_dice


def test_batch_normalisation_gets_its_momentum(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    # A learning rate of 0 leaves nothing to change but the running statistics.
    means = []
    for momentum in (0.0, 0.9):
        chosen = replace(
            configuration, steps=1, learning_rate=0.0, batch_norm_momentum=momentum, average=0.0
        )
        network = train(chosen, atlas, tmp_path / str(momentum)).network
        means.append(network.state_dict()["encoder.0.0.1.running_mean"])
    assert not means[0].any() and means[1].any()
