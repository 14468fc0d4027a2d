# SPDX-License-Identifier: Apache-2.0
"""The papers' networks, one architecture a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dilated_unet2d import DilatedUNet2d
from .unet2d import UNet2d
from .unet3d import UNet3d

Network = DilatedUNet2d | UNet2d | UNet3d

ARCHITECTURES: dict[str, type[Network]] = {
    "dilated_unet2d": DilatedUNet2d,
    "unet2d": UNet2d,
    "unet3d": UNet3d,
}

__all__ = ["ARCHITECTURES", "DilatedUNet2d", "Network", "UNet2d", "UNet3d", "build_network"]


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
