# SPDX-License-Identifier: Apache-2.0
"""Reading the papers' Keras files as data: nothing stored in them is ever executed.

The graph in a file is folded back into the U-Net it describes, every layer being checked on the
way; then the arrays are renamed and put into the axis order of torch. The gray-matter files hold
arrays alone: their layers are known by name.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedWeights, WeightsCorrupt, WeightsMissing
from .registry import PublishedWeights, identify, published_named, published_weights
from .store import LoadedWeights, assemble, save_weights

if TYPE_CHECKING:
    import h5py

SUPPORTED = ("aspp", "dilated_unet2d", "unet2d", "unet3d")

# The largest published file has 10 MB; more than this is something else.
_MOST_BYTES = 256 * 2**20
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


# Whose file it is


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsCorrupt(
                f"{path} is far larger than any published weights",
                "check that it is the file meant",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"the weights file {path} does not exist", "check its name and folder"
        ) from error
    except OSError as error:
        raise WeightsMissing(
            f"the weights file {path} cannot be opened ({error.strerror})",
            "check that it is a file and that you may read it",
        ) from error


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


# From the layers of a graph to the levels of a U-Net


@dataclass(frozen=True)
class _Layer:
    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]


@dataclass
class _Block:
    """A convolution, and what follows it up to the next one."""

    convolution: str
    filters: int
    dilation: int = 1
    norm: str | None = None
    activation: str = "linear"


@dataclass(frozen=True)
class _UNet:
    """Blocks of each level: encoder downwards, bottleneck, decoder upwards."""

    dimensions: int
    levels: list[list[_Block]]
    head: str
    ups: list[str]
    learned_ups: bool

    @property
    def depth(self) -> int:
        return len(self.levels) // 2

    @property
    def blocks(self) -> list[_Block]:
        return [block for level in self.levels for block in level]

    @property
    def batch_norm(self) -> bool:
        return all(block.norm for block in self.blocks)


def _read(file: h5py.File) -> KerasNetwork:
    if "model_config" not in file.attrs and "amort" in _layer_names(file):
        return _aspp(file)
    if "model_config" in file.attrs:
        unet = _fold(_graph(file.attrs["model_config"]))
        weights = file["model_weights"]
    else:
        weights = file
        unet = _unet_from_names(file)
    architecture, parameters, prefixes, ups = _architecture(unet)
    arrays: dict[str, np.ndarray] = {}
    for level, prefix in zip(unet.levels, prefixes, strict=True):
        for index, block in enumerate(level):
            arrays |= _convolution(
                weights, block.convolution, f"{prefix}.{index}.0", unet.dimensions
            )
            if block.norm:
                arrays |= _batch_norm(weights, block.norm, f"{prefix}.{index}.1")
    for name, target in zip(unet.ups, ups, strict=True):
        arrays |= _convolution(weights, name, target, unet.dimensions)
    arrays |= _convolution(weights, unet.head, "head", unet.dimensions)
    return KerasNetwork(architecture, parameters, arrays)


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
        _require(layer.kind in _LAYERS, f"layer {layer.name} is of the unknown kind {layer.kind}")
        inputs = tuple(same_as.get(name, name) for name in layer.inputs)
        if layer.kind in _IDENTITIES:
            _require(len(inputs) == 1, f"{layer.name} has {len(inputs)} inputs")
            _require(
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


def _fold(layers: Sequence[_Layer]) -> _UNet:
    """Return the U-Net that a list of layers describes, having checked each of them."""
    _require(len(layers) > 1 and layers[0].kind == "InputLayer", "its graph has no input")
    dimensions, channel_axis = _input(layers[0])
    levels: list[list[_Block]] = [[]]
    skips: list[str] = []
    ups: list[_Layer] = []
    previous = layers[0]
    for layer in layers[1:]:
        _require(
            layer.inputs[:1] == (previous.name,), f"{layer.name} does not follow {previous.name}"
        )
        _require(
            len(layer.inputs) == (2 if layer.kind == "Concatenate" else 1),
            f"{layer.name} has {len(layer.inputs)} inputs",
        )
        _check_layer(layer, dimensions, channel_axis)
        if layer.kind == f"Conv{dimensions}D":
            levels[-1].append(_block(layer))
        elif layer.kind in ("BatchNormalization", "Activation"):
            _require(bool(levels[-1]), f"{layer.name} follows no convolution")
            _add(levels[-1][-1], layer)
        elif layer.kind == f"MaxPooling{dimensions}D":
            _require(not ups, f"{layer.name} follows an upsampling")
            skips.append(previous.name)
            levels.append([])
        elif layer.kind in ("Conv2DTranspose", "UpSampling3D"):
            ups.append(layer)
            levels.append([])
        elif layer.kind == "Concatenate":
            _require(
                previous in ups and bool(skips) and layer.inputs[1] == skips.pop(),
                f"{layer.name} does not join an upsampling with the level it belongs to",
            )
        else:
            raise ValueError(f"{layer.name}, a {layer.kind}, has no place in a U-Net")
        previous = layer
    return _finished(dimensions, levels, ups, skips)


def _finished(
    dimensions: int, levels: list[list[_Block]], ups: list[_Layer], skips: list[str]
) -> _UNet:
    """Take the head off the last level and check that every level is whole."""
    _require(not skips and len(levels) == 2 * len(ups) + 1, "its levels do not match")
    _require(bool(levels[-1]), "it has no output layer")
    head = levels[-1].pop()
    _require(
        head.filters == 1 and not head.norm and head.activation == "sigmoid",
        "its output is not one map of probabilities",
    )
    unet = _UNet(
        dimensions,
        levels,
        head.convolution,
        [layer.name for layer in ups if layer.kind == "Conv2DTranspose"],
        learned_ups=bool(ups) and all(layer.kind == "Conv2DTranspose" for layer in ups),
    )
    _require(all(unet.levels), "a level has no convolution")
    _require(
        all(block.activation == "relu" for block in unet.blocks), "a convolution lacks its ReLU"
    )
    _require(
        unet.batch_norm or not any(block.norm for block in unet.blocks),
        "some of its convolutions have batch normalisation, some have not",
    )
    return unet


def _input(layer: _Layer) -> tuple[int, int]:
    """Return the number of spatial dimensions, and 1 or -1 for the axis of the channels."""
    shape = layer.config.get("batch_input_shape")
    _require(isinstance(shape, list) and len(shape) in (4, 5), "its input is no image")
    assert isinstance(shape, list)
    _require(1 in (shape[1], shape[-1]), "its input has more than one channel")
    return len(shape) - 2, 1 if shape[1] == 1 else -1


def _check_layer(layer: _Layer, dimensions: int, channel_axis: int) -> None:
    """Refuse a layer of other channel axis, step or upsampling than the papers' networks have."""
    config = layer.config
    stated = config.get("data_format")
    wanted = "channels_first" if channel_axis == 1 else "channels_last"
    _require(stated in (None, wanted), f"{layer.name} is {stated}, the input {wanted}")
    if "axis" in config:
        last = dimensions + 1 if channel_axis == -1 else 1
        _require(config["axis"] in (channel_axis, last), f"{layer.name} has the wrong axis")
    _require(
        config.get("interpolation") in (None, "nearest"), f"{layer.name} is not nearest-neighbour"
    )
    _require(
        layer.kind != "Conv2DTranspose" or config.get("activation") == "linear",
        f"{layer.name} has an activation",
    )
    for key in ("strides", "pool_size", "size"):
        if key in config:
            step = 1 if layer.kind in ("Conv2D", "Conv3D") else 2
            _require(config[key] == [step] * dimensions, f"{layer.name} has {key} {config[key]}")


