# SPDX-License-Identifier: Apache-2.0
"""Training configurations: one TOML file a model, and one a published protocol."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..resources import resources_folder

MODELS = (
    "centerline",
    "cord",
    "cord_sagittal",
    "cord_ends",
    "lesion",
    "gray_matter",
    "csm_unet",
)
LOSSES = ("dice_and_cross_entropy", "cross_entropy", "dice", "negative_dice")
OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "linear", "poly", "constant")
INTENSITIES = ("zscore", "cord")
AXES = ("x", "y", "z")

# What differs when weights that exist go on with the user's scans.
_FINE_TUNING = "fine_tuning"

_CHOICES = {
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "intensity": INTENSITIES,
}

_REMEDY = "compare it with those in Resources/training"


@dataclass(frozen=True)
class RepeatedImages:
    """A limited set of images that training sees again and again, as a clinical set would be.

    Attributes
    ----------
    count : int
        Different synthetic images; of scans there are as many as there are.
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
class Augmentation:
    """How patches of scans are changed at random; synthetic ones are random already.

    Attributes
    ----------
    rotation_degrees : float
        Turned by up to this in the axial plane, either way.
    scale : float
        Larger or smaller in the axial plane by up to this share.
    elastic : (alpha, sigma), optional
        Displacement of each voxel in the axial plane: uniform noise in [-1, 1], smoothed by
        `sigma` voxels, times `alpha` voxels (Simard 2003).
    elastic_share : float
        Share of the patches that it is done to.
    flip_axes : tuple of str
        Axes, of ``x``, ``y`` and ``z``, along which half of the patches are mirrored.
    gamma : float
        Exponent of the intensities, between 1 / (1 + `gamma`) and 1 + `gamma`.
    bias : float
        Standard deviation, at most, of the logarithm of a smooth factor.
    noise : float
        Standard deviation, at most, of noise added to the normalised intensities.
    intensity_shift : float
        Added to the normalised intensities, at most, either way.
    lesion_edges : float
        Share of the edge of lesions that is eroded or dilated by a voxel.
    """

    rotation_degrees: float = 0.0
    scale: float = 0.0
    elastic: tuple[float, float] | None = None
    elastic_share: float = 1.0
    flip_axes: tuple[str, ...] = ()
    gamma: float = 0.0
    bias: float = 0.0
    noise: float = 0.0
    intensity_shift: float = 0.0
    lesion_edges: float = 0.0


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
        Share of synthetic samples at the brainstem or below the conus.
    as_scanned : float
        Share of the others in the neck or the lower back, where most scans are made.
    sagittal : float
        Share of synthetic samples seen in thick sagittal slices, and straightened where the network
        is 3D; of networks that find the cord or outline it.
    batch : int
        Samples a step.
    learning_rate : float
        At its peak; warmed up over `warm_up` steps.
    weight_decay : float
    average : float
        Decay of the moving average of the weights, which is what is kept.
    threshold : float
        Above which a probability counts as cord; chosen on the development scans.
    dark_fluid_threshold : float, optional
        The same where the fluid is darker than the cord, if it differs there.
    seed : int
    steps, epochs : int
        How long; one of the two.
    epoch_steps : int
        Steps of an epoch; by default as many as show every image, or patch of a scan, once.
    start_from : str, optional
        Weights to begin from, by name or file; by default random numbers.
    start_share : float
        Of those weights in what training gives, from 0 to 1: averaged with them, fine-tuned ones
        do better on what they did not see and forget less (Wortsman 2022, arXiv 2109.01903).
    half_windows : float
        Share of the steps whose patches are half as wide, with the cord half as far off the
        middle: four times cheaper.
    loss : str
        One of :data:`LOSSES`.
    inside_weight : float
        How much more the cross-entropy counts inside the structure than outside.
    intensity : str
        What the network sees, as :class:`~SpinalCordSegLib.weights.specification.Preprocessing`
        has it: ``zscore``, or ``cord`` for the cord alone, on its own scale.
    optimizer : str
        One of :data:`OPTIMIZERS`.
    schedule : str
        ``cosine``: down to 1 % of the learning rate, step by step. ``linear``, ``poly``: down to
        0 as the first power, or that of 0.9, of what is left, by the epoch where there are epochs.
        ``constant``.
    batch_norm_momentum : float
        Of the running statistics, as torch defines it: Keras' is one minus this.
    validate_every : int
        Steps from one look at the validation samples to the next. The weights that do best there
        are kept.
    validation_samples : int
        Synthetic ones, of seeds that training does not see; none where 0. Where there are scans,
        some of these are held back instead.
    slices : (int, int, int), optional
        How many slices of each scan, evenly spaced, to train on, to hold back, and to leave out to
        test on; by default all are trained on, or held back where their scan is.
    images : RepeatedImages, optional
        By default no synthetic image is seen twice, and there are no epochs of them.
    augmentation : Augmentation
    outlined_by : str, optional
        Weights, by name or file, whose outline of the cord the network sees beside the image.
    """

    model: str
    architecture: str
    parameters: dict[str, Any]
    patch_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    off_centre_mm: tuple[float, float]
    end_fraction: float
    batch: int
    learning_rate: float
    warm_up: int
    weight_decay: float
    average: float
    threshold: float
    seed: int
    steps: int = 0
    epochs: int = 0
    epoch_steps: int = 0
    as_scanned: float = 0.0
    sagittal: float = 0.0
    start_from: str | None = None
    start_share: float = 0.0
    dark_fluid_threshold: float | None = None
    half_windows: float = 0.0
    loss: str = "dice_and_cross_entropy"
    inside_weight: float = 1.0
    intensity: str = "zscore"
    optimizer: str = "adamw"
    schedule: str = "cosine"
    batch_norm_momentum: float = 0.1
    validate_every: int = 100
    validation_samples: int = 0
    slices: tuple[int, int, int] | None = None
    images: RepeatedImages | None = None
    augmentation: Augmentation = Augmentation()
    outlined_by: str | None = None

    @property
    def structures(self) -> tuple[str, ...]:
        """What has to be drawn: what the network outlines is last, before it what it is shown."""
        outlined = self.model if self.model in ("lesion", "gray_matter") else "cord"
        return ("cord", outlined) if self.intensity == "cord" else (outlined,)

    @property
    def fluid_up(self) -> bool:
        """Whether what is shown of the cord has the side of the fluid up: lesions look like it."""
        return self.model == "lesion"

    def with_steps(self, patches: int | None = None) -> TrainingConfiguration:
        """Return the configuration with `steps` and `epoch_steps` as numbers.

        Parameters
        ----------
        patches : int, optional
            Different patches of the scans, where training is on scans.

        Raises
        ------
        InvalidArgument
            If it is to train by the epoch, and nothing says how long that is.
        """
        count = patches or (self.images.count if self.images else 0)
        copies = self.images.copies if self.images else 1
        epoch_steps = self.epoch_steps or -(-count * copies // self.batch)
        if not self.epochs:
            return replace(self, epoch_steps=max(1, epoch_steps))
        if not epoch_steps:
            raise InvalidArgument(
                "the configuration counts epochs, and synthetic images never end",
                "give scans with --data, or the length of an epoch with --set epoch_steps=100",
            )
        return replace(self, steps=self.epochs * epoch_steps, epoch_steps=epoch_steps)


def read_configuration(
    model: str,
    path: str | Path | None = None,
    changes: Sequence[str] = (),
    fine_tuning: bool = False,
) -> TrainingConfiguration:
    """Return the configuration of a model.

    Parameters
    ----------
    model : str
        One of :data:`MODELS`.
    path : str or Path, optional
        A TOML file, or the name of one in ``Resources/training``; that of the model by default.
    changes : sequence of str
        Such as ``steps=100`` or ``parameters.filters=8``, in TOML, which replace what is there.
    fine_tuning : bool
        Take what the table ``fine_tuning`` says in the place of the rest, if there is one.

    Raises
    ------
    InvalidArgument
        If the model is not known, or the file or a change cannot be read or lacks a field.
    """
    if model not in MODELS:
        raise InvalidArgument(f"there is no model {model!r}", f"choose one of {', '.join(MODELS)}")
    path = _file(path or model)
    values = _read_toml(path)
    differing = values.pop(_FINE_TUNING, {})
    if fine_tuning:
        _merge(values, differing)
    for change in changes:
        _merge(values, _read_change(change))
    try:
        chosen = _from_values(model, values)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(
            f"{path.name} lacks a field or has one too many ({error})", _REMEDY
        ) from error
    problem = _problem(chosen)
    if problem:
        raise InvalidArgument(f"{path.name} {problem}", _REMEDY)
    return chosen


def _file(path: str | Path) -> Path:
    """Return a file, which may be named as those in ``Resources/training`` are, without suffix."""
    named = resources_folder() / "training" / f"{path}.toml"
    return named if Path(path).name == str(path) and named.is_file() else Path(path)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path.name} is not a training configuration ({error})",
            "give a TOML file like those in Resources/training, or the name of one of them",
        ) from error


def _read_change(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(
            f"{text!r} changes nothing in a configuration ({error})",
            "give for example --set steps=100 or --set loss='\"dice\"'",
        ) from error


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Put changes into a table, in place; tables within it are merged."""
    for name, change in changes.items():
        if isinstance(change, dict) and isinstance(values.get(name), dict):
            _merge(values[name], change)
        else:
            values[name] = change
    # To count steps is not to count epochs.
    for name, other in (("steps", "epochs"), ("epochs", "steps")):
        if name in changes:
            values.pop(other, None)


