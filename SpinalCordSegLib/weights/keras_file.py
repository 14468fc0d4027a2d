# SPDX-License-Identifier: Apache-2.0
"""From a Keras file to a network of ours: which one it is, and its arrays.

The graph in a file is folded back into the U-Net it describes, every layer being checked on the
way; then the arrays are renamed and put into the axis order of torch. The gray-matter files hold
arrays alone: their layers are known by name. Nothing stored in a file is ever executed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import WeightsMissing
from .keras_arrays import KerasNetwork, batch_normalisation, convolution, layer_names, require
from .keras_graph import Block, UNet, unet_from_graph, unet_from_names
from .keras_gray_matter import gray_matter_network

if TYPE_CHECKING:
    import h5py


def read_keras(content: bytes) -> KerasNetwork:
    """Return the network in a Keras file, whatever it is called and whoever wrote it.

    Parameters
    ----------
    content : bytes
        Of an HDF5 file: a full model (graph and weights), or the weights alone of a plain U-Net
        or of the gray-matter network.

    Raises
    ------
    ValueError
        If it is not such a file, or holds another kind of network; the message says which.
    WeightsMissing
        If h5py is not installed.
    """
    require_h5py()
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read(file)
    except (OSError, RuntimeError, LookupError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is not a readable Keras file ({error})") from error


def require_h5py() -> None:
    """Make sure that Keras files can be read.

    Raises
    ------
    WeightsMissing
        If h5py is not installed.
    """
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise WeightsMissing(
            "reading the published Keras files needs the package h5py, which is not installed",
            'install it with `pip install "spinalcordseg[import]"`',
        ) from error


def _read(file: h5py.File) -> KerasNetwork:
    if "model_config" not in file.attrs and "amort" in layer_names(file):
        return gray_matter_network(file)
    if "model_config" in file.attrs:
        unet = unet_from_graph(file.attrs["model_config"])
        weights = file["model_weights"]
    else:
        weights = file
        unet = unet_from_names(file)
    architecture, parameters, prefixes, ups = _architecture(unet)
    arrays: dict[str, np.ndarray] = {}
    for level, prefix in zip(unet.levels, prefixes, strict=True):
        for index, block in enumerate(level):
            arrays |= convolution(
                weights, block.convolution, f"{prefix}.{index}.0", unet.dimensions
            )
            if block.norm:
                arrays |= batch_normalisation(weights, block.norm, f"{prefix}.{index}.1")
    for name, target in zip(unet.ups, ups, strict=True):
        arrays |= convolution(weights, name, target, unet.dimensions)
    arrays |= convolution(weights, unet.head, "head", unet.dimensions)
    return KerasNetwork(architecture, parameters, arrays)


def _architecture(unet: UNet) -> tuple[str, dict[str, Any], list[str], list[str]]:
    """Return the architecture, its arguments, and its names of the levels and the upsamplings."""
    depth = unet.depth
    encoder, bottleneck, decoder = (
        unet.levels[:depth],
        unet.levels[depth],
        unet.levels[depth + 1 :],
    )
    levels = (
        [f"encoder.{level}" for level in range(depth)]
        + ["bottleneck"]
        + [f"decoder.{level}" for level in range(depth)]
    )
    paired = all(len(level) == 2 for level in unet.levels)
    dilated = any(block.dilation > 1 for block in unet.blocks)
    filters = encoder[0][0].filters if depth else 0
    if unet.dimensions == 3 and not unet.learned_ups and paired and not dilated:
        require(unet.batch_norm, "it is a 3D U-Net without batch normalisation")
        parameters: dict[str, Any] = {
            "encoder": _channels(encoder),
            "bottleneck": _channels([bottleneck])[0],
            "decoder": _channels(decoder),
        }
        return "unet3d", parameters, levels, []
    require(unet.dimensions == 2 and unet.learned_ups, "its levels are not those of the papers")
    if unet.batch_norm and depth == 2 and all(len(level) == 2 for level in decoder):
        dilations = [[block.dilation for block in level] for level in (*encoder, bottleneck)]
        require(dilations[0] == dilations[1], "the dilations of its levels differ")
        require(
            all(block.dilation == 1 for level in decoder for block in level),
            "its expanding path is dilated",
        )
        parameters = {
            "filters": filters,
            "encoder_dilations": dilations[0],
            "bottleneck_dilations": dilations[2],
        }
        names = ["encoder1", "encoder2", "bottleneck", "decoder2", "decoder1"]
        return "dilated_unet2d", parameters, names, ["up2", "up1"]
    require(paired and not dilated, "its levels are not those of the papers")
    parameters = {"filters": filters, "depth": depth, "batch_norm": unet.batch_norm}
    return "unet2d", parameters, levels, [f"up.{level}" for level in range(depth)]


def _channels(levels: Sequence[Sequence[Block]]) -> list[list[int]]:
    return [[block.filters for block in level] for level in levels]
