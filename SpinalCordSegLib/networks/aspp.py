# SPDX-License-Identifier: Apache-2.0
"""The gray-matter network: atrous spatial pyramid pooling at full resolution (Perone 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import BATCH_NORM_EPSILON, convolution

_ENTRY_RATE = 2


class ASPP(nn.Module):
    """Parallel dilated convolutions over one resolution, beside a global average.

    Parameters
    ----------
    filters : int
        Channels of every layer but the last two: 32 (``challenge``) or 64 (``large``).
    rates : sequence of int
        Dilation of each parallel branch of two 3x3 convolutions.
    near_kernel : int
        Size of the first kernel in the branch without dilation: 3 in the published weights, 1 as
        the paper prints it.
    pool_early : bool
        Take the global average before the two convolutions of dilation 2, as the published
        weights do; False: after them, as the paper's figure 3 draws it.
    join_filters : int
        Channels of the 1x1 convolution that joins the branches.
    dropout : float
        Probability, after every batch normalisation: 0.4 in the paper.

    Notes
    -----
    Every layer is convolution, ReLU, batch normalisation, dropout, in this order. Input
    (N, 1, X, Y) after normalisation, X right to left and Y posterior to anterior, any size.
    Output (N, 1, X, Y), probabilities of gray matter.
    """

    dimensions = 2
    stride = 1

    def __init__(
        self,
        filters: int,
        rates: Sequence[int] = (6, 12, 18, 24),
        near_kernel: int = 3,
        pool_early: bool = True,
        join_filters: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        f = filters

        def pair(channels: int, kernel_sizes: Sequence[int], rate: int = 1) -> nn.Sequential:
            first, second = kernel_sizes
            return nn.Sequential(
                _block(channels, f, first, rate, dropout), _block(f, f, second, rate, dropout)
            )

        self.pool_early = pool_early
        self.reach = 2 * max([*rates, near_kernel // 2])
        self.entry = pair(1, (3, 3))
        self.dilated = pair(f, (3, 3), _ENTRY_RATE)
        self.near = pair(f, (near_kernel, 1))
        self.branches = nn.ModuleList(pair(f, (3, 3), rate) for rate in rates)
        joined = f * (len(rates) + 2)
        self.joined_norm = nn.BatchNorm2d(joined, eps=BATCH_NORM_EPSILON)
        self.join = _block(joined, join_filters, 1, 1, dropout)
        self.head = convolution(2, join_filters, 1, kernel_size=1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output before the sigmoid, same shape as the input."""
        near, pooled = self._features(x)
        branches = [branch(near) for branch in (self.near, *self.branches)]
        return self._joined(branches, pooled)

    def central_logits(self, x: torch.Tensor, size: int) -> torch.Tensor:
        """Return the middle of :meth:`logits`, for a fraction of its cost.

        Parameters
        ----------
        x : Tensor, (N, 1, X, Y)
        size : int
            Of the square in the middle; X - `size` and Y - `size` must be even.

        Returns
        -------
        Tensor, (N, 1, size, size)
            What :meth:`logits` gives there: each branch is computed only as far from the middle
            as it is looked at.
        """
        if any(n < size or (n - size) % 2 for n in x.shape[2:]):
            raise ValueError(f"{size} is not the size of a middle of {tuple(x.shape[2:])}")
        if min(x.shape[2:]) < size + 2 * self.reach:
            return _middle(self.logits(x), size)
        features, pooled = self._features(x)
        branches = [_unpadded(branch, features, size) for branch in (self.near, *self.branches)]
        return self._joined(branches, pooled)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logits(x))

    def _features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the branches look at, and its average over the whole slice."""
        early = self.entry(x)
        late = self.dilated(early)
        pooled = (early if self.pool_early else late).mean(dim=(2, 3), keepdim=True)
        return late, pooled

    def _joined(self, branches: list[torch.Tensor], pooled: torch.Tensor) -> torch.Tensor:
        everywhere = pooled.expand(-1, -1, *branches[0].shape[2:])
        x = torch.cat([*branches, everywhere], dim=1)
        return self.head(self.join(self.joined_norm(x)))


def _block(
    in_channels: int, out_channels: int, kernel_size: int, dilation: int, dropout: float
) -> nn.Sequential:
    layers: list[nn.Module] = [
        convolution(2, in_channels, out_channels, kernel_size, dilation),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPSILON),
    ]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _unpadded(branch: nn.Module, features: torch.Tensor, size: int) -> torch.Tensor:
    """Return the middle of a branch's output, without padding and so without waste."""
    blocks = [list(block.children()) for block in branch.children()]
    margins = [_margin(layers[0]) for layers in blocks]
    x = _middle(features, size + 2 * sum(margins))
    for layers in blocks:
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                x = F.conv2d(x, layer.weight, layer.bias, dilation=layer.dilation)
            else:
                x = layer(x)
    return x


def _margin(layer: nn.Module) -> int:
    assert isinstance(layer, nn.Conv2d)
    return layer.dilation[0] * (layer.kernel_size[0] // 2)


def _middle(x: torch.Tensor, size: int) -> torch.Tensor:
    start = [(n - size) // 2 for n in x.shape[2:]]
    return x[:, :, start[0] : start[0] + size, start[1] : start[1] + size]
