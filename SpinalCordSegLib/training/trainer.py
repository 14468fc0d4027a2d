# SPDX-License-Identifier: Apache-2.0
"""The one trainer: samples in, averaged weights out; stops and resumes anywhere."""

from __future__ import annotations

import copy
import csv
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ..networks import Network, build_network, place
from .anatomy import AtlasTensors
from .batches import TrainingImages, training_batch
from .checkpoint import TrainingState, load_checkpoint, save_checkpoint
from .configuration import TrainingConfiguration
from .losses import (
    cross_entropy,
    dice_and_cross_entropy,
    mean_dice_loss,
    negative_dice,
    soft_dice_loss,
    where_drawn,
)
from .scan_patches import ScanPatches
from .schedule import learning_rate
from .start import start_from
from .validation import HeldBack, held_back, validation_dice

_LOG_EVERY = 25
_SAVE_EVERY = 100
_SCANS_HEADER = ["scan", "role", "slices"]
_LOG_HEADER = ["step", "loss", "dice", "validation_dice", "seconds"]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_OPTIMIZER: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes
    ----------
    network : Module
        In evaluation mode: the moving average of the weights, with their share of those that
        training began from, as it was when it did best in validation, or at the end where there
        is no validation.
    step : int
        Steps to that.
    validation_dice : float, optional
        How well it did.
    """

    network: nn.Module
    step: int
    validation_dice: float | None = None


def train(
    configuration: TrainingConfiguration,
    atlas: AtlasTensors | None,
    folder: Path,
    progress: Callable[[float, str], None] | None = None,
    scans: ScanPatches | None = None,
    device: str | torch.device | None = None,
) -> Trained:
    """Train a network, or go on with the run that `folder` holds.

    Parameters
    ----------
    configuration : TrainingConfiguration
    atlas : AtlasTensors, optional
        What to make synthetic samples from, on the device to train on.
    folder : Path
        Gets ``checkpoint.safetensors``, ``log.csv`` and, of scans, ``scans.csv``: which were
        trained on and which held back.
    progress : callable, optional
        Called after every step with the fraction done and what the last row of the log says; what
        it raises stops the run, after a checkpoint.
    scans : ScanPatches, optional
        Instead of synthetic samples; with an atlas, half and half.
    device : str, optional
        Torch device; that of the atlas by default.

    Returns
    -------
    Trained

    Raises
    ------
    InvalidArgument
        If `folder` holds another training, or the weights to start from do not fit.
    """
    if atlas is None and scans is None:
        raise ValueError("there is nothing to train on: give an atlas, scans or both")
    device = device or (atlas.tissue.device if atlas else "cpu")
    configuration = configuration.with_steps(scans.patches if scans else None)
    images = TrainingImages(atlas, scans)
    identity = _identity(configuration, images)
    state = _start(configuration, torch.device(device))
    resumed = load_checkpoint(state, folder, identity)
    state.network.train()
    log = _Log(folder / "log.csv", state.step)
    if scans:
        _write_rows(folder / "scans.csv", [_SCANS_HEADER, *map(list, scans.roles)])
    pieces = held_back(configuration, images)
    started = time.monotonic()
    message = "learning"
    try:
        if pieces and not resumed:
            log.write(0, validation_dice=_validate(state, configuration, pieces))
        while state.step < configuration.steps:
            log.note(*_step(state, configuration, images))
            last = state.step == configuration.steps
            measured = None
            if pieces and (last or state.step % configuration.validate_every == 0):
                measured = _validate(state, configuration, pieces)
            if last or measured is not None or state.step % _LOG_EVERY == 0:
                message = log.write(state.step, measured, time.monotonic() - started)
            if progress:
                # After every step, what the table's last row says: a step may take half a minute.
                progress(state.step / configuration.steps, message)
            if state.step % _SAVE_EVERY == 0:
                save_checkpoint(state, folder, identity)
    finally:
        save_checkpoint(state, folder, identity)
    kept = _kept(state, configuration)
    if not state.best:
        return Trained(kept, state.step)
    kept.load_state_dict(state.best)
    return Trained(kept, state.best_step, state.best_dice)


def _identity(configuration: TrainingConfiguration, images: TrainingImages) -> dict[str, Any]:
    """Return what has to be the same for a run to go on: all but how long it is to take."""
    values = dataclasses.asdict(configuration)
    identity = {k: v for k, v in values.items() if k not in ("steps", "epochs", "epoch_steps")}
    identity["scans"] = images.scans.roles if images.scans else []
    identity["synthetic samples"] = images.atlas is not None
    return identity


def _start(configuration: TrainingConfiguration, device: torch.device) -> TrainingState:
    torch.manual_seed(configuration.seed)
    network = build_network(configuration.architecture, configuration.parameters)
    if configuration.start_from:
        start_from(network, configuration.start_from)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.momentum = configuration.batch_norm_momentum
    network = place(network, device)
    optimizer = _OPTIMIZER[configuration.optimizer](
        network.parameters(),
        lr=configuration.learning_rate,
        weight_decay=configuration.weight_decay,
    )
    first = copy.deepcopy(network.state_dict()) if configuration.start_from else {}
    return TrainingState(0, network, copy.deepcopy(network), optimizer, first)


def _step(
    state: TrainingState, configuration: TrainingConfiguration, images: TrainingImages
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one step; return its loss and its soft Dice."""
    device = next(state.network.parameters()).device
    image, target = (part.to(device) for part in training_batch(configuration, images, state.step))
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(configuration, state.step)
    # Dropout draws from here: by the step, so that a resumed run draws the same.
    torch.manual_seed(_step_seed(configuration.seed, state.step))
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        logits = state.network.logits(image)  # type: ignore[operator]
    logits = logits.float()
    loss = _loss(configuration)(logits, target)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.step += 1
    _move_average(state, configuration.average)
    logits, target, _ = where_drawn(logits.detach(), target)
    dice = 1 - soft_dice_loss(torch.sigmoid(logits), target).mean()
    # Not yet numbers: to wait for them at every step would keep a GPU idle.
    return loss.detach(), dice


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


