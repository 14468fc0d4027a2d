# SPDX-License-Identifier: Apache-2.0
"""What a Keras file holds: its arrays, in the names and the axis order of torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py

MOST_BYTES = 256 * 2**20
"""The largest published file has 10 MB; more than this is something else."""


@dataclass(frozen=True)
class KerasNetwork:
    """What a Keras file holds, in the terms of this project.

    Attributes
    ----------
    architecture : str
        A key of ``networks.ARCHITECTURES``.
    parameters : dict
        Its arguments.
    arrays : dict of str to array
        Its state: names and axis order of torch, float32.
    """

    architecture: str
    parameters: dict[str, Any]
    arrays: dict[str, np.ndarray]


def convolution(
    weights: h5py.Group, layer: str, target: str, dimensions: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Give kernel and bias of a layer; Keras has the spatial axes of a kernel first."""
    kernel = _array(weights, layer, "kernel:0")
    require(kernel.ndim == dimensions + 2, f"the kernel of {layer} has {kernel.ndim} axes")
    # (k..., in, out) becomes (out, in, k...); (k..., out, in), the transposed, (in, out, k...).
    order = (kernel.ndim - 1, kernel.ndim - 2, *range(dimensions))
    yield f"{target}.weight", np.ascontiguousarray(kernel.transpose(order))
    yield f"{target}.bias", _array(weights, layer, "bias:0")


def batch_normalisation(
    weights: h5py.Group, layer: str, target: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Give the arrays of a batch normalisation."""
    names = {
        "weight": "gamma:0",
        "bias": "beta:0",
        "running_mean": "moving_mean:0",
        "running_var": "moving_variance:0",
    }
    for ours, theirs in names.items():
        yield f"{target}.{ours}", _array(weights, layer, theirs)


def layer_names(file: h5py.File) -> list[str]:
    """Return the names of the layers, in no order that means anything."""
    return [_text(name) for name in file.attrs.get("layer_names", ())]


def stored(weights: h5py.Group, layer: str, name: str) -> h5py.Dataset:
    """Return a stored array that lies in this very file, in full."""
    import h5py

    group = weights
    # Keras repeats the name of the layer: conv2d_1/conv2d_1/kernel:0.
    for part in (layer, layer, name):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        require(isinstance(link, h5py.HardLink), f"{name} of {layer} is missing")
        group = group[part]
    require(
        isinstance(group, h5py.Dataset)
        and group.dtype == np.float32
        and group.nbytes <= MOST_BYTES
        and not group.external
        and not group.is_virtual,
        f"{name} of {layer} is not an array of float32",
    )
    return group


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError`` where a condition does not hold."""
    if not condition:
        raise ValueError(message)


def _array(weights: h5py.Group, layer: str, name: str) -> np.ndarray:
    return np.array(stored(weights, layer, name)[()], dtype=np.float32)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
