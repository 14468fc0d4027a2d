# SPDX-License-Identifier: Apache-2.0
"""Every network: probabilities of the size of the input, for any multiple of its stride."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from SpinalCordSegLib.networks import (
    DilatedUNet2d,
    Network,
    UNet2d,
    UNet3d,
    build_network,
    for_prediction,
)

SMALL: dict[str, dict[str, Any]] = {
    "dilated_unet2d": {"filters": 2, "bottleneck_dilations": [1, 2, 4]},
    "unet2d": {"filters": 2, "depth": 3},
    "unet3d": {"encoder": [[2, 3], [3, 4]], "bottleneck": [4, 5], "decoder": [[4, 3], [2, 2]]},
}

# Floats in the published weights, moving statistics included.
PUBLISHED: list[tuple[str, dict[str, Any], int]] = [
    ("dilated_unet2d", {"filters": 16}, 118_033),
    ("dilated_unet2d", {"filters": 8, "bottleneck_dilations": [1, 2, 4]}, 39_337),
    ("dilated_unet2d", {"filters": 8}, 29_961),
    ("dilated_unet2d", {"filters": 24, "bottleneck_dilations": [1, 2, 4]}, 347_641),
    ("unet2d", {"filters": 32, "depth": 2}, 465_953),
    ("unet2d", {"filters": 32, "depth": 3}, 1_925_025),
    ("unet3d", {"encoder": [[16, 32]], "bottleneck": [32, 64], "decoder": [[32, 32]]}, 208_865),
    (
        "unet3d",
        {
            "encoder": [[8, 16], [16, 32]],
            "bottleneck": [32, 64],
            "decoder": [[32, 32], [16, 16]],
        },
        246_929,
    ),
]


def small(architecture: str) -> Network:
    torch.manual_seed(0)
    return build_network(architecture, SMALL[architecture]).eval()


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("multiples", [(1, 1, 1), (2, 3, 1), (5, 2, 3)])
def test_output_has_the_size_of_the_input(
    architecture: str, multiples: tuple[int, int, int]
) -> None:
    network = small(architecture)
    size = [factor * network.stride for factor in multiples[: network.dimensions]]
    x = torch.randn(2, 1, *size)
    with torch.inference_mode():
        probability = network(x)
    assert probability.shape == x.shape
    assert 0 < probability.min() <= probability.max() < 1


@pytest.mark.parametrize("architecture", SMALL)
def test_a_size_that_is_no_multiple_of_the_stride_is_refused(architecture: str) -> None:
    network = small(architecture)
    x = torch.randn(1, 1, *[2 * network.stride + 1] * network.dimensions)
    with pytest.raises(RuntimeError, match="size"):
        network(x)


@pytest.mark.parametrize("architecture", SMALL)
def test_probabilities_are_the_sigmoid_of_the_logits(architecture: str) -> None:
    network = small(architecture)
    x = torch.randn(1, 1, *[2 * network.stride] * network.dimensions)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), torch.sigmoid(network.logits(x)))


@pytest.mark.parametrize("architecture", SMALL)
def test_normalisation_is_folded_into_the_convolutions_of_a_copy(architecture: str) -> None:
    network = small(architecture)
    if architecture == "unet2d":
        network = build_network("unet2d", {**SMALL["unet2d"], "batch_norm": True}).eval()
    normalisations = [
        module
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)
    ]
    for module in normalisations:
        # As after training: neither 0 nor 1.
        for values in (module.running_mean, module.weight, module.bias):
            assert values is not None
            nn.init.uniform_(values, 0.2, 0.8)
    x = torch.randn(2, 1, *[2 * network.stride] * network.dimensions)
    ready = for_prediction(network, "cpu")
    with torch.inference_mode():
        torch.testing.assert_close(ready.logits(x), network.logits(x), rtol=1e-4, atol=1e-5)
    assert normalisations
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in ready.modules())


@pytest.mark.parametrize(("architecture", "parameters", "count"), PUBLISHED)
def test_published_layouts_have_the_published_number_of_parameters(
    architecture: str, parameters: dict[str, Any], count: int
) -> None:
    with torch.device("meta"):
        state = build_network(architecture, parameters).state_dict()
    floats = [tensor for tensor in state.values() if tensor.is_floating_point()]
    assert sum(tensor.numel() for tensor in floats) == count


def test_dilations_and_dropout_reach_the_layers() -> None:
    network = DilatedUNet2d(2, encoder_dilations=(3, 3), bottleneck_dilations=(1, 2), dropout=0.2)
    taps = [
        module.dilation[0]
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    assert taps == [3, 3, 3, 3, 1, 2, 1, 1, 1, 1]
    rates = [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.2] * 10


def test_unet2d_can_have_batch_normalisation() -> None:
    norms = [
        module
        for module in UNet2d(2, batch_norm=True).modules()
        if "BatchNorm" in repr(type(module))
    ]
    assert len(norms) == 10
    assert all(norm.eps == 1e-3 for norm in norms)


def test_unequal_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="as many levels"):
        UNet3d([[2, 2]], [2, 2], [])


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="dilated_unet2d, slice_sequence, unet2d, unet3d"):
        build_network("transformer", {})
