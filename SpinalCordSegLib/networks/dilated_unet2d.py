# SPDX-License-Identifier: Apache-2.0
"""CNN1: the dilated 2D U-Net that finds the cord on axial slices (Gros 2019, section 2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .blocks import convolution, convolution_block


class DilatedUNet2d(nn.Module):
    """U-Net with two resolution steps and dilated convolutions in its contracting path.

    Parameters
    ----------
    filters : int
        Channels at full resolution; doubled at each of the two steps.
    encoder_dilations : sequence of int
        Dilation of the convolutions at each contracting level. ``(1, 2)`` in the published
        weights, ``(3, 3)`` as the paper prints it.
    bottleneck_dilations : sequence of int
        One convolution each. ``(1, 2)`` or ``(1, 2, 4)`` in the published weights.
    dropout : float
        Probability, after every ReLU: 0.2 in the paper.

    Notes
    -----
    Input (N, 1, X, Y) after normalisation, X right to left and Y posterior to anterior; both
    sizes must be multiples of :attr:`stride`. Output (N, 1, X, Y), probabilities of cord.
    """

    dimensions = 2
    stride = 4

    def __init__(
        self,
        filters: int,
        encoder_dilations: Sequence[int] = (1, 2),
        bottleneck_dilations: Sequence[int] = (1, 2),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        f = filters
        self.encoder1 = _stack(1, f, encoder_dilations, dropout)
        self.encoder2 = _stack(f, 2 * f, encoder_dilations, dropout)
        self.bottleneck = _stack(2 * f, 4 * f, bottleneck_dilations, dropout)
        self.up2 = nn.ConvTranspose2d(4 * f, 2 * f, 2, stride=2)
        self.decoder2 = _stack(4 * f, 2 * f, (1, 1), dropout)
        self.up1 = nn.ConvTranspose2d(2 * f, f, 2, stride=2)
        self.decoder1 = _stack(2 * f, f, (1, 1), dropout)
        self.head = convolution(2, f, 1, kernel_size=1)
        self.pool = nn.MaxPool2d(2)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output before the sigmoid, same shape as the input."""
        skip1 = self.encoder1(x)
        skip2 = self.encoder2(self.pool(skip1))
        x = self.bottleneck(self.pool(skip2))
        x = self.decoder2(torch.cat([self.up2(x), skip2], dim=1))
        x = self.decoder1(torch.cat([self.up1(x), skip1], dim=1))
        return self.head(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logits(x))


def _stack(
    in_channels: int, out_channels: int, dilations: Sequence[int], dropout: float
) -> nn.Sequential:
    channels = [in_channels] + [out_channels] * len(dilations)
    return nn.Sequential(
        *(
            convolution_block(2, channels[i], channels[i + 1], dilation, dropout)
            for i, dilation in enumerate(dilations)
        )
    )
