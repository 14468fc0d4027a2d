# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: where they lie, reading them without trust, writing them in one piece."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from ..errors import OutOfResources, OutputNotWritable, WeightsCorrupt, WeightsMissing
from ..failures import user_error
from .registry import published_named, shipped_folder, shipped_weights
from .specification import WeightsSpecification

if TYPE_CHECKING:  # listing weights should not cost the import of torch
    import torch

    from ..networks import Network

FOLDER_VARIABLE = "SPINALCORDSEG_WEIGHTS"
SUFFIX = ".safetensors"
KERAS_SUFFIXES = (".h5", ".hdf5")

_METADATA_KEY = "spinalcordseg"
# Within the description: SHA-256 of the rest of it and of the numbers, so that a file can be
# checked wherever it goes. Not beside it: safetensors writes several entries in any order.
_DIGEST_KEY = "sha256"


@dataclass(frozen=True)
class LoadedWeights:
    """A network ready to run, what it is, and the hash of the file it came from.

    Attributes
    ----------
    network : Network
        In evaluation mode, on the CPU.
    specification : WeightsSpecification
    sha256 : str
        Of the file, in hexadecimal.
    """

    network: Network
    specification: WeightsSpecification
    sha256: str


def weights_folder() -> Path:
    """Return the user's folder of weights: ``SPINALCORDSEG_WEIGHTS``, or the system's cache.

    The folder need not exist.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "spinalcordseg" / "weights"


def locate(path_or_name: str | os.PathLike[str]) -> Path:
    """Return the file of a set of weights.

    Parameters
    ----------
    path_or_name : str or path
        A path to a .safetensors, .h5 or .hdf5 file; or a name, which has no suffix, looked for
        among the weights that ship, then in :func:`weights_folder`.

    Raises
    ------
    WeightsMissing
        If there is no such file.
    """
    path = Path(path_or_name)
    if path.name == str(path_or_name) and not path.suffix:
        return _named(path.name)
    if not path.is_file():
        raise WeightsMissing(f"the weights file {path} does not exist", "check its name and folder")
    return path


def is_installed(name: str) -> bool:
    """Tell whether a set of that name lies in :func:`weights_folder`."""
    return (weights_folder() / f"{name}{SUFFIX}").is_file()


def read_weights(path: Path) -> LoadedWeights:
    """Return the network of a safetensors file.

    Raises
    ------
    WeightsMissing
        If the file does not exist or cannot be opened.
    WeightsCorrupt
        If it is damaged, is no weights file of this project, or is not the file that ships.
    """
    digest = file_sha256(path)
    _check_pin(path, digest)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies, so that nothing keeps hold of the file once it is read.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    description, stated = _description(metadata, path)
    specification = _specification(description, path)
    if stated not in (None, _content_digest(description, tensors)):
        raise WeightsCorrupt(f"{path} is damaged: its hash differs", _get_again(path))
    network = assemble(specification, tensors, path)
    return LoadedWeights(network, specification, digest)


def verify_weights_file(path: Path) -> None:
    """Read all of a safetensors file and compare it with the hash that it carries, or ships with.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        As :func:`read_weights`; also if there is no hash to compare with.
    """
    read_weights(path)
    if not _is_pinned(path) and _description(_metadata(path), path)[1] is None:
        raise WeightsCorrupt(f"{path} carries no hash to check it by", _get_again(path))


def read_specification(path: Path) -> WeightsSpecification:
    """Return what a safetensors file says of itself; its numbers are not read.

    Raises
    ------
    WeightsCorrupt
        If it cannot be read or is no weights file of this project.
    """
    return _specification(_description(_metadata(path), path)[0], path)


def save_weights(
    network: Network, specification: WeightsSpecification, path: str | os.PathLike[str]
) -> str:
    """Write a network as safetensors, whole or not at all.

    Parameters
    ----------
    network : Network
    specification : WeightsSpecification
        Must describe `network`.
    path : str or path
        Replaced if it exists.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    ValueError
        If the specification describes another network.
    OutputNotWritable, OutOfResources
        If the file cannot be written; nothing of it remains.
    """
    from safetensors.torch import save

    tensors = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    problem = _mismatch(specification, tensors)
    if problem:
        raise ValueError(f"the specification does not describe the network: {problem}")
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    description = specification.to_json()
    digest = _content_digest(description, tensors)
    text = json.dumps({**description, _DIGEST_KEY: digest}, sort_keys=True)
    content = save(tensors, {_METADATA_KEY: text})
    _write_whole(content, Path(path))
    return hashlib.sha256(content).hexdigest()


def assemble(
    specification: WeightsSpecification, tensors: Mapping[str, torch.Tensor], path: Path
) -> Network:
    """Return the network of a specification with the given numbers, in evaluation mode.

    Raises
    ------
    WeightsCorrupt
        If a tensor is missing, superfluous, of the wrong shape or type, or not finite.
    """
    problem = _mismatch(specification, tensors) or _not_finite(tensors)
    if problem:
        raise WeightsCorrupt(
            f"{path} does not hold the network it names: {problem}", _get_again(path)
        )
    network = _skeleton(specification)
    network.load_state_dict(dict(tensors), assign=True)
    return network.eval()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises
    ------
    WeightsMissing
        If it does not exist or cannot be opened.
    """
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise ``WeightsMissing`` where a file of weights does not exist or cannot be opened."""
    try:
        yield
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"the weights file {path} does not exist", "check its name and folder"
        ) from error
    except OSError as error:
        raise WeightsMissing(
            f"the weights file {path} cannot be opened ({error.strerror})",
            "check that it is a file and that you may read it",
        ) from error


def _named(name: str) -> Path:
    folders = (shipped_folder(), weights_folder())
    for folder in folders:
        path = folder / f"{name}{SUFFIX}"
        if path.is_file():
            return path
    if published_named(name) is not None:
        raise WeightsMissing(
            f"the published weights {name} are not on this computer",
            f"get them with `spinalcordseg weights fetch {name}`",
        )
    raise WeightsMissing(
        f"there are no weights named {name} in {folders[0]} or {folders[1]}",
        "see `spinalcordseg weights list` for those that exist",
    )


def _is_shipped(path: Path) -> bool:
    return path.resolve().parent == shipped_folder().resolve()


def _is_pinned(path: Path) -> bool:
    return _is_shipped(path) and path.stem in shipped_weights()


def _check_pin(path: Path, digest: str) -> None:
    pinned = shipped_weights()[path.stem] if _is_pinned(path) else None
    if pinned not in (None, digest):
        raise WeightsCorrupt(
            f"{path} has SHA-256 {digest}, not the {pinned} it shipped with", _get_again(path)
        )


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsCorrupt:
    return WeightsCorrupt(
        f"{path} is damaged or is not a safetensors file ({error})", _get_again(path)
    )


def _content_digest(description: object, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of a description and of every tensor: name, type, shape and bytes."""
    import torch

    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _description(metadata: Mapping[str, str], path: Path) -> tuple[object, object]:
    """Return what a file says of itself, and the hash it says it has; None without one."""
    if _METADATA_KEY not in metadata:
        raise WeightsCorrupt(
            f"{path} is a safetensors file but does not say which network it holds",
            "give a file that SpinalCordSeg wrote",
        )
    try:
        description = json.loads(metadata[_METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise _unusable(path, error) from error
    stated = description.pop(_DIGEST_KEY, None) if isinstance(description, dict) else None
    return description, stated


def _specification(description: object, path: Path) -> WeightsSpecification:
    try:
        return WeightsSpecification.from_json(description)
    except (ValueError, RecursionError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> WeightsCorrupt:
    return WeightsCorrupt(f"the description in {path} cannot be used ({error})", _get_again(path))


def _skeleton(specification: WeightsSpecification) -> Network:
    """Return the network without numbers: no memory is spent on what a file merely claims."""
    import torch

    from ..networks import build_network

    with torch.device("meta"):
        return build_network(specification.architecture, specification.parameters)


def _mismatch(
    specification: WeightsSpecification, tensors: Mapping[str, torch.Tensor]
) -> str | None:
    """Say how `tensors` differ from those of the specified network; None if they do not."""
    try:
        wanted: dict[str, Any] = _skeleton(specification).state_dict()
    except (TypeError, ValueError, RuntimeError, IndexError, OverflowError, MemoryError) as error:
        return f"its architecture cannot be built ({str(error).splitlines()[0]})"
    missing = sorted(wanted.keys() - tensors.keys())
    if missing:
        return f"{missing[0]} is missing"
    unknown = sorted(tensors.keys() - wanted.keys())
    if unknown:
        return f"{unknown[0]} does not belong to it"
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            return f"{name} has shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
        if tensor.dtype != wanted[name].dtype:
            return f"{name} is {tensor.dtype}, not {wanted[name].dtype}"
    return None


def _not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            return f"{name} holds values that are not finite"
    return None


def _get_again(path: Path) -> str:
    if _is_shipped(path):
        return "install SpinalCordSeg again"
    return "get the file again from where it came"


def _write_whole(content: bytes, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(user_error(error), OutOfResources):
            raise OutOfResources(
                f"the disk is too full to write {path}", "free some space and try again"
            ) from error
        raise OutputNotWritable(
            f"{path} cannot be written ({error.strerror})", "choose a folder you may write to"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