def _loss(configuration: TrainingConfiguration) -> Loss:
    weighted = {"dice_and_cross_entropy": dice_and_cross_entropy, "cross_entropy": cross_entropy}
    if configuration.loss in weighted:
        return partial(weighted[configuration.loss], inside_weight=configuration.inside_weight)
    return {"dice": mean_dice_loss, "negative_dice": negative_dice}[configuration.loss]


def _validate(
    state: TrainingState, configuration: TrainingConfiguration, pieces: Sequence[HeldBack]
) -> float:
    """Return how well the weights do that would be kept; keep them unless others did better."""
    kept = _kept(state, configuration)
    dice = validation_dice(cast(Network, kept), pieces, configuration)
    if dice >= state.best_dice:
        state.best_dice, state.best_step = dice, state.step
        state.best = dict(kept.state_dict())
    return dice


@torch.no_grad()
def _kept(state: TrainingState, configuration: TrainingConfiguration) -> nn.Module:
    """Return the moving average with its share of the weights that training began from."""
    kept = copy.deepcopy(state.average).eval()
    for name, value in kept.state_dict().items():
        if state.first and value.dtype.is_floating_point:
            value.lerp_(state.first[name], configuration.start_share)
    return kept


@torch.no_grad()
def _move_average(state: TrainingState, decay: float) -> None:
    # A young average would remember the random start: follow closely at first.
    decay = min(decay, state.step / (state.step + 20))
    current = state.network.state_dict()
    for name, value in state.average.state_dict().items():
        if value.dtype.is_floating_point:
            value.mul_(decay).add_(current[name], alpha=1 - decay)
        else:
            value.copy_(current[name])


@dataclass
class _Log:
    """The table of a run; what an interrupted run wrote past its checkpoint is taken back."""

    path: Path
    step: int
    noted: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = []
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as handle:
                rows = [row for row in csv.reader(handle) if row[0].isdecimal()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [row for row in rows if int(row[0]) <= self.step]
        _write_rows(self.path, [_LOG_HEADER, *(kept if self.step else [])])

    def note(self, loss: torch.Tensor, dice: torch.Tensor) -> None:
        """Remember a step until the next row."""
        self.noted.append((loss, dice))

    def write(self, step: int, validation_dice: float | None = None, seconds: float = 0.0) -> str:
        """Add a row with the means since the last; return it in words."""
        row, words = ["", ""], f"step {step}"
        if self.noted:
            loss, dice = (
                float(torch.stack(column).mean()) for column in zip(*self.noted, strict=True)
            )
            row = [f"{loss:.4f}", f"{dice:.4f}"]
            words += f": loss {loss:.3f}, Dice {dice:.3f}"
            self.noted.clear()
        if validation_dice is not None:
            words += f", validation {validation_dice:.3f}"
        measured = "" if validation_dice is None else f"{validation_dice:.4f}"
        with self.path.open("a", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerow([step, *row, measured, f"{seconds:.0f}"])
        return words


def _write_rows(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)
