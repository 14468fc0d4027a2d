# SPDX-License-Identifier: Apache-2.0
"""What a network needs besides its numbers: what it is for, and how to prepare an image for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

TASKS = ("centerline", "cord", "cord_sagittal", "cord_ends", "lesion", "gray_matter", "csm_unet")
CONTRASTS = ("any", "t1", "t2", "t2_ax", "t2s", "dwi")
INTENSITIES = ("percentile255", "zscore", "volume_zscore", "nyul", "cord")

# Percentiles of the image that Nyul standardisation maps to Preprocessing.landmarks.
NYUL_PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)

_FORMAT = 1

# Bounds on what a file may claim, far above anything real, so that checking it stays cheap.
_HUGE = 1e9
_MOST_PER_PARAMETER = 4096


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network.

    Attributes
    ----------
    spacing_mm : tuple of (float or None)
        Voxel size along X (right to left), Y (posterior to anterior), Z (inferior to superior);
        None keeps the image's own.
    patch_voxels : tuple of int
        Size of the input in training: (X, Y) or (X, Y, Z).
    intensity : str
        ``percentile255``: clip to the 2nd and 98th percentile of the volume, map these linearly
        to 0 and 255, then subtract `mean` and divide by `std`. ``nyul``: map the
        :data:`NYUL_PERCENTILES` of the volume to `landmarks`, then the same. ``zscore``:
        subtract the mean and divide by the standard deviation of the region itself; `mean` and
        `std` are not used. ``volume_zscore``: the same with the mean and standard deviation over
        all the slices that the network is shown. ``cord``: the cord alone, as
        :func:`~SpinalCordSegLib.segmentation.cord_scale.scaled_to_cord` scales it.
    mean, std : float
        In units of the mapped intensities.
    landmarks : tuple of float
        For ``nyul`` only, increasing, one a percentile.

    Raises
    ------
    ValueError
        If a value has no meaning.
    """

    spacing_mm: tuple[float | None, float | None, float | None]
    patch_voxels: tuple[int, ...]
    intensity: str
    mean: float = 0.0
    std: float = 1.0
    landmarks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require(
            len(self.spacing_mm) == 3
            and all(step is None or _is_positive(step) for step in self.spacing_mm),
            "spacing_mm must be three positive numbers or nulls",
        )
        _require(
            len(self.patch_voxels) in (2, 3)
            and all(_is_integer(size) and size > 0 for size in self.patch_voxels),
            "patch_voxels must be two or three positive whole numbers",
        )
        _require(self.intensity in INTENSITIES, f"unknown intensity {self.intensity!r}")
        _require(_is_number(self.mean), "mean must be a number")
        _require(_is_positive(self.std), "std must be a positive number")
        wanted = len(NYUL_PERCENTILES) if self.intensity == "nyul" else 0
        _require(
            len(self.landmarks) == wanted
            and all(_is_number(value) for value in self.landmarks)
            and list(self.landmarks) == sorted(set(self.landmarks)),
            f"landmarks must be {wanted} increasing numbers",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return {key: _listed(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: object) -> Preprocessing:
        """Return what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If something is missing, unknown or without meaning.
        """
        values = _checked_keys(cls, data)
        for key in ("spacing_mm", "patch_voxels", "landmarks"):
            if key in values:
                _require(isinstance(values[key], list), f"{key} must be a list")
                values[key] = tuple(values[key])
        return cls(**values)


@dataclass(frozen=True)
class WeightsSpecification:
    """What a set of weights is, where it comes from and how it is used.

    Attributes
    ----------
    name : str
        What the set is asked for by.
    task : str
        One of :data:`TASKS`.
    contrast : str
        One of :data:`CONTRASTS`.
    architecture : str
        A key of ``networks.ARCHITECTURES``.
    parameters : mapping
        Arguments of the architecture, in JSON types.
    preprocessing : Preprocessing
    threshold : float
        Probability from which on a voxel counts, between 0 and 1.
    licence, source, citation : str
        For a person to read.
    dark_fluid_threshold : float, optional
        The same where the fluid around the cord is darker than the cord, if it differs there.

    Raises
    ------
    ValueError
        If a value has no meaning.
    """

    name: str
    task: str
    contrast: str
    architecture: str
    parameters: Mapping[str, Any] = field(hash=False)
    preprocessing: Preprocessing
    threshold: float
    licence: str
    source: str
    citation: str
    dark_fluid_threshold: float | None = None

    def __post_init__(self) -> None:
        for key in ("name", "task", "contrast", "architecture", "licence", "source", "citation"):
            _require(isinstance(getattr(self, key), str), f"{key} must be text")
        _require(bool(self.name), "name must not be empty")
        _require(self.task in TASKS, f"unknown task {self.task!r}")
        _require(self.contrast in CONTRASTS, f"unknown contrast {self.contrast!r}")
        _require(
            isinstance(self.parameters, Mapping)
            and all(isinstance(key, str) for key in self.parameters)
            and all(_is_modest(value) for value in self.parameters.values()),
            "parameters must map names to small numbers or lists of them",
        )
        _require(
            isinstance(self.preprocessing, Preprocessing),
            "preprocessing must be a Preprocessing",
        )
        for key in ("threshold", "dark_fluid_threshold"):
            value = getattr(self, key)
            _require(
                (value is None and key != "threshold") or (_is_number(value) and 0 < value < 1),
                f"{key} must lie between 0 and 1",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as JSON types, with the version of this format."""
        data = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        data["parameters"] = {key: _listed(value) for key, value in self.parameters.items()}
        data["preprocessing"] = self.preprocessing.to_json()
        return {"format": _FORMAT, **data}

    @classmethod
    def from_json(cls, data: object) -> WeightsSpecification:
        """Return what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If something is missing, unknown or without meaning, or the format is a later one.
        """
        _require(isinstance(data, dict), "the specification must be a JSON object")
        assert isinstance(data, dict)
        version = data.get("format")
        _require(version == _FORMAT, f"format {version!r} is not the known format {_FORMAT}")
        values = _checked_keys(cls, {key: data[key] for key in data if key != "format"})
        values["preprocessing"] = Preprocessing.from_json(values["preprocessing"])
        return cls(**values)


def _checked_keys(kind: type[Any], data: object) -> dict[str, Any]:
    _require(isinstance(data, dict), f"{kind.__name__} must be a JSON object")
    assert isinstance(data, dict)
    known = {entry.name for entry in fields(kind)}
    optional = {"mean", "std", "landmarks", "dark_fluid_threshold"}
    missing = sorted(known - optional - data.keys())
    _require(not missing, f"{', '.join(missing)} missing")
    unknown = sorted(str(key) for key in data.keys() - known)
    _require(not unknown, f"{', '.join(unknown)} unknown")
    return dict(data)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    # The bound also refuses infinities and, as every comparison with it is false, NaN.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0  # type: ignore[operator]


def _is_modest(value: object) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= _MOST_PER_PARAMETER and all(_is_modest(entry) for entry in value)
    return isinstance(value, bool) or (_is_number(value) and abs(value) <= _MOST_PER_PARAMETER)  # type: ignore[arg-type]


def _listed(value: Any) -> Any:
    """Return `value` with tuples, which JSON does not have, as lists."""
    if isinstance(value, list | tuple):
        return [_listed(entry) for entry in value]
    return value
