# SPDX-License-Identifier: Apache-2.0
"""Resumable training state: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import InvalidArgument


@dataclass
class TrainingState:
    """What a run needs to go on as if it had not stopped.

    Attributes
    ----------
    step : int
        Steps done.
    network : Module
    average : Module
        Moving average of `network`.
    optimizer : Adam or AdamW
    first : dict of str to Tensor
        The weights that it began from; empty where they were random. Not in the checkpoint: who
        goes on with a run begins from the same.
    best : dict of str to Tensor
        What was kept when it did best in validation; empty before the first.
    best_dice : float
        How well; -1 before the first.
    best_step : int
    """

    step: int
    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    first: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    best_dice: float = -1.0
    best_step: int = 0


def save_checkpoint(state: TrainingState, folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the state; a reader never sees half of it.

    Parameters
    ----------
    identity : mapping
        What the run is, in JSON types: a run with another one does not go on from here.
    """
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    for index, entries in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in entries.items()}
    scalars = {"step": state.step, "best_dice": state.best_dice, "best_step": state.best_step}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.safetensors.part"
    save_file(
        {k: v.contiguous().clone() for k, v in tensors.items()},
        temporary,
        metadata={"training": json.dumps({**scalars, "identity": dict(identity)})},
    )
    os.replace(temporary, _file(folder))


def load_checkpoint(state: TrainingState, folder: Path, identity: Mapping[str, Any]) -> bool:
    """Bring the state back into `state`; return False where there is none.

    Raises
    ------
    InvalidArgument
        If the checkpoint is that of another run.
    """
    if not _file(folder).is_file():
        return False
    scalars = _scalars(folder)
    _check_identity(scalars["identity"], identity, folder)
    tensors = load_file(_file(folder), device=str(next(state.network.parameters()).device))
    state.network.load_state_dict(_part(tensors, "network."))
    state.average.load_state_dict(_part(tensors, "average."))
    state.best = _part(tensors, "best.")
    optimizer = state.optimizer.state_dict()
    for name, value in _part(tensors, "optimizer.").items():
        index, entry = name.split(".")
        optimizer["state"].setdefault(int(index), {})[entry] = value
    state.optimizer.load_state_dict(optimizer)
    state.step = int(scalars["step"])
    state.best_dice, state.best_step = float(scalars["best_dice"]), int(scalars["best_step"])
    return True


def _check_identity(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    # As JSON gives it back: tuples are lists there.
    wanted = json.loads(json.dumps(dict(wanted)))
    differing = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
    if differing:
        raise InvalidArgument(
            f"{folder} holds a training with another {', '.join(differing)}",
            "choose another folder with -o, or remove its checkpoint.safetensors to begin again",
        )


def _file(folder: Path) -> Path:
    return folder / "checkpoint.safetensors"


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _scalars(folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(_file(folder), framework="pt") as handle:
        scalars: dict[str, Any] = json.loads(handle.metadata()["training"])
        return scalars
