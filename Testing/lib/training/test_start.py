# SPDX-License-Identifier: Apache-2.0
"""Training that begins from weights: every number arrives, a second output is fresh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import InvalidArgument, WeightsMissing
from SpinalCordSegLib.networks import UNet3d, build_network
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.configuration import TrainingConfiguration, read_configuration
from SpinalCordSegLib.training.export import export_weights
from SpinalCordSegLib.training.start import start_from
from SpinalCordSegLib.training.trainer import train
from SpinalCordSegLib.weights import load_network


def test_the_lesion_network_starts_as_the_cord_network() -> None:
    configuration = read_configuration("lesion")
    assert configuration.start_from is not None and configuration.structures == ("cord", "lesion")
    lesion = build_network(configuration.architecture, configuration.parameters)
    start_from(lesion, configuration.start_from)
    cord = load_network("cord")
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        found = lesion.eval().logits(x)
        assert torch.equal(found[:, :1], cord.logits(x))
    assert found[:, 1].std() > 0 and not torch.equal(found[:, 1], found[:, 0])


def test_training_goes_on_from_a_file(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    first = train(configuration, atlas, tmp_path / "first")
    path = tmp_path / "first.safetensors"
    export_weights(first, configuration, path)
    still = replace(configuration, start_from=str(path), learning_rate=0.0, steps=1, seed=9)
    second = train(still, atlas, tmp_path / "second")
    for name, value in first.network.named_parameters():
        assert torch.equal(value, second.network.get_parameter(name)), name


def test_weights_of_another_network_are_refused(
    configuration: TrainingConfiguration,
) -> None:
    network = build_network(configuration.architecture, configuration.parameters)
    with pytest.raises(InvalidArgument, match="cord"):
        start_from(network, "cord")
    with pytest.raises(WeightsMissing):
        start_from(network, "missing.safetensors")
    # A network with fewer outputs would lose some.
    both = UNet3d(**{**configuration.parameters, "out_channels": 2})
    fewer = "head.weight has the shape"
    from SpinalCordSegLib.training.start import _difference

    assert fewer in str(_difference(network.state_dict(), both.state_dict()))
    assert _difference(both.state_dict(), network.state_dict()) is None
