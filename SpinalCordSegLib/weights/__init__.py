# SPDX-License-Identifier: Apache-2.0
"""The numbers of the networks: which exist, where they are, and loading them without trust."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .specification import Preprocessing, WeightsSpecification
from .store import (
    KERAS_SUFFIXES,
    LoadedWeights,
    is_installed,
    locate,
    read_weights,
    save_weights,
)

if TYPE_CHECKING:
    from ..networks import Network

__all__ = [
    "LoadedWeights",
    "Preprocessing",
    "WeightsSpecification",
    "is_installed",
    "keep_weights",
    "load_network",
    "load_weights",
    "locate",
    "save_weights",
]

_kept: dict[tuple[str, int, int], LoadedWeights] | None = None


def load_weights(path_or_name: str | os.PathLike[str]) -> LoadedWeights:
    """Return a network with its specification and the hash of its file.

    Parameters
    ----------
    path_or_name : str or path
        The name of a set (``spinalcordseg weights list``), a safetensors file of this project,
        or a published Keras file (.h5, .hdf5), whose hash must be one on record.

    Raises
    ------
    WeightsMissing
        If there is no such file, or h5py is needed and not installed.
    WeightsCorrupt
        If the file is damaged, or not what it is said to be.
    UnsupportedWeights
        If it is a published file whose architecture this version does not have.
    """
    path = locate(path_or_name)
    if _kept is None:
        return _load(path)
    state = path.stat()
    version = (str(path), state.st_size, state.st_mtime_ns)
    if version not in _kept:
        _kept[version] = _load(path)
    return _kept[version]


def keep_weights() -> None:
    """From now on keep in memory what is loaded: for a process that segments many images.

    A file that changes meanwhile is loaded anew.
    """
    global _kept
    _kept = {} if _kept is None else _kept


def load_network(path_or_name: str | os.PathLike[str]) -> Network:
    """Return a network in evaluation mode.

    Its input is (N, 1, X, Y) or (N, 1, X, Y, Z) after normalisation, X right to left, Y
    posterior to anterior, Z inferior to superior; its output has the same shape and holds
    probabilities.

    Parameters
    ----------
    path_or_name : str or path
        See :func:`load_weights`, which also says what is raised.
    """
    return load_weights(path_or_name).network


def _load(path: Path) -> LoadedWeights:
    if path.suffix.lower() in KERAS_SUFFIXES:
        from .keras_import import import_weights

        return import_weights(path)
    return read_weights(path)