def _block(layer: _Layer) -> _Block:
    config = layer.config
    kernel = config.get("kernel_size")
    dilations = config.get("dilation_rate", [1])
    filters = config.get("filters")
    if not isinstance(filters, int) or filters < 1:
        raise ValueError(f"{layer.name} has {filters} filters")
    _require(
        isinstance(dilations, list)
        and len(set(map(str, dilations))) == 1
        and isinstance(dilations[0], int)
        and dilations[0] > 0,
        f"{layer.name} has dilations {dilations}",
    )
    _require(
        isinstance(kernel, list) and (config.get("padding") == "same" or set(kernel) == {1}),
        f"{layer.name} does not keep the size of its input",
    )
    _require(config.get("use_bias") is True, f"{layer.name} has no bias")
    activation = config.get("activation")
    _require(activation in ("linear", "relu", "sigmoid"), f"{layer.name} has a {activation}")
    return _Block(layer.name, filters, dilations[0], activation=str(activation))


def _add(block: _Block, layer: _Layer) -> None:
    """Add what follows a convolution to its block."""
    _require(block.activation == "linear", f"{layer.name} follows a {block.activation}")
    config = layer.config
    if layer.kind == "BatchNormalization":
        _require(block.norm is None, f"{layer.name} is a second normalisation")
        _require(
            math.isclose(config.get("epsilon", 0), _EPSILON)
            and config.get("center") is True
            and config.get("scale") is True,
            f"{layer.name} is not the batch normalisation of the papers",
        )
        block.norm = layer.name
    else:
        activation = config.get("activation")
        _require(activation in ("relu", "sigmoid"), f"{layer.name} is a {activation}")
        block.activation = str(activation)


