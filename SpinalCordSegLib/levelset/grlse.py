# SPDX-License-Identifier: Apache-2.0
"""Grayscale regularised level set evolution (Zhang 2021, section 2.3).

As :func:`~.drlse.drlse`, but pixels whose gray level is not that of the region are put outside it
again, so that a contour does not leak where an edge is weak.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F

from .drlse import PAPER_FORCES, Evolution, Forces, drlse
from .edges import edge_indicator

THRESHOLD = 50.0
_LEVELS = 256


def grlse(
    image: Tensor | np.ndarray,
    phi: Tensor | np.ndarray,
    *,
    edges: Tensor | np.ndarray | None = None,
    threshold: float = THRESHOLD,
    darker: ArrayLike | bool = True,
    smoothing: int = 1,
    most_removed: float = 1.0,
    anchored: bool = False,
    outer: int = 25,
    inner: int = 5,
    forces: Forces = PAPER_FORCES,
    until_rest: bool = True,
) -> Evolution:
    """Evolve level set functions, holding the gray levels of the inside together.

    Parameters
    ----------
    image : Tensor or ndarray, (N, H, W)
        Gray levels, 0 to 255 (the paper's I_F).
    phi : Tensor or ndarray, (N, H, W)
        Initial level set functions, negative inside.
    edges : Tensor or ndarray, (N, H, W), optional
        Edge indicator; that of `image` if not given.
    threshold : float
        Gray levels from the mode of the inside from which on a pixel does not belong to it.
    darker : bool, or bool for each slice
        Whether the cord is darker than what it must not leak into. The paper's always is.
    smoothing : int
        Levels over which the histogram is averaged, odd, before its mode is looked for.
    most_removed : float
        Where more than this part of the inside would have to go, the mode does not stand for it
        and nothing is done.
    anchored : bool
        Where the mode gets `threshold` away from that of the initial inside, the initial one stays:
        a contour that leaks between two outer iterations would otherwise take the mode with it,
        and then hold what it leaked into together.
    outer, inner, forces, until_rest
        See :func:`~.drlse.drlse`.

    Returns
    -------
    Evolution

    References
    ----------
    Zhang 2021, equations 17 to 19 and algorithm 1.
    """
    image = torch.as_tensor(image, dtype=torch.float32)
    if edges is None:
        edges = torch.from_numpy(edge_indicator(image.cpu().numpy()))
    sign = torch.where(torch.as_tensor(darker, device=image.device), 1.0, -1.0).expand(len(image))

    inside = torch.as_tensor(phi, device=image.device) < 0
    first = inside_mode(image, inside, smoothing) if anchored else None

    def regularise(phi: Tensor, slices: Tensor) -> None:
        # Of the pixels inside: which slice, row and column, and how gray.
        own, row, column = torch.nonzero(phi < 0, as_tuple=True)
        gray = image[slices[own], row, column]
        mode = _modes(gray, own, len(phi), smoothing)
        if first is not None:
            near = (mode - first[slices]).abs() < threshold
            mode = torch.where(near, mode, first[slices])
        foreign = sign[slices[own]] * (gray - mode[own]) >= threshold
        count, out = (torch.bincount(each, minlength=len(phi)) for each in (own, own[foreign]))
        foreign &= (out <= most_removed * count)[own]
        phi[own[foreign], row[foreign], column[foreign]] *= -1

    return drlse(
        torch.as_tensor(edges).to(image.device),
        phi,
        outer=outer,
        inner=inner,
        forces=forces,
        until_rest=until_rest,
        regularise=regularise,
    )


def inside_mode(gray: Tensor, inside: Tensor, smoothing: int = 1) -> Tensor:
    """Return the most frequent gray level inside, the lowest of several; 0 where nothing is.

    Parameters
    ----------
    gray : Tensor, (N, H, W)
        0 to 255.
    inside : Tensor of bool, (N, H, W)
    smoothing : int
        Levels over which the histogram is averaged, odd.

    Returns
    -------
    Tensor of float32, (N,)
    """
    return _modes(gray[inside], torch.nonzero(inside, as_tuple=True)[0], len(gray), smoothing)


def _modes(gray: Tensor, own: Tensor, count: int, smoothing: int) -> Tensor:
    """Return the modes of `count` slices from gray levels and the slices that they belong to."""
    levels = gray.to(torch.int64).clamp_(0, _LEVELS - 1) + _LEVELS * own
    histogram = torch.bincount(levels, minlength=_LEVELS * count).reshape(count, 1, _LEVELS)
    smooth = F.avg_pool1d(histogram.float(), smoothing, 1, smoothing // 2)[:, 0]
    return smooth.argmax(dim=1).float()
