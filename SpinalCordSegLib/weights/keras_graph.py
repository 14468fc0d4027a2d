# SPDX-License-Identifier: Apache-2.0
"""From the layers of a Keras file to the levels of the U-Net that they are, each layer checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .keras_arrays import layer_names, require, stored

if TYPE_CHECKING:
    import h5py

_EPSILON = 1e-3

# Layers that change nothing when the network is used.
_IDENTITIES = ("Dropout", "Lambda")
_LAYERS = (
    "InputLayer",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "BatchNormalization",
    "Activation",
    "MaxPooling2D",
    "MaxPooling3D",
    "UpSampling3D",
    "Concatenate",
    *_IDENTITIES,
)


@dataclass
class Block:
    """A convolution, and what follows it up to the next one."""

    convolution: str
    filters: int
    dilation: int = 1
    norm: str | None = None
    activation: str = "linear"


@dataclass(frozen=True)
class UNet:
    """Blocks of each level: encoder downwards, bottleneck, decoder upwards."""

    dimensions: int
    levels: list[list[Block]]
    head: str
    ups: list[str]
    learned_ups: bool

    @property
    def depth(self) -> int:
        """How often it halves its input."""
        return len(self.levels) // 2

    @property
    def blocks(self) -> list[Block]:
        """Of all levels, in the order they are run; the output layer left out."""
        return [block for level in self.levels for block in level]

    @property
    def batch_norm(self) -> bool:
        """Whether every convolution is normalised."""
        return all(block.norm for block in self.blocks)


def unet_from_graph(text: str | bytes) -> UNet:
    """Return the U-Net that the graph in a Keras file describes, having checked each layer.

    Raises
    ------
    ValueError
        If it cannot be read, or is another network; the message says what is in the way.
    """
    return _fold(_graph(text))


def unet_from_names(file: h5py.File) -> UNet:
    """Return the U-Net of a file of weights alone, from the numbers in its layers' names."""
    names = layer_names(file)
    counts = {
        kind: sum(name.startswith(f"{kind}_") and name[len(kind) + 1 :].isdigit() for name in names)
        for kind in ("conv2d", "conv2d_transpose", "conv3d", "batch_normalization")
    }
    dimensions = 3 if counts["conv3d"] else 2
    kind = f"conv{dimensions}d"
    depth, remainder = divmod(counts[kind] - 3, 4)
    require(
        depth > 0 and remainder == 0 and not (counts["conv2d"] and counts["conv3d"]),
        "it has no graph, and its layers are not those of a plain U-Net",
    )
    # Nothing in the arrays tells how far apart the taps of a kernel are.
    require(
        dimensions == 3 or not counts["batch_normalization"],
        "it has no graph, so its dilations are not known",
    )
    require(
        counts["batch_normalization"] == (counts[kind] - 1 if dimensions == 3 else 0)
        and counts["conv2d_transpose"] == (depth if dimensions == 2 else 0),
        "it has no graph, and its layers are not those of a plain U-Net",
    )
    blocks = [
        Block(
            f"{kind}_{index}",
            stored(file, f"{kind}_{index}", "bias:0").shape[0],
            norm=f"batch_normalization_{index}" if dimensions == 3 else None,
            activation="relu",
        )
        for index in range(1, counts[kind])
    ]
    return UNet(
        dimensions,
        [blocks[start : start + 2] for start in range(0, len(blocks), 2)],
        f"{kind}_{counts[kind]}",
        [f"conv2d_transpose_{index + 1}" for index in range(counts["conv2d_transpose"])],
        learned_ups=dimensions == 2,
    )


@dataclass(frozen=True)
class _Layer:
    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]


def _graph(text: str | bytes) -> list[_Layer]:
    """Return the layers in the order they are run, those that change nothing left out."""
    try:
        layers = json.loads(text)["config"]["layers"]
        listed = [
            _Layer(
                str(entry["name"]),
                str(entry["class_name"]),
                dict(entry["config"]),
                tuple(str(node[0]) for node in (entry["inbound_nodes"] or [[]])[0]),
            )
            for entry in layers
        ]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError("its graph cannot be read") from error
    same_as: dict[str, str] = {}
    kept = []
    for layer in listed:
        require(layer.kind in _LAYERS, f"layer {layer.name} is of the unknown kind {layer.kind}")
        inputs = tuple(same_as.get(name, name) for name in layer.inputs)
        if layer.kind in _IDENTITIES:
            require(len(inputs) == 1, f"{layer.name} has {len(inputs)} inputs")
            require(
                layer.kind != "Lambda" or _divides_by_one(layer.config),
                f"{layer.name} is not the division by a temperature of 1 that the papers have",
            )
            same_as[layer.name] = inputs[0]
        else:
            kept.append(replace(layer, inputs=inputs))
    return kept


def _divides_by_one(config: Mapping[str, Any]) -> bool:
    # Keras stores [bytecode, defaults, closure]. The bytecode is left alone: in the published
    # files it divides by the one value of the closure, the temperature.
    function = config.get("function")
    return isinstance(function, list) and len(function) == 3 and function[1:] == [None, [1.0]]


