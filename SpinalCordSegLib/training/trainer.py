# SPDX-License-Identifier: Apache-2.0
"""The one trainer: synthetic samples in, averaged weights out; stops and resumes anywhere."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ..networks import build_network, place
from .anatomy import AnatomyRange, AtlasTensors
from .checkpoint import TrainingState, load_checkpoint, save_checkpoint
from .configuration import TrainingConfiguration
from .losses import dice_and_cross_entropy, negative_dice, soft_dice_loss
from .randomness import seeded
from .repeated_images import repeated_sample
from .samples import synthetic_sample

_LOG_EVERY = 25
_SAVE_EVERY = 100

_LOSS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "dice_and_cross_entropy": dice_and_cross_entropy,
    "negative_dice": negative_dice,
}


def train(
    configuration: TrainingConfiguration,
    atlas: AtlasTensors,
    folder: Path,
    progress: Callable[[float, str], None] | None = None,
) -> nn.Module:
    """Train a network, or go on with the run that `folder` holds.

    Parameters
    ----------
    atlas : AtlasTensors
        On the device to train on.
    folder : Path
        Gets ``checkpoint.safetensors`` and ``log.csv``.
    progress : callable, optional
        Called with the fraction done and a message; what it raises stops the run, after a
        checkpoint.

    Returns
    -------
    Module
        The moving average of the weights, in evaluation mode.
    """
    device = atlas.tissue.device
    state = _start(configuration, device)
    load_checkpoint(state, folder)
    state.network.train()
    losses: list[tuple[float, float]] = []
    started = time.monotonic()
    try:
        while state.step < configuration.steps:
            losses.append(_step(state, configuration, atlas))
            if state.step % _LOG_EVERY == 0 or state.step == configuration.steps:
                loss, dice = (sum(column) / len(column) for column in zip(*losses, strict=True))
                losses.clear()
                _log(folder, state.step, loss, dice, time.monotonic() - started)
                if progress:
                    message = f"step {state.step}: loss {loss:.3f}, Dice {dice:.3f}"
                    progress(state.step / configuration.steps, message)
            if state.step % _SAVE_EVERY == 0:
                save_checkpoint(state, folder)
    finally:
        save_checkpoint(state, folder)
    return state.average.eval()


def _start(configuration: TrainingConfiguration, device: torch.device) -> TrainingState:
    torch.manual_seed(configuration.seed)
    network = place(build_network(configuration.architecture, configuration.parameters), device)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=configuration.learning_rate,
        weight_decay=configuration.weight_decay,
    )
    return TrainingState(0, network, copy.deepcopy(network), optimizer)


def _step(
    state: TrainingState, configuration: TrainingConfiguration, atlas: AtlasTensors
) -> tuple[float, float]:
    """Take one step; return its loss and its soft Dice."""
    image, target = _batch(configuration, atlas, state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = _learning_rate(configuration, state.step)
    device = image.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        logits = state.network.logits(image)  # type: ignore[operator]
    loss = _LOSS[configuration.loss](logits.float(), target)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.step += 1
    _move_average(state, configuration.average)
    dice = 1 - soft_dice_loss(torch.sigmoid(logits.detach().float()), target).mean()
    return float(loss.detach()), float(dice)


def _batch(
    configuration: TrainingConfiguration, atlas: AtlasTensors, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    if configuration.images is None:
        samples = _fresh_samples(configuration, atlas, step)
    else:
        places = range(step * configuration.batch, (step + 1) * configuration.batch)
        samples = [repeated_sample(atlas, configuration, place) for place in places]
    images, targets = zip(*samples, strict=True)
    image = torch.stack(images)
    layout = torch.channels_last if image.ndim == 4 else torch.channels_last_3d
    return image.contiguous(memory_format=layout), torch.stack(targets)


def _fresh_samples(
    configuration: TrainingConfiguration, atlas: AtlasTensors, step: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    half = seeded((configuration.seed, step)).chance(configuration.half_windows)
    share = 0.5 if half else 1.0
    x, y, z = configuration.patch_voxels
    off_x, off_y = configuration.off_centre_mm
    shape = (round(x * share), round(y * share), z)
    ranges = AnatomyRange((off_x * share, off_y * share), configuration.end_fraction)
    return [
        synthetic_sample(
            atlas, (configuration.seed, step, index), shape, configuration.spacing_mm, ranges
        )
        for index in range(configuration.batch)
    ]


def _learning_rate(configuration: TrainingConfiguration, step: int) -> float:
    warm = min(1.0, (step + 1) / configuration.warm_up)
    if configuration.schedule == "linear":
        begun = step // configuration.epoch_steps * configuration.epoch_steps
        return configuration.learning_rate * warm * (1 - begun / configuration.steps)
    cosine = 0.5 * (1 + math.cos(math.pi * step / configuration.steps))
    return configuration.learning_rate * warm * (0.01 + 0.99 * cosine)


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


def _log(folder: Path, step: int, loss: float, dice: float, seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        if new:
            writer.writerow(["step", "loss", "dice", "seconds"])
        writer.writerow([step, f"{loss:.4f}", f"{dice:.4f}", f"{seconds:.0f}"])
