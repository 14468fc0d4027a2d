# SPDX-License-Identifier: Apache-2.0
"""Training configurations: one TOML file a model."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..resources import resources_folder

MODELS = ("centerline", "cord", "gray_matter", "csm_unet")
LOSSES = ("dice_and_cross_entropy", "negative_dice")
SCHEDULES = ("cosine", "linear")


@dataclass(frozen=True)
class RepeatedImages:
    """A limited set of images that training sees again and again, as a clinical set would be.

    Attributes
    ----------
    count : int
        Different images.
    copies : int
        How often each is seen in an epoch, each time changed at random.
    right_angle_turns : bool
        Turn each copy by 0, 90, 180 or 270 degrees and mirror every other.
    crop_voxels : (X, Y), optional
        Cut a piece of this size anywhere out of each copy.
    """

    count: int
    copies: int
    right_angle_turns: bool = False
    crop_voxels: tuple[int, int] | None = None


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
        At its peak; warmed up over `warm_up` steps.
    weight_decay : float
    average : float
        Decay of the moving average of the weights, which is what is kept.
    threshold : float
        Above which a probability counts as cord; chosen on the development scans.
    seed : int
    half_windows : float
        Share of the steps whose patches are half as wide, with the cord half as far off the
        middle: four times cheaper.
    loss : str
        One of :data:`LOSSES`.
    schedule : str
        ``cosine``: down to 1 % of the learning rate, step by step. ``linear``: down to 0, by the
        same amount an epoch where there are epochs.
    images : RepeatedImages, optional
        By default no image is seen twice, and there are no epochs.
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
    half_windows: float = 0.0
    loss: str = "dice_and_cross_entropy"
    schedule: str = "cosine"
    images: RepeatedImages | None = None

    @property
    def epoch_steps(self) -> float:
        """Steps in which every image is seen `images.copies` times; one where none repeats."""
        return self.images.count * self.images.copies / self.batch if self.images else 1.0


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
        if "images" in values:
            values["images"] = _repeated_images(values["images"])
        chosen = TrainingConfiguration(model=model, **values)
    except TypeError as error:
        raise InvalidArgument(
            f"{path.name} lacks a field or has one too many ({error})",
            "compare it with those in Resources/training",
        ) from error
    for name, known in (("loss", LOSSES), ("schedule", SCHEDULES)):
        if getattr(chosen, name) not in known:
            raise InvalidArgument(
                f"{path.name} asks for an unknown {name}, {getattr(chosen, name)!r}",
                f"choose one of {', '.join(known)}",
            )
    return chosen


def _repeated_images(values: dict[str, Any]) -> RepeatedImages:
    crop = values.get("crop_voxels")
    return RepeatedImages(**{**values, "crop_voxels": tuple(crop) if crop else None})