def _unet_from_names(file: h5py.File) -> _UNet:
    """Return the U-Net of a file of weights alone, from the numbers in its layers' names."""
    names = _layer_names(file)
    counts = {
        kind: sum(name.startswith(f"{kind}_") and name[len(kind) + 1 :].isdigit() for name in names)
        for kind in ("conv2d", "conv2d_transpose", "conv3d", "batch_normalization")
    }
    dimensions = 3 if counts["conv3d"] else 2
    kind = f"conv{dimensions}d"
    depth, remainder = divmod(counts[kind] - 3, 4)
    _require(
        depth > 0 and remainder == 0 and not (counts["conv2d"] and counts["conv3d"]),
        "it has no graph, and its layers are not those of a plain U-Net",
    )
    # Nothing in the arrays tells how far apart the taps of a kernel are.
    _require(
        dimensions == 3 or not counts["batch_normalization"],
        "it has no graph, so its dilations are not known",
    )
    _require(
        counts["batch_normalization"] == (counts[kind] - 1 if dimensions == 3 else 0)
        and counts["conv2d_transpose"] == (depth if dimensions == 2 else 0),
        "it has no graph, and its layers are not those of a plain U-Net",
    )
    blocks = [
        _Block(
            f"{kind}_{index}",
            _item(file, f"{kind}_{index}", "bias:0").shape[0],
            norm=f"batch_normalization_{index}" if dimensions == 3 else None,
            activation="relu",
        )
        for index in range(1, counts[kind])
    ]
    return _UNet(
        dimensions,
        [blocks[start : start + 2] for start in range(0, len(blocks), 2)],
        f"{kind}_{counts[kind]}",
        [f"conv2d_transpose_{index + 1}" for index in range(counts["conv2d_transpose"])],
        learned_ups=dimensions == 2,
    )


# From a U-Net to one of ours