def _fold(layers: Sequence[_Layer]) -> UNet:
    """Return the U-Net that a list of layers describes, having checked each of them."""
    require(len(layers) > 1 and layers[0].kind == "InputLayer", "its graph has no input")
    dimensions, channel_axis = _input(layers[0])
    levels: list[list[Block]] = [[]]
    skips: list[str] = []
    ups: list[_Layer] = []
    previous = layers[0]
    for layer in layers[1:]:
        require(
            layer.inputs[:1] == (previous.name,), f"{layer.name} does not follow {previous.name}"
        )
        require(
            len(layer.inputs) == (2 if layer.kind == "Concatenate" else 1),
            f"{layer.name} has {len(layer.inputs)} inputs",
        )
        _check_layer(layer, dimensions, channel_axis)
        if layer.kind == f"Conv{dimensions}D":
            levels[-1].append(_block(layer))
        elif layer.kind in ("BatchNormalization", "Activation"):
            require(bool(levels[-1]), f"{layer.name} follows no convolution")
            _add(levels[-1][-1], layer)
        elif layer.kind == f"MaxPooling{dimensions}D":
            require(not ups, f"{layer.name} follows an upsampling")
            skips.append(previous.name)
            levels.append([])
        elif layer.kind in ("Conv2DTranspose", "UpSampling3D"):
            ups.append(layer)
            levels.append([])
        elif layer.kind == "Concatenate":
            require(
                previous in ups and bool(skips) and layer.inputs[1] == skips.pop(),
                f"{layer.name} does not join an upsampling with the level it belongs to",
            )
        else:
            raise ValueError(f"{layer.name}, a {layer.kind}, has no place in a U-Net")
        previous = layer
    return _finished(dimensions, levels, ups, skips)


def _finished(
    dimensions: int, levels: list[list[Block]], ups: list[_Layer], skips: list[str]
) -> UNet:
    """Take the head off the last level and check that every level is whole."""
    require(not skips and len(levels) == 2 * len(ups) + 1, "its levels do not match")
    require(bool(levels[-1]), "it has no output layer")
    head = levels[-1].pop()
    require(
        head.filters == 1 and not head.norm and head.activation == "sigmoid",
        "its output is not one map of probabilities",
    )
    unet = UNet(
        dimensions,
        levels,
        head.convolution,
        [layer.name for layer in ups if layer.kind == "Conv2DTranspose"],
        learned_ups=bool(ups) and all(layer.kind == "Conv2DTranspose" for layer in ups),
    )
    require(all(unet.levels), "a level has no convolution")
    require(
        all(block.activation == "relu" for block in unet.blocks), "a convolution lacks its ReLU"
    )
    require(
        unet.batch_norm or not any(block.norm for block in unet.blocks),
        "some of its convolutions have batch normalisation, some have not",
    )
    return unet


def _input(layer: _Layer) -> tuple[int, int]:
    """Return the number of spatial dimensions, and 1 or -1 for the axis of the channels."""
    shape = layer.config.get("batch_input_shape")
    require(isinstance(shape, list) and len(shape) in (4, 5), "its input is no image")
    assert isinstance(shape, list)
    require(1 in (shape[1], shape[-1]), "its input has more than one channel")
    return len(shape) - 2, 1 if shape[1] == 1 else -1


def _check_layer(layer: _Layer, dimensions: int, channel_axis: int) -> None:
    """Refuse a layer of other channel axis, step or upsampling than the papers' networks have."""
    config = layer.config
    stated = config.get("data_format")
    wanted = "channels_first" if channel_axis == 1 else "channels_last"
    require(stated in (None, wanted), f"{layer.name} is {stated}, the input {wanted}")
    if "axis" in config:
        last = dimensions + 1 if channel_axis == -1 else 1
        require(config["axis"] in (channel_axis, last), f"{layer.name} has the wrong axis")
    require(
        config.get("interpolation") in (None, "nearest"), f"{layer.name} is not nearest-neighbour"
    )
    require(
        layer.kind != "Conv2DTranspose" or config.get("activation") == "linear",
        f"{layer.name} has an activation",
    )
    for key in ("strides", "pool_size", "size"):
        if key in config:
            step = 1 if layer.kind in ("Conv2D", "Conv3D") else 2
            require(config[key] == [step] * dimensions, f"{layer.name} has {key} {config[key]}")


def _block(layer: _Layer) -> Block:
    config = layer.config
    kernel = config.get("kernel_size")
    dilations = config.get("dilation_rate", [1])
    filters = config.get("filters")
    if not isinstance(filters, int) or filters < 1:
        raise ValueError(f"{layer.name} has {filters} filters")
    require(
        isinstance(dilations, list)
        and len(set(map(str, dilations))) == 1
        and isinstance(dilations[0], int)
        and dilations[0] > 0,
        f"{layer.name} has dilations {dilations}",
    )
    require(
        isinstance(kernel, list) and (config.get("padding") == "same" or set(kernel) == {1}),
        f"{layer.name} does not keep the size of its input",
    )
    require(config.get("use_bias") is True, f"{layer.name} has no bias")
    activation = config.get("activation")
    require(activation in ("linear", "relu", "sigmoid"), f"{layer.name} has a {activation}")
    return Block(layer.name, filters, dilations[0], activation=str(activation))


def _add(block: Block, layer: _Layer) -> None:
    """Add what follows a convolution to its block."""
    require(block.activation == "linear", f"{layer.name} follows a {block.activation}")
    config = layer.config
    if layer.kind == "BatchNormalization":
        require(block.norm is None, f"{layer.name} is a second normalisation")
        require(
            math.isclose(config.get("epsilon", 0), _EPSILON)
            and config.get("center") is True
            and config.get("scale") is True,
            f"{layer.name} is not the batch normalisation of the papers",
        )
        block.norm = layer.name
    else:
        activation = config.get("activation")
        require(activation in ("relu", "sigmoid"), f"{layer.name} is a {activation}")
        block.activation = str(activation)
