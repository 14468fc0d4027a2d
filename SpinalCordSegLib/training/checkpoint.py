# SPDX-License-Identifier: Apache-2.0
"""Resumable training state: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


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
    optimizer : AdamW
    """

    step: int
    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.AdamW


def save_checkpoint(state: TrainingState, folder: Path) -> None:
    """Write the state; a reader never sees half of it."""
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for index, entries in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in entries.items()}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.safetensors.part"
    save_file(
        {k: v.contiguous().clone() for k, v in tensors.items()},
        temporary,
        metadata={"training": json.dumps({"step": state.step})},
    )
    os.replace(temporary, _file(folder))


def load_checkpoint(state: TrainingState, folder: Path) -> bool:
    """Bring the state back into `state`; return False where there is none."""
    if not _file(folder).is_file():
        return False
    tensors = load_file(_file(folder), device=str(next(state.network.parameters()).device))
    state.network.load_state_dict(_part(tensors, "network."))
    state.average.load_state_dict(_part(tensors, "average."))
    optimizer = state.optimizer.state_dict()
    for name, value in _part(tensors, "optimizer.").items():
        index, entry = name.split(".")
        optimizer["state"].setdefault(int(index), {})[entry] = value
    state.optimizer.load_state_dict(optimizer)
    state.step = _saved_step(folder)
    return True


def _file(folder: Path) -> Path:
    return folder / "checkpoint.safetensors"


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _saved_step(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(_file(folder), framework="pt") as handle:
        return int(json.loads(handle.metadata()["training"])["step"])
