# SPDX-License-Identifier: Apache-2.0
"""Training that begins from weights: every number arrives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import InvalidArgument, WeightsMissing
from SpinalCordSegLib.networks import build_network
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.configuration import TrainingConfiguration
from SpinalCordSegLib.training.export import export_weights
from SpinalCordSegLib.training.start import start_from
from SpinalCordSegLib.training.trainer import train


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


def test_a_share_of_the_first_weights_may_be_kept(
    atlas: AtlasTensors, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    path = tmp_path / "first.safetensors"
    first = train(configuration, atlas, tmp_path / "first")
    export_weights(first, configuration, path)
    runs = {
        share: train(
            replace(configuration, start_from=str(path), start_share=share, seed=9, steps=3),
            atlas,
            tmp_path / str(share),
        )
        for share in (0.0, 0.25)
    }
    for name, value in first.network.named_parameters():
        tuned, kept = (runs[share].network.get_parameter(name) for share in (0.0, 0.25))
        torch.testing.assert_close(kept, 0.75 * tuned + 0.25 * value)
    assert not torch.equal(tuned, value)


def test_weights_of_another_network_are_refused(
    configuration: TrainingConfiguration,
) -> None:
    network = build_network(configuration.architecture, configuration.parameters)
    with pytest.raises(InvalidArgument, match="cord"):
        start_from(network, "cord")
    with pytest.raises(WeightsMissing):
        start_from(network, "missing.safetensors")
