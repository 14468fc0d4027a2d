# SPDX-License-Identifier: Apache-2.0
"""The plain 2D U-Net: CNN2 for single slices as the toolbox publishes it; that of Zhang 2021."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from .blocks import convolution, convolution_block


class UNet2d(nn.Module):
    """U-Net of two 3x3 convolutions a level and 2x2 transposed convolutions on the way up.

    Parameters
    ----------
    filters : int
        Channels at full resolution; doubled at each step. 32 in the published weights.
    depth : int
        Resolution steps: 2 in the published weights, 3 for T2w.
    batch_norm : bool
        The published weights have none.
    dropout : float
        Probability, after every ReLU.
    widest : int, optional
        Most channels at any resolution; no limit by default.

    Notes
    -----
    Input (N, 1, X, Y) after normalisation, X right to left and Y posterior to anterior; both
    sizes must be multiples of :attr:`stride`. Output (N, 1, X, Y), probabilities of cord.
    """

    dimensions = 2

    def __init__(
        self,
        filters: int,
        depth: int = 2,
        batch_norm: bool = False,
        dropout: float = 0.0,
        widest: int | None = None,
    ) -> None:
        super().__init__()
        self.stride = 2**depth

        def pair(in_channels: int, out_channels: int) -> nn.Sequential:
            return nn.Sequential(
                convolution_block(2, in_channels, out_channels, 1, dropout, batch_norm),
                convolution_block(2, out_channels, out_channels, 1, dropout, batch_norm),
            )

        widths = [filters * 2**level for level in range(depth + 1)]
        widths = [min(width, widest or width) for width in widths]
        self.encoder = nn.ModuleList(
            pair(before, after) for before, after in zip([1, *widths], widths[:-1], strict=False)
        )
        self.bottleneck = pair(widths[-2], widths[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, width, 2, stride=2)
            for width, below in reversed(list(pairwise(widths)))
        )
        self.decoder = nn.ModuleList(pair(2 * width, width) for width in reversed(widths[:-1]))
        self.head = convolution(2, filters, 1, kernel_size=1)
        self.pool = nn.MaxPool2d(2)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output before the sigmoid, same shape as the input."""
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, level in zip(self.up, self.decoder, strict=True):
            x = level(torch.cat([up(x), skips.pop()], dim=1))
        return self.head(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logits(x))
