# SPDX-License-Identifier: Apache-2.0
"""Reading the papers' Keras files as data: nothing stored in them is ever executed.

Only files whose content is known are read, or such that somebody trusts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnsupportedWeights, WeightsCorrupt, WeightsMissing
from .keras_arrays import MOST_BYTES
from .keras_file import read_keras
from .registry import PublishedWeights, identify, published_named, published_weights
from .store import LoadedWeights, assemble, reading, save_weights

SUPPORTED = ("aspp", "dilated_unet2d", "unet2d", "unet3d")


def import_weights(path: str | os.PathLike[str], like: str | None = None) -> LoadedWeights:
    """Return the network of a published Keras file.

    Parameters
    ----------
    path : str or path
        Its name does not matter, its content does.
    like : str, optional
        Give the name of a published set to read a file that is *not* one of the published ones:
        its hash is then not asked for, and preprocessing and threshold are those of that set.
        For files you trust: the HDF5 library itself can crash on one that is damaged.

    Raises
    ------
    WeightsMissing
        If there is no such file, or h5py is not installed.
    WeightsCorrupt
        If the file is none of the published ones (unless `like` is given), is damaged, or holds
        layers other than those of the papers' networks.
    UnsupportedWeights
        If this version does not have its architecture.
    """
    path = Path(path)
    return import_content(_content(path), path, like)


def import_content(content: bytes, path: Path, like: str | None = None) -> LoadedWeights:
    """Return the network of a published Keras file that has been read already.

    Parameters
    ----------
    content : bytes
    path : Path
        What to call it in messages.
    like : str, optional
        See :func:`import_weights`, which also says what is raised.
    """
    published = recognise(content, path) if like is None else set_named(like)
    if published.architecture not in SUPPORTED:
        raise UnsupportedWeights(
            f"{path} holds the network {published.architecture!r}, which is not supported yet",
            "choose other weights, or a later version of SpinalCordSeg",
        )
    digest = hashlib.sha256(content).hexdigest()
    try:
        found = read_keras(content)
    except ValueError as error:
        raise WeightsCorrupt(
            f"{path} does not hold a network of the papers: {error}",
            "get the file again from where it was published",
        ) from error
    if found.architecture != published.architecture:
        raise WeightsCorrupt(
            f"{path} holds a {found.architecture}, where {published.name} is a "
            f"{published.architecture}",
            "name the set it is like",
        )
    verified = published.url if like is None else f"{path.name}, not verified, used like {like}"
    specification = published.specification(found.parameters, f"{verified}, SHA-256 {digest}")
    if like is not None:
        specification = replace(specification, name=path.stem, licence="unknown")
    return LoadedWeights(
        assemble(specification, _tensors(found.arrays), path), specification, digest
    )


def convert(
    keras_path: str | os.PathLike[str],
    safetensors_path: str | os.PathLike[str],
    like: str | None = None,
) -> str:
    """Write a published Keras file as safetensors of this project, whole or not at all.

    Parameters
    ----------
    keras_path, safetensors_path : str or path
    like : str, optional
        See :func:`import_weights`, which also says what is raised.

    Returns
    -------
    str
        SHA-256 of the file written.
    """
    loaded = import_weights(keras_path, like)
    return save_weights(loaded.network, loaded.specification, safetensors_path)


def recognise(content: bytes, path: Path) -> PublishedWeights:
    """Return the published set that has exactly this content.

    Raises
    ------
    WeightsCorrupt
        If there is none; the message says whether `path` has the name of one.
    """
    published = identify(content)
    if published is not None:
        return published
    namesake = next((entry for entry in published_weights() if entry.file == path.name), None)
    if namesake is not None:
        raise WeightsCorrupt(
            f"{path} is not the file published under that name: its hash differs",
            f"get it again from {namesake.url}",
        )
    raise WeightsCorrupt(
        f"{path} is none of the published weights files this version knows",
        "if you trust it, import it with the name of the published set it is like",
    )


def set_named(name: str) -> PublishedWeights:
    """Return the published set of that name.

    Raises
    ------
    WeightsMissing
        If there is none.
    """
    published = published_named(name)
    if published is None:
        raise WeightsMissing(
            f"there is no published set of weights named {name}",
            f"choose one of {', '.join(entry.name for entry in published_weights())}",
        )
    return published


def _content(path: Path) -> bytes:
    with reading(path):
        if path.stat().st_size > MOST_BYTES:
            raise WeightsCorrupt(
                f"{path} is far larger than any published weights",
                "check that it is the file meant",
            )
        return path.read_bytes()


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in arrays:
        if name.endswith(".running_mean"):
            # Torch counts the batches it trained on; Keras does not.
            counter = name.removesuffix("running_mean") + "num_batches_tracked"
            tensors[counter] = torch.tensor(0, dtype=torch.int64)
    return tensors