def _architecture(unet: _UNet) -> tuple[str, dict[str, Any], list[str], list[str]]:
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
        _require(unet.batch_norm, "it is a 3D U-Net without batch normalisation")
        parameters: dict[str, Any] = {
            "encoder": _channels(encoder),
            "bottleneck": _channels([bottleneck])[0],
            "decoder": _channels(decoder),
        }
        return "unet3d", parameters, levels, []
    _require(unet.dimensions == 2 and unet.learned_ups, "its levels are not those of the papers")
    if unet.batch_norm and depth == 2 and all(len(level) == 2 for level in decoder):
        dilations = [[block.dilation for block in level] for level in (*encoder, bottleneck)]
        _require(dilations[0] == dilations[1], "the dilations of its levels differ")
        _require(
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
    _require(paired and not dilated, "its levels are not those of the papers")
    parameters = {"filters": filters, "depth": depth, "batch_norm": unet.batch_norm}
    return "unet2d", parameters, levels, [f"up.{level}" for level in range(depth)]


# The gray-matter network

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


def _aspp(file: h5py.File) -> KerasNetwork:
    """Return the gray-matter network of a file of weights alone."""
    expected = {layer for layer, _, _ in _ASPP_BLOCKS} | {"predictions"}
    expected |= {f"batch_normalization_{number}" for number in range(1, 17)}
    names = set(_layer_names(file))
    holding = {name for name in names if name in file and len(file[name])}
    _require(
        expected <= names and holding <= expected, "its layers are not those of Perone's network"
    )
    arrays: dict[str, np.ndarray] = {}
    for layer, target, number in _ASPP_BLOCKS:
        arrays |= _convolution(file, layer, f"{target}.0", 2)
        arrays |= _batch_norm(file, f"batch_normalization_{number}", f"{target}.2")
    arrays |= _batch_norm(file, f"batch_normalization_{_ASPP_JOINED_NORM}", "joined_norm")
    arrays |= _convolution(file, "predictions", "head", 2)
    for name in [name for name in arrays if name.startswith("joined_norm.")]:
        arrays[name] = _reordered(arrays[name], 0)
    arrays["join.0.weight"] = _reordered(arrays["join.0.weight"], 1)
    filters, join_filters = (arrays[f"{name}.0.bias"].size for name in ("entry.0", "join"))
    return KerasNetwork("aspp", {"filters": filters, "join_filters": join_filters}, arrays)


def _reordered(array: np.ndarray, axis: int) -> np.ndarray:
    """Return an array whose blocks of channels are in the order of our branches."""
    _require(array.shape[axis] % len(_ASPP_JOINED) == 0, "its branches differ in size")
    blocks = np.split(array, len(_ASPP_JOINED), axis)
    return np.concatenate([blocks[index] for index in _ASPP_JOINED], axis)


def _channels(levels: Sequence[Sequence[_Block]]) -> list[list[int]]:
    return [[block.filters for block in level] for level in levels]


def _convolution(
    weights: h5py.Group, layer: str, target: str, dimensions: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Give kernel and bias of a layer; Keras has the spatial axes of a kernel first."""
    kernel = _array(weights, layer, "kernel:0")
    _require(kernel.ndim == dimensions + 2, f"the kernel of {layer} has {kernel.ndim} axes")
    # (k..., in, out) becomes (out, in, k...); (k..., out, in), the transposed, (in, out, k...).
    order = (kernel.ndim - 1, kernel.ndim - 2, *range(dimensions))
    yield f"{target}.weight", np.ascontiguousarray(kernel.transpose(order))
    yield f"{target}.bias", _array(weights, layer, "bias:0")


def _batch_norm(weights: h5py.Group, layer: str, target: str) -> Iterator[tuple[str, np.ndarray]]:
    names = {
        "weight": "gamma:0",
        "bias": "beta:0",
        "running_mean": "moving_mean:0",
        "running_var": "moving_variance:0",
    }
    for ours, theirs in names.items():
        yield f"{target}.{ours}", _array(weights, layer, theirs)


def _array(weights: h5py.Group, layer: str, name: str) -> np.ndarray:
    return np.array(_item(weights, layer, name)[()], dtype=np.float32)


def _item(weights: h5py.Group, layer: str, name: str) -> h5py.Dataset:
    """Return a stored array that lies in this very file, in full."""
    import h5py

    group = weights
    # Keras repeats the name of the layer: conv2d_1/conv2d_1/kernel:0.
    for part in (layer, layer, name):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        _require(isinstance(link, h5py.HardLink), f"{name} of {layer} is missing")
        group = group[part]
    _require(
        isinstance(group, h5py.Dataset)
        and group.dtype == np.float32
        and group.nbytes <= _MOST_BYTES
        and not group.external
        and not group.is_virtual,
        f"{name} of {layer} is not an array of float32",
    )
    return group


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in arrays:
        if name.endswith(".running_mean"):
            # Torch counts the batches it trained on; Keras does not.
            counter = name.removesuffix("running_mean") + "num_batches_tracked"
            tensors[counter] = torch.tensor(0, dtype=torch.int64)
    return tensors


def _layer_names(file: h5py.File) -> list[str]:
    return [_text(name) for name in file.attrs.get("layer_names", ())]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
