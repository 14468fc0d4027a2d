# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks shared by the networks of the four papers."""

from __future__ import annotations

from torch import nn

# Keras' default epsilon, with which the published networks were trained; torch's is 1e-5.
BATCH_NORM_EPSILON = 1e-3

_CONVOLUTION: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORM: dict[int, type[nn.Module]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}


def convolution(
    dimensions: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    dilation: int = 1,
    stride: int = 1,
) -> nn.Module:
    """Return a zero-padded convolution that keeps the size of its input, or divides it by `stride`.

    Parameters
    ----------
    dimensions : int
        1 for (N, C, Z) input, 2 for (N, C, X, Y), 3 for (N, C, X, Y, Z).
    kernel_size : int
        Odd; the same along every axis.
    """
    return _CONVOLUTION[dimensions](
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
    )


def convolution_block(
    dimensions: int,
    in_channels: int,
    out_channels: int,
    dilation: int = 1,
    dropout: float = 0.0,
    batch_norm: bool = True,
    stride: int = 1,
) -> nn.Sequential:
    """Return convolution, batch normalisation, ReLU, dropout: Gros 2019, section 2.2.2."""
    layers = [convolution(dimensions, in_channels, out_channels, 3, dilation, stride)]
    if batch_norm:
        layers.append(_BATCH_NORM[dimensions](out_channels, eps=BATCH_NORM_EPSILON))
    layers.append(nn.ReLU(inplace=True))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)
