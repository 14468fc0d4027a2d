# SPDX-License-Identifier: Apache-2.0
"""CNN2: the 3D U-Net that outlines the cord or its lesions (Gros 2019, section 2.2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .blocks import convolution, convolution_block


class UNet3d(nn.Module):
    """3D U-Net whose channels are given level by level, as the published graphs have them.

    Parameters
    ----------
    encoder : sequence of (int, int)
        Output channels of the two convolutions at each level before the deepest.
    bottleneck : (int, int)
        The same for the deepest level.
    decoder : sequence of (int, int)
        The same on the way up, deepest level first; as many as in `encoder`.
    dropout : float
        Probability, after every ReLU: 0.4 in the paper.

    Notes
    -----
    Input (N, 1, X, Y, Z) after normalisation, X right to left, Y posterior to anterior, Z
    inferior to superior; sizes must be multiples of :attr:`stride`. Output (N, 1, X, Y, Z),
    probabilities. Nearest-neighbour upsampling, joined with the skip connection (upsampled
    channels first).
    """

    dimensions = 3

    def __init__(
        self,
        encoder: Sequence[Sequence[int]],
        bottleneck: Sequence[int],
        decoder: Sequence[Sequence[int]],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder):
            raise ValueError("encoder and decoder must have as many levels as each other")
        self.stride = 2 ** len(encoder)
        self.encoder = nn.ModuleList()
        channels = 1
        for level in encoder:
            self.encoder.append(_pair(channels, level, dropout))
            channels = level[-1]
        self.bottleneck = _pair(channels, bottleneck, dropout)
        channels = bottleneck[-1]
        self.decoder = nn.ModuleList()
        for level, skip in zip(decoder, reversed(encoder), strict=True):
            self.decoder.append(_pair(channels + skip[-1], level, dropout))
            channels = level[-1]
        self.head = convolution(3, channels, 1, kernel_size=1)
        self.pool = nn.MaxPool3d(2)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output before the sigmoid, same shape as the input."""
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for level in self.decoder:
            x = level(torch.cat([self.up(x), skips.pop()], dim=1))
        return self.head(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logits(x))


def _pair(in_channels: int, out_channels: Sequence[int], dropout: float) -> nn.Sequential:
    first, second = out_channels
    return nn.Sequential(
        convolution_block(3, in_channels, first, dropout=dropout),
        convolution_block(3, first, second, dropout=dropout),
    )
