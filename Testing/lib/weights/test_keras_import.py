# SPDX-License-Identifier: Apache-2.0
"""The papers' Keras files give the papers' numbers, and nothing else gets in."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from SpinalCordSegLib.errors import WeightsCorrupt, WeightsMissing
from SpinalCordSegLib.networks import Network, UNet2d
from SpinalCordSegLib.weights import load_network, load_weights, registry
from SpinalCordSegLib.weights.keras_import import convert, import_weights

TOLERANCE = 1e-4

# Weights, reference, layout of the reference as (N, C, X, Y[, Z]).
ORACLE = [
    ("t2_ctr", "cnn1_t2_patches", (0, 3, 1, 2)),
    ("t2s_ctr", "cnn1_t2s_patches", (0, 3, 1, 2)),
    ("dwi_ctr", "cnn1_dwi_patches", (0, 3, 1, 2)),
    ("t2_ax_lesion", "lesion_t2_ax_patch", (0, 1, 2, 3, 4)),
    ("t2s_lesion", "lesion_t2s_patch", (0, 1, 2, 3, 4)),
]


def largest_difference(network: Network, reference: Path, layout: tuple[int, ...]) -> float:
    with np.load(reference) as stored:
        x, y = (np.ascontiguousarray(stored[key].transpose(layout)) for key in "xy")
    with torch.inference_mode():
        probability = network(torch.from_numpy(x)).numpy()
    assert y.max() > 0.4, "a reference without cord or lesion would prove little"
    return float(np.abs(probability - y).max())


@pytest.mark.parametrize(("name", "reference", "layout"), ORACLE)
def test_published_weights_reproduce_the_published_output(
    shared: Path, tmp_path: Path, name: str, reference: str, layout: tuple[int, ...]
) -> None:
    published = shared / "weights" / f"{name}.h5"
    expected = shared / "oracle" / f"{reference}.npz"
    assert largest_difference(load_network(published), expected, layout) <= TOLERANCE

    converted = tmp_path / f"{name}.safetensors"
    digest = convert(published, converted)
    loaded = load_weights(converted)
    assert loaded.sha256 == digest
    assert largest_difference(loaded.network, expected, layout) <= TOLERANCE
    assert os.listdir(tmp_path) == [converted.name]

    entry = registry.published_named(name)
    assert entry is not None and entry.sha256 is not None
    assert loaded.specification == import_weights(published).specification
    assert loaded.specification.preprocessing == entry.preprocessing
    assert entry.url in loaded.specification.source
    assert entry.sha256 in loaded.specification.source
    floats = [value for value in loaded.network.state_dict().values() if value.is_floating_point()]
    assert sum(value.numel() for value in floats) == entry.parameter_count


def test_a_converted_set_is_found_by_name(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(shared / "weights" / "dwi_ctr.h5", tmp_path / "dwi_ctr.safetensors")
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path))
    assert load_weights("dwi_ctr").specification.preprocessing.mean == 55.744


def test_a_published_file_may_have_any_name(shared: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "download (1).H5"
    shutil.copy(shared / "weights" / "dwi_ctr.h5", renamed)
    assert load_weights(renamed).specification.name == "dwi_ctr"


@pytest.mark.parametrize(("kind", "above"), [("challenge", 269), ("large", 274)])
def test_gray_matter_weights_reproduce_the_published_output(
    shared: Path, tmp_path: Path, kind: str, above: int
) -> None:
    published = shared / "weights" / f"{kind}_model.hdf5"
    converted = tmp_path / f"{kind}_model.safetensors"
    convert(published, converted)
    with np.load(shared / "oracle" / "gm_slice5.npz") as stored:
        x = torch.from_numpy(stored["x"].transpose(0, 3, 1, 2).copy())
        expected = stored[f"y_{kind}"].reshape(200, 200)
    for path in (published, converted):
        with torch.inference_mode():
            probability = load_network(path)(x)[0, 0].numpy()
        assert np.abs(probability - expected).max() <= TOLERANCE
        assert (probability > 0.999).sum() == above
    loaded = load_weights(converted).specification
    assert loaded == import_weights(published).specification
    assert loaded.preprocessing.intensity == "volume_zscore"


def gray_matter_file(shared: Path, path: Path, change: Callable[[h5py.File], object]) -> Path:
    shutil.copy(shared / "weights" / "challenge_model.hdf5", path)
    path.chmod(0o644)
    with h5py.File(path, "a") as file:
        change(file)
    return path


def test_a_gray_matter_file_whose_layers_are_not_perones_is_refused(
    shared: Path, tmp_path: Path
) -> None:
    def swap(file: h5py.File) -> None:
        file.move("rate6_1", "rate7_1")

    def without(file: h5py.File) -> None:
        del file["batch_normalization_15/batch_normalization_15/gamma:0"]

    def extra(file: h5py.File) -> None:
        names = [*file.attrs["layer_names"], b"rate30_1"]
        file.attrs["layer_names"] = names
        file["rate30_1/rate30_1/bias:0"] = np.zeros(32, np.float32)

    def narrow(file: h5py.File) -> None:
        del file["amort/amort/kernel:0"]
        file["amort/amort/kernel:0"] = np.zeros((1, 1, 190, 64), np.float32)

    complaints = {
        "is missing": swap,
        "gamma:0 of batch_normalization_15 is missing": without,
        "not those of Perone": extra,
        "differ in size": narrow,
    }
    for complaint, change in complaints.items():
        path = gray_matter_file(shared, tmp_path / "mine.hdf5", change)
        with pytest.raises(WeightsCorrupt, match=complaint):
            import_weights(path, like="challenge_model")


def test_gray_matter_normalisations_are_told_apart_by_number(shared: Path, tmp_path: Path) -> None:
    def mark(file: h5py.File) -> None:
        for number in range(1, 17):
            name = f"batch_normalization_{number}"
            file[f"{name}/{name}/beta:0"][...] = number

    path = gray_matter_file(shared, tmp_path / "mine.hdf5", mark)
    state = import_weights(path, like="challenge_model").network.state_dict()
    assert state["near.1.2.bias"].unique().tolist() == [6]
    assert state["branches.0.0.2.bias"].unique().tolist() == [7]
    assert state["branches.3.1.2.bias"].unique().tolist() == [14]
    assert state["joined_norm.bias"].unique().tolist() == [15]
    assert state["join.2.bias"].unique().tolist() == [16]


def damaged(content: bytes, how: str) -> bytes:
    if how == "truncated":
        return content[:300_000]
    if how == "empty":
        return b""
    if how == "text":
        return b"<html>404: Not Found</html>"
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("how", ["truncated", "empty", "text", "bit"])
def test_a_damaged_file_is_refused_before_it_is_opened(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    content = (shared / "weights" / "t2_ctr.h5").read_bytes()
    path = tmp_path / "t2_ctr.h5"
    path.write_bytes(damaged(content, how))
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(WeightsCorrupt, match="its hash differs; get it again from https://"):
        convert(path, tmp_path / "t2_ctr.safetensors")
    assert os.listdir(tmp_path) == ["t2_ctr.h5"]


@pytest.mark.parametrize("how", ["truncated", "empty", "text"])
def test_damage_is_noticed_also_when_the_hash_is_not_asked_for(
    shared: Path, tmp_path: Path, how: str
) -> None:
    content = (shared / "weights" / "t2_ctr.h5").read_bytes()
    path = tmp_path / "mine.h5"
    path.write_bytes(damaged(content, how))
    with pytest.raises(WeightsCorrupt):
        convert(path, tmp_path / "mine.safetensors", like="t2_ctr")
    assert os.listdir(tmp_path) == ["mine.h5"]


def test_without_h5py_the_extra_is_named(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsMissing, match=r'pip install "spinalcordseg\[import\]"'):
        load_weights(shared / "weights" / "t2_ctr.h5")


# Files like those that could not be had: plain 2D U-Nets, with and without their graph.


def keras_layers(network: UNet2d) -> list[dict[str, Any]]:
    """Return the layers of a plain U-Net as Keras 2.0.6 describes them."""
    layers: list[dict[str, Any]] = []
    counts: dict[str, int] = {}

    def add(kind: str, prefix: str, inputs: list[str], **config: object) -> str:
        counts[prefix] = counts.get(prefix, 0) + 1
        name = f"{prefix}_{counts[prefix]}"
        nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        layers.append({"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes})
        return name

    def convolution(before: str, filters: int, size: int = 3, activation: str = "relu") -> str:
        return add(
            "Conv2D",
            "conv2d",
            [before],
            filters=filters,
            kernel_size=[size, size],
            strides=[1, 1],
            padding="same",
            dilation_rate=[1, 1],
            data_format="channels_last",
            activation=activation,
            use_bias=True,
        )

    state = network.state_dict()
    widths = [state[f"encoder.{level}.0.0.bias"].numel() for level in range(len(network.up))]
    last = add("InputLayer", "input", [], batch_input_shape=[None, 64, 64, 1])
    skips = []
    for width in widths:
        last = convolution(convolution(last, width), width)
        skips.append(last)
        last = add("MaxPooling2D", "max_pooling2d", [last], pool_size=[2, 2], strides=[2, 2])
    last = convolution(convolution(last, 2 * widths[-1]), 2 * widths[-1])
    for width in reversed(widths):
        up = add(
            "Conv2DTranspose",
            "conv2d_transpose",
            [last],
            filters=width,
            strides=[2, 2],
            activation="linear",
        )
        last = add("Concatenate", "concatenate", [up, skips.pop()], axis=-1)
        last = convolution(convolution(last, width), width)
    last = convolution(last, 1, size=1, activation="linear")
    last = add("Lambda", "lambda", [last], function=["no bytecode", None, [1.0]])
    add("Activation", "activation", [last], activation="sigmoid")
    return layers


def keras_arrays(network: UNet2d) -> dict[str, np.ndarray]:
    """Return the arrays of a plain U-Net under Keras' names, in Keras' axis order."""
    levels = [*network.encoder, network.bottleneck, *network.decoder]
    convolutions = [block[0] for level in levels for block in level] + [network.head]
    named = {f"conv2d_{index}": layer for index, layer in enumerate(convolutions, 1)}
    named |= {f"conv2d_transpose_{index}": layer for index, layer in enumerate(network.up, 1)}
    arrays = {}
    for name, layer in named.items():
        weight = layer.weight.detach().numpy()
        # torch: (out, in, x, y), transposed layers (in, out, x, y). Keras: (x, y, in, out) and
        # (x, y, out, in).
        arrays[f"{name}/{name}/kernel:0"] = weight.transpose(2, 3, 1, 0)
        arrays[f"{name}/{name}/bias:0"] = layer.bias.detach().numpy()
    return arrays


def write_keras(
    path: Path, network: UNet2d, change: Callable[[list[dict[str, Any]]], object] | None = None
) -> Path:
    layers = keras_layers(network)
    if change is not None:
        change(layers)
    with h5py.File(path, "w") as file:
        config = {"class_name": "Model", "config": {"layers": layers}}
        file.attrs["model_config"] = json.dumps(config)
        for name, array in keras_arrays(network).items():
            file[f"model_weights/{name}"] = array
    return path


@pytest.fixture
def network() -> UNet2d:
    torch.manual_seed(0)
    return UNet2d(4, depth=3).eval()


def test_a_plain_unet_is_read_from_its_graph(tmp_path: Path, network: UNet2d) -> None:
    path = write_keras(tmp_path / "mine.h5", network)
    loaded = import_weights(path, like="t2_sc")
    x = torch.randn(1, 1, 16, 24)
    torch.testing.assert_close(loaded.network(x), network(x), rtol=0, atol=0)
    assert loaded.specification.parameters == {"filters": 4, "depth": 3, "batch_norm": False}
    assert loaded.specification.threshold == 0.7
    assert loaded.specification.name == "mine"
    assert "not verified" in loaded.specification.source


def test_a_plain_unet_is_read_from_its_arrays_alone(tmp_path: Path, network: UNet2d) -> None:
    path = tmp_path / "mine.h5"
    arrays = keras_arrays(network)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [
            name.encode() for name in {key.split("/")[0] for key in arrays}
        ]
        for name, array in arrays.items():
            file[name] = array
    x = torch.randn(1, 1, 16, 24)
    found = import_weights(path, like="t2_sc").network
    torch.testing.assert_close(found(x), network(x), rtol=0, atol=0)


def test_an_unknown_file_needs_an_explicit_choice(tmp_path: Path, network: UNet2d) -> None:
    path = write_keras(tmp_path / "mine.h5", network)
    with pytest.raises(WeightsCorrupt, match=r"none of the published weights.*if you trust it"):
        load_weights(path)
    with pytest.raises(WeightsMissing, match=r"no published set.*t2_sc"):
        import_weights(path, like="nothing")
    with pytest.raises(WeightsCorrupt, match="holds a unet2d, where t2_ctr is a dilated_unet2d"):
        import_weights(path, like="t2_ctr")


def layer_of(layers: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(layer for layer in layers if layer["name"] == name)


@pytest.mark.parametrize(
    ("name", "key", "value", "complaint"),
    [
        ("lambda_1", "function", ["no bytecode", None, [2.0]], "temperature of 1"),
        ("lambda_1", "function", "os.system", "temperature of 1"),
        ("conv2d_2", "strides", [2, 2], "strides"),
        ("conv2d_2", "padding", "valid", "keep the size"),
        ("conv2d_2", "use_bias", False, "no bias"),
        ("conv2d_2", "activation", "tanh", "tanh"),
        ("conv2d_2", "activation", "linear", "lacks its ReLU"),
        ("conv2d_2", "filters", "4", "filters"),
        ("conv2d_2", "dilation_rate", [1, 2], "dilations"),
        ("conv2d_2", "dilation_rate", [2, 2], "levels are not those"),
        ("conv2d_2", "data_format", "channels_first", "channels_first"),
        ("concatenate_1", "axis", 1, "wrong axis"),
        ("max_pooling2d_1", "pool_size", [3, 3], "pool_size"),
        ("activation_1", "activation", "softmax", "softmax"),
        ("input_1", "batch_input_shape", [None, 64, 64, 3], "one channel"),
        ("input_1", "batch_input_shape", None, "no image"),
        ("conv2d_1", "filters", 5, "shape|not hold"),
    ],
)
def test_a_graph_that_is_not_the_papers_is_refused(
    tmp_path: Path, network: UNet2d, name: str, key: str, value: object, complaint: str
) -> None:
    path = write_keras(
        tmp_path / "mine.h5",
        network,
        lambda layers: layer_of(layers, name)["config"].update({key: value}),
    )
    with pytest.raises(WeightsCorrupt, match=complaint):
        convert(path, tmp_path / "mine.safetensors", like="t2_sc")
    assert os.listdir(tmp_path) == ["mine.h5"]


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("conv2d_2", {"class_name": "LocallyConnected2D"}, "conv2d_2 is of the unknown kind"),
        ("conv2d_2", {"class_name": "UpSampling3D"}, "UpSampling3D|levels|strides"),
        ("conv2d_2", {"inbound_nodes": [[["input_1", 0, 0, {}]]]}, "does not follow"),
        ("conv2d_2", {"inbound_nodes": 3}, "graph cannot be read"),
        (
            "concatenate_1",
            {"inbound_nodes": [[["conv2d_transpose_1", 0, 0, {}], ["conv2d_2", 0, 0, {}]]]},
            "does not join",
        ),
        ("max_pooling2d_1", {"class_name": "Dropout"}, "not join|levels"),
        ("activation_1", {"class_name": "Dropout"}, "not one map of probabilities"),
    ],
)
def test_a_layer_out_of_place_is_refused(
    tmp_path: Path, network: UNet2d, name: str, change: dict[str, Any], complaint: str
) -> None:
    path = write_keras(
        tmp_path / "mine.h5", network, lambda layers: layer_of(layers, name).update(change)
    )
    with pytest.raises(WeightsCorrupt, match=complaint):
        import_weights(path, like="t2_sc")


def test_arrays_must_be_there_and_in_the_file_itself(tmp_path: Path, network: UNet2d) -> None:
    path = tmp_path / "mine.h5"
    bias = "model_weights/conv2d_2/conv2d_2/bias:0"
    other = write_keras(tmp_path / "other.h5", network)
    replacements: dict[str, object] = {
        "is missing": None,
        "is missing|not readable": h5py.ExternalLink(other, bias),
        "not an array of float32": np.zeros(4, np.float64),
        "has shape": np.zeros(5, np.float32),
        "not finite": np.full(4, np.nan, np.float32),
    }
    for complaint, replacement in replacements.items():
        write_keras(path, network)
        with h5py.File(path, "a") as file:
            del file[bias]
            if replacement is not None:
                file[bias] = replacement
        with pytest.raises(WeightsCorrupt, match=complaint):
            import_weights(path, like="t2_sc")


def test_weights_alone_do_not_tell_dilations(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.h5"
    with h5py.File(shared / "weights" / "t2s_ctr.h5") as full, h5py.File(path, "w") as alone:
        for name in full["model_weights"]:
            full.copy(f"model_weights/{name}", alone)
        alone.attrs["layer_names"] = full["model_weights"].attrs["layer_names"]
    with pytest.raises(WeightsCorrupt, match="no graph"):
        import_weights(path, like="t2s_ctr")


def test_lesion_weights_alone_are_enough(shared: Path, tmp_path: Path) -> None:
    published = shared / "weights" / "t2s_lesion.h5"
    path = tmp_path / "mine.h5"
    with h5py.File(published) as full, h5py.File(path, "w") as alone:
        for name in full["model_weights"]:
            full.copy(f"model_weights/{name}", alone)
        alone.attrs["layer_names"] = full["model_weights"].attrs["layer_names"]
    found = import_weights(path, like="t2s_lesion")
    expected = load_weights(published)
    assert found.specification.parameters == expected.specification.parameters
    for name, value in expected.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value)
