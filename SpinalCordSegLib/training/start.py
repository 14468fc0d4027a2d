# SPDX-License-Identifier: Apache-2.0
"""Training that begins from weights that exist, to fine-tune them."""

from __future__ import annotations

import os

import torch

from ..errors import InvalidArgument
from ..networks import Network
from ..weights import load_weights


def start_from(network: Network, path_or_name: str | os.PathLike[str]) -> None:
    """Give a network the numbers of existing weights, in place.

    Parameters
    ----------
    network : Network
        Of the same architecture and parameters as the weights.
    path_or_name : str or path
        As :func:`SpinalCordSegLib.weights.load_weights` takes it.

    Raises
    ------
    InvalidArgument
        If the network has other layers than the weights.
    WeightsMissing, WeightsCorrupt
        If the weights cannot be read.
    """
    given = load_weights(path_or_name).network.state_dict()
    own = network.state_dict()
    problem = _difference(own, given)
    if problem:
        raise InvalidArgument(
            f"training cannot start from the weights {path_or_name}: {problem}",
            "give weights of the architecture and parameters of the configuration",
        )
    network.load_state_dict(given)


def _difference(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> str | None:
    """Say what keeps `given` from taking the place of `own`; None if nothing does."""
    if own.keys() != given.keys():
        return f"{min(own.keys() ^ given.keys())} is only in one of the two networks"
    for name, values in given.items():
        wanted, found = list(own[name].shape), list(values.shape)
        if found != wanted:
            return f"{name} has the shape {found} there and {wanted} here"
    return None