def _from_values(model: str, values: dict[str, Any]) -> TrainingConfiguration:
    values = _with_tuples(values)
    if "images" in values:
        values["images"] = RepeatedImages(**_with_tuples(values["images"]))
    if "augmentation" in values:
        values["augmentation"] = Augmentation(**_with_tuples(values["augmentation"]))
    return TrainingConfiguration(model=model, **values)


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _problem(chosen: TrainingConfiguration) -> str | None:
    """Say what makes no sense; None where all does."""
    for name, known in _CHOICES.items():
        if getattr(chosen, name) not in known:
            return f"asks for an unknown {name}, {getattr(chosen, name)!r}: {', '.join(known)}"
    for name, count in (("patch_voxels", 3), ("spacing_mm", 3), ("off_centre_mm", 2)):
        if len(getattr(chosen, name)) != count:
            return f"has {name} of {len(getattr(chosen, name))} numbers instead of {count}"
    if chosen.intensity == "cord" and chosen.model not in ("lesion", "gray_matter"):
        return "shows the cord alone, which only gray matter and lesions are looked for in"
    if chosen.model == "cord_ends" and not (chosen.images and chosen.outlined_by):
        return "lacks images and outlined_by: the ends are learnt from spines with their outline"
    if chosen.sagittal and chosen.model not in ("centerline", "cord", "cord_sagittal"):
        return "has sagittal slices, which are made to find the cord or to outline it"
    if not 0 <= chosen.start_share < 1:
        return f"has start_share = {chosen.start_share}: it must lie between 0 and 1"
    if (chosen.steps > 0) == (chosen.epochs > 0):
        return "must say how long training takes, by steps or by epochs"
    if not set(chosen.augmentation.flip_axes) <= set(AXES):
        return f"flips along unknown axes: they are {', '.join(AXES)}"
    return _wrong_type(chosen)


def _wrong_type(chosen: TrainingConfiguration) -> str | None:
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        if field.type in ("int", "float") and not isinstance(value, int | float):
            return f"has {field.name} = {value!r}, which is no number"
    return None
