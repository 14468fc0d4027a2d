# SPDX-License-Identifier: Apache-2.0
"""Perone's gray-matter network, from a Keras file of arrays alone: its layers are known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .keras_arrays import KerasNetwork, batch_normalisation, convolution, layer_names, require

if TYPE_CHECKING:
    import h5py

# Layer, our name of its block, number of the batch normalisation that follows it. The order of
# layers in the file is that of depth in the graph, so only the numbers tell which belongs where.
_ASPP_BLOCKS = (
    ("conv2d_1", "entry.0", 1),
    ("conv2d_2", "entry.1", 2),
    ("rate2_1", "dilated.0", 3),
    ("rate2_2", "dilated.1", 4),
    ("branch1x1_1", "near.0", 5),
    ("branch1x1_2", "near.1", 6),
    ("rate6_1", "branches.0.0", 7),
    ("rate6_2", "branches.0.1", 8),
    ("rate12_1", "branches.1.0", 9),
    ("rate12_2", "branches.1.1", 10),
    ("rate18_1", "branches.2.0", 11),
    ("rate18_2", "branches.2.1", 12),
    ("rate24_1", "branches.3.0", 13),
    ("rate24_2", "branches.3.1", 14),
    ("amort", "join", 16),
)
_ASPP_JOINED_NORM = 15
# Theirs: near, 6, 12, 18, global, 24. Ours ends with the global average.
_ASPP_JOINED = (0, 1, 2, 3, 5, 4)


def gray_matter_network(file: h5py.File) -> KerasNetwork:
    """Return the gray-matter network of a file of weights alone."""
    expected = {layer for layer, _, _ in _ASPP_BLOCKS} | {"predictions"}
    expected |= {f"batch_normalization_{number}" for number in range(1, 17)}
    names = set(layer_names(file))
    holding = {name for name in names if name in file and len(file[name])}
    require(
        expected <= names and holding <= expected, "its layers are not those of Perone's network"
    )
    arrays: dict[str, np.ndarray] = {}
    for layer, target, number in _ASPP_BLOCKS:
        arrays |= convolution(file, layer, f"{target}.0", 2)
        arrays |= batch_normalisation(file, f"batch_normalization_{number}", f"{target}.2")
    arrays |= batch_normalisation(file, f"batch_normalization_{_ASPP_JOINED_NORM}", "joined_norm")
    arrays |= convolution(file, "predictions", "head", 2)
    for name in [name for name in arrays if name.startswith("joined_norm.")]:
        arrays[name] = _reordered(arrays[name], 0)
    arrays["join.0.weight"] = _reordered(arrays["join.0.weight"], 1)
    filters, join_filters = (arrays[f"{name}.0.bias"].size for name in ("entry.0", "join"))
    return KerasNetwork("aspp", {"filters": filters, "join_filters": join_filters}, arrays)


def _reordered(array: np.ndarray, axis: int) -> np.ndarray:
    """Return an array whose blocks of channels are in the order of our branches."""
    require(array.shape[axis] % len(_ASPP_JOINED) == 0, "its branches differ in size")
    blocks = np.split(array, len(_ASPP_JOINED), axis)
    return np.concatenate([blocks[index] for index in _ASPP_JOINED], axis)
