# SPDX-License-Identifier: Apache-2.0
"""The papers' networks, one architecture a file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .aspp import ASPP
from .dilated_unet2d import DilatedUNet2d
from .slice_sequence import SliceSequence
from .unet2d import UNet2d
from .unet3d import UNet3d

Network = ASPP | DilatedUNet2d | SliceSequence | UNet2d | UNet3d

ARCHITECTURES: dict[str, type[Network]] = {
    "aspp": ASPP,
    "dilated_unet2d": DilatedUNet2d,
    "slice_sequence": SliceSequence,
    "unet2d": UNet2d,
    "unet3d": UNet3d,
}

__all__ = [
    "ARCHITECTURES",
    "ASPP",
    "DilatedUNet2d",
    "Network",
    "SliceSequence",
    "UNet2d",
    "UNet3d",
    "build_network",
    "for_prediction",
    "memory_layout",
    "place",
]


def build_network(architecture: str, parameters: Mapping[str, Any]) -> Network:
    """Return an untrained network.

    Parameters
    ----------
    architecture : str
        A key of :data:`ARCHITECTURES`.
    parameters : mapping
        The constructor's arguments, as a weights file or a training configuration stores them.

    Raises
    ------
    ValueError
        If the architecture is not one of ours.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"unknown architecture {architecture!r}; known: {', '.join(sorted(ARCHITECTURES))}"
        )
    return ARCHITECTURES[architecture](**parameters)


def memory_layout(network: Network) -> torch.memory_format:
    """Return the order of numbers in memory that convolutions of a network are fastest with."""
    if isinstance(network, SliceSequence):
        return torch.contiguous_format
    return torch.channels_last if network.dimensions == 2 else torch.channels_last_3d


def place(network: Network, device: torch.device | str) -> Network:
    """Move a network to a device, in its fastest memory layout; return it."""
    # torch's annotations of `to` leave out memory_format.
    module: Any = cast(nn.Module, network).to(device)
    return cast(Network, module.to(memory_format=memory_layout(network)))


def for_prediction(network: Network, device: torch.device | str) -> Network:
    """Return a network in evaluation mode as fast as it can be, placed as :func:`place` does.

    Batch normalisation that follows a convolution is multiplied into it, in a copy: outputs differ
    in the last digits alone. A network that has none is placed itself.
    """
    if not any(_normalised(module) for module in network.modules()):
        return place(network, device)
    ready = copy.deepcopy(network)
    for module in list(ready.modules()):
        for name, following in _normalised(module):
            convolution: Any = module.get_submodule(name)
            normalisation: Any = module.get_submodule(following)
            module.add_module(name, fuse_conv_bn_eval(convolution, normalisation))
            module.add_module(following, nn.Identity())
    return place(ready, device)


def _normalised(module: nn.Module) -> list[tuple[str, str]]:
    """Return the names of each convolution in a sequence and of the normalisation after it."""
    if not isinstance(module, nn.Sequential):
        return []
    return [
        (name, following)
        for (name, layer), (following, next_layer) in pairwise(module.named_children())
        if isinstance(layer, nn.Conv2d | nn.Conv3d)
        and isinstance(next_layer, nn.BatchNorm2d | nn.BatchNorm3d)
    ]
