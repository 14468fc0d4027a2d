# SPDX-License-Identifier: Apache-2.0
"""Training configurations: one TOML file a model."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..resources import resources_folder

MODELS = ("centerline", "cord", "gray_matter")


@dataclass(frozen=True)
class TrainingConfiguration:
    """Everything that decides what a training run gives.

    Attributes
    ----------
    model : str
        What is trained: a key of :data:`MODELS`.
    architecture, parameters : str, dict
        As :func:`SpinalCordSegLib.networks.build_network` takes them.
    patch_voxels : (X, Y, Z)
        Z = 1 for a network of axial slices.
    spacing_mm : (x, y, z)
    off_centre_mm : (x, y)
        How far the cord may lie from the middle of a patch.
    end_fraction : float
        Share of samples at the brainstem or below the conus.
    batch : int
        Samples a step.
    steps : int
    learning_rate : float
        At its peak; warmed up over `warm_up` steps, then a cosine down to 1 %.
    weight_decay : float
    average : float
        Decay of the moving average of the weights, which is what is kept.
    threshold : float
        Above which a probability counts as cord; chosen on the development scans.
    seed : int
    """

    model: str
    architecture: str
    parameters: dict[str, Any]
    patch_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    off_centre_mm: tuple[float, float]
    end_fraction: float
    batch: int
    steps: int
    learning_rate: float
    warm_up: int
    weight_decay: float
    average: float
    threshold: float
    seed: int


def read_configuration(model: str, path: Path | None = None) -> TrainingConfiguration:
    """Return the configuration of a model, ours unless a file is given.

    Raises
    ------
    InvalidArgument
        If the model is not known, or the file cannot be read or lacks a field.
    """
    if model not in MODELS:
        raise InvalidArgument(f"there is no model {model!r}", f"choose one of {', '.join(MODELS)}")
    path = path or resources_folder() / "training" / f"{model}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path.name} is not a training configuration ({error})",
            "give a TOML file like those in Resources/training",
        ) from error
    for name in ("patch_voxels", "spacing_mm", "off_centre_mm"):
        values[name] = tuple(values.get(name, ()))
    try:
        return TrainingConfiguration(model=model, **values)
    except TypeError as error:
        raise InvalidArgument(
            f"{path.name} lacks a field or has one too many ({error})",
            "compare it with those in Resources/training",
        ) from error
