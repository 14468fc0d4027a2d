# SPDX-License-Identifier: Apache-2.0
"""The gray-matter network: published and printed layouts, and the shortcut to its middle."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from SpinalCordSegLib.networks import ASPP, build_network


def small(**parameters: object) -> ASPP:
    torch.manual_seed(0)
    network = ASPP(3, rates=(2, 4), join_filters=5, **parameters)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Otherwise normalisation would change nothing, wherever it stood.
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return network.eval()


@pytest.mark.parametrize(("filters", "count"), [(32, 127_585), (64, 478_017)])
def test_published_layouts_have_the_published_number_of_parameters(
    filters: int, count: int
) -> None:
    with torch.device("meta"):
        state = build_network("aspp", {"filters": filters}).state_dict()
    assert sum(value.numel() for value in state.values() if value.is_floating_point()) == count


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (40, 33)])
def test_any_size_is_kept(size: tuple[int, int]) -> None:
    x = torch.randn(2, 1, *size)
    with torch.inference_mode():
        probability = small()(x)
    assert probability.shape == x.shape
    assert 0 < probability.min() <= probability.max() < 1


def test_every_layer_is_convolution_then_relu_then_normalisation() -> None:
    for block in (small().entry[0], small().branches[1][0], small().join):
        assert [type(layer) for layer in block] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
        assert block[2].eps == 1e-3
    with_dropout = small(dropout=0.4).join
    assert isinstance(with_dropout[3], nn.Dropout) and with_dropout[3].p == 0.4


def test_as_printed_the_near_branch_has_1x1_kernels_and_pooling_comes_later() -> None:
    published, printed = small(), small(near_kernel=1, pool_early=False)
    assert [block[0].kernel_size for block in published.near] == [(3, 3), (1, 1)]
    assert [block[0].kernel_size for block in printed.near] == [(1, 1), (1, 1)]
    assert [block[0].dilation for block in printed.branches[1]] == [(4, 4), (4, 4)]
    late = small(pool_early=False)
    late.load_state_dict(published.state_dict())
    x = torch.randn(1, 1, 24, 24)
    with torch.inference_mode():
        assert not torch.allclose(published.logits(x), late.logits(x))


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("size", [2, 10, 16, 24, 30, 40])
def test_the_middle_is_what_the_whole_has_there(size: int, printed: bool) -> None:
    network = small(near_kernel=1, pool_early=False) if printed else small()
    x = torch.randn(2, 1, 40, 44)
    with torch.inference_mode():
        whole = network.logits(x)
        middle = network.central_logits(x, size)
    first_x, first_y = (40 - size) // 2, (44 - size) // 2
    expected = whole[:, :, first_x : first_x + size, first_y : first_y + size]
    torch.testing.assert_close(middle, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [15, 42])
def test_what_is_no_middle_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="middle"):
        small().central_logits(torch.zeros(1, 1, 40, 40), size)
