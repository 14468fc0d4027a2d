# SPDX-License-Identifier: Apache-2.0
"""On which slices there is cord: each slice seen alone, then all of them in sequence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .blocks import convolution, convolution_block


class SliceSequence(nn.Module):
    """2D convolutions over each slice, and dilated 1D convolutions along the slices.

    What ends a cord is seen in its course over a decimetre or two, which no 3D patch at the
    resolution of an outline holds.

    Parameters
    ----------
    channels : int
        Of the input.
    encoder : sequence of int
        Channels of the 2D convolutions, after each of which the slice is half as wide.
    features : int
        Numbers that describe a slice.
    dilations : sequence of int
        Of the convolutions along the slices, each added to what it was given (He 2016).

    Notes
    -----
    Input (N, channels, X, Y, Z) after normalisation, X right to left, Y posterior to anterior, Z
    inferior to superior. Output (N, 1, X, Y, Z), the probability that the slice shows cord, the
    same all over it.
    """

    dimensions = 3
    stride = 1

    def __init__(
        self, channels: int, encoder: Sequence[int], features: int, dilations: Sequence[int]
    ) -> None:
        super().__init__()
        widths = [channels, *encoder]
        self.encoder = nn.ModuleList(
            convolution_block(2, before, after, stride=2) for before, after in pairwise(widths)
        )
        self.describe = convolution_block(1, 2 * widths[-1], features)
        self.along = nn.ModuleList(
            convolution_block(1, features, features, dilation) for dilation in dilations
        )
        self.head = convolution(1, features, 1, kernel_size=1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output before the sigmoid, of one channel."""
        size = x.shape
        # (N, C, X, Y, Z) to (N Z, C, X, Y)
        slices = x.permute(0, 4, 1, 2, 3).flatten(0, 1)
        # Twice as fast.
        slices = slices.contiguous(memory_format=torch.channels_last)
        for level in self.encoder:
            slices = level(slices)
        found = torch.cat([slices.mean((2, 3)), slices.amax((2, 3))], dim=1)
        # (N Z, C) to (N, C, Z)
        rows = self.describe(found.unflatten(0, (size[0], size[4])).transpose(1, 2))
        for layer in self.along:
            rows = rows + layer(rows)
        return self.head(rows)[:, :, None, None].expand(-1, -1, *size[2:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logits(x))
