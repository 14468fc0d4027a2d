# SPDX-License-Identifier: Apache-2.0
"""Training that begins from weights that exist: fine-tuning, or lesions after the cord."""

from __future__ import annotations

import os

import torch

from ..errors import InvalidArgument
from ..networks import Network
from ..weights import load_weights

_HEAD = ("head.weight", "head.bias")


def start_from(network: Network, path_or_name: str | os.PathLike[str]) -> None:
    """Give a network the numbers of existing weights, in place.

    Parameters
    ----------
    network : Network
        May have more outputs than the weights: the first get theirs, the others keep the random
        numbers that they were made with. A lesion network that also outlines the cord starts from
        the cord network so.
    path_or_name : str or path
        As :func:`SpinalCordSegLib.weights.load_weights` takes it.

    Raises
    ------
    InvalidArgument
        If the network has other layers than the weights, or fewer outputs.
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
    for name, values in given.items():
        own[name] = torch.cat([values, own[name][len(values) :]]) if name in _HEAD else values
    network.load_state_dict(own)


def _difference(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> str | None:
    """Say what keeps `given` from becoming a part of `own`; None if nothing does."""
    if own.keys() != given.keys():
        return f"{min(own.keys() ^ given.keys())} is only in one of the two networks"
    for name, values in given.items():
        wanted, found = list(own[name].shape), list(values.shape)
        if name in _HEAD:
            fits = found[0] <= wanted[0] and found[1:] == wanted[1:]
        else:
            fits = found == wanted
        if not fits:
            return f"{name} has the shape {found} there and {wanted} here"
    return None
