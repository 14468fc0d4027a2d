# SPDX-License-Identifier: Apache-2.0
"""The network that says on which slices there is cord: one answer a slice, from far along it."""

from __future__ import annotations

import pytest
import torch

from SpinalCordSegLib.networks import Network, build_network, for_prediction

PARAMETERS = {"channels": 2, "encoder": [2, 3], "features": 16, "dilations": [1, 2, 4]}


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return build_network("slice_sequence", PARAMETERS).eval()


@pytest.mark.parametrize("size", [(12, 8, 30), (7, 9, 1)])
def test_the_answer_is_the_same_all_over_a_slice(
    network: Network, size: tuple[int, int, int]
) -> None:
    with torch.inference_mode():
        found = network(torch.randn(2, 2, *size))
    assert found.shape == (2, 1, *size)
    assert torch.equal(found, found[:, :, :1, :1].expand_as(found))
    assert size[2] == 1 or float(found[0, 0, 0, 0].std()) > 0


def test_an_answer_depends_on_slices_as_far_away_as_its_dilations_reach(network: Network) -> None:
    # Several images: on one of them a unit may be silent.
    images = torch.randn(20, 2, 8, 8, 40)
    changed = images.clone()
    changed[..., 20] = 9.0
    with torch.inference_mode():
        moved = ((network(changed) - network(images))[:, 0, 0, 0].abs() > 0).any(dim=0)
    # One slice to either side, one again, then two, then four.
    assert moved.nonzero().flatten().tolist() == list(range(20 - 8, 20 + 8 + 1))


def test_it_is_ready_for_prediction_with_the_same_answers(network: Network) -> None:
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    image = torch.randn(1, 2, 8, 8, 20)
    with torch.inference_mode():
        torch.testing.assert_close(for_prediction(network, "cpu")(image), network(image))
