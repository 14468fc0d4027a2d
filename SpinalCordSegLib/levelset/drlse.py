# SPDX-License-Identifier: Apache-2.0
"""Distance regularised level set evolution of many slices at once.

Li, Xu, Gui, Fox 2010 (IEEE TIP 19(12):3243-3254), as used by Zhang 2021, equations 6 to 16. The
level set function is negative inside. All lengths are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

# Slices that are evolved together, in pixels: what the steps touch then stays in the cache of an
# ordinary processor. On a GPU the limit is its memory.
_CACHED_PIXELS = 1 << 18
_GPU_PIXELS = 1 << 24

# A contour rests when it moves by less than this between two looks at it, on average.
_REST_PIXELS = 0.05
# Added to slopes that are divided by (the paper's epsilon 1).
_SMALL = 1e-10

# Changes the level set functions (n, H, W) of the slices whose indices are given, in place.
Regulariser = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Forces:
    """What drives the contour (Zhang 2021, equation 15 and section 3.2).

    Attributes
    ----------
    mu : float
        Distance regularisation; ``time_step * mu`` must be below 0.25.
    lam : float
        Pull of the edges and smoothness of the contour.
    alpha : float
        Speed where there is no edge; negative lets the contour grow.
    epsilon : float
        Half the width of the band that the forces act in, pixels.
    time_step : float
    """

    mu: float = 0.2
    lam: float = 4.0
    alpha: float = -9.0
    epsilon: float = 2.0
    time_step: float = 1.0


@dataclass(frozen=True)
class Evolution:
    """Where the contours have come to.

    Attributes
    ----------
    phi : Tensor of float32, (N, H, W)
        Level set functions, negative inside.
    iterations : Tensor of int64, (N,)
        Steps until the contour rested, or all of them.
    rested : Tensor of bool, (N,)
        Whether the contour came to rest.
    """

    phi: Tensor
    iterations: Tensor
    rested: Tensor


PAPER_FORCES = Forces()


def drlse(
    edges: Tensor | np.ndarray,
    phi: Tensor | np.ndarray,
    *,
    outer: int = 25,
    inner: int = 5,
    forces: Forces = PAPER_FORCES,
    until_rest: bool = True,
    regularise: Regulariser | None = None,
) -> Evolution:
    """Evolve level set functions until their contours rest on edges.

    Parameters
    ----------
    edges : Tensor or ndarray, (N, H, W)
        Edge indicator of each slice, 0 on edges to 1 away from them (equation 6).
    phi : Tensor or ndarray, (N, H, W)
        Initial level set functions, negative inside. They are not changed.
    outer, inner : int
        ``outer * inner`` steps at most.
    forces : Forces
    until_rest : bool
        Let a slice leave the batch when its contour has moved by less than 0.05 pixels,
        on average, over `inner` steps.
    regularise : callable, optional
        ``regularise(phi, slices)`` changes level set functions in place after every `inner`
        steps; `slices` are the indices of those that still move.

    Returns
    -------
    Evolution
        On the device of `edges`. What a slice comes to does not depend on its company.

    Raises
    ------
    ValueError
        If the shapes differ, or the steps are too large to be stable.

    References
    ----------
    Li et al. 2010, equation 30; Zhang 2021, equation 15.
    """
    edges = torch.as_tensor(edges, dtype=torch.float32)
    result = torch.as_tensor(phi, dtype=torch.float32, device=edges.device).clone()
    if result.shape != edges.shape or result.ndim != 3:
        raise ValueError(f"edges {tuple(edges.shape)} and phi {tuple(result.shape)}: both N, H, W")
    if forces.mu * forces.time_step >= 0.25:
        raise ValueError("time_step * mu must be below 0.25")
    iterations = torch.full((len(result),), outer * inner, device=edges.device)
    rested = torch.zeros(len(result), dtype=torch.bool, device=edges.device)
    for chunk in _chunks(result):
        moving = torch.arange(chunk.start, chunk.stop, device=edges.device)
        now, around = result[chunk].clone(), edges[chunk].contiguous()
        buffers = _Buffers.like(now)
        for done in range(1, outer + 1):
            before = now.clone() if until_rest else now
            for _ in range(inner):
                _step(now, around, forces, buffers)
            if regularise is not None:
                regularise(now, moving)
            if not until_rest:
                continue
            still = _resting(before, now)
            if not bool(still.any()):
                continue
            result[moving[still]] = now[still]
            rested[moving[still]] = True
            iterations[moving[still]] = done * inner
            moving, now, around = moving[~still], now[~still], around[~still]
            if len(moving) == 0:
                break
            buffers = buffers.first(len(now))
        result[moving] = now
    return Evolution(result, iterations, rested)


def dirac(phi: Tensor, epsilon: float) -> Tensor:
    """Return the smoothed delta function (equation 13, its bracket closed as in Li 2010)."""
    return (1 + torch.cos(phi.clamp(-epsilon, epsilon) * (math.pi / epsilon))) / (2 * epsilon)


def heaviside(phi: Tensor, epsilon: float) -> Tensor:
    """Return the smoothed step function (equation 14 with x / epsilon, as in Li 2010)."""
    x = phi.clamp(-epsilon, epsilon) / epsilon
    return (1 + x + torch.sin(math.pi * x) / math.pi) / 2


def double_well(slope: Tensor) -> Tensor:
    """Return the potential with minima at slopes 0 and 1 (equation 12)."""
    below = (1 - torch.cos(2 * math.pi * slope)) / (2 * math.pi) ** 2
    return torch.where(slope <= 1, below, (slope - 1) ** 2 / 2)


def energy(edges: Tensor, phi: Tensor, forces: Forces = PAPER_FORCES) -> Tensor:
    """Return what the evolution descends on, for each slice (equations 8 to 11).

    The area energy counts the inside, as in Li 2010 equation 26, so that a negative `alpha` makes
    large contours cheap.

    Parameters
    ----------
    edges, phi : Tensor, (N, H, W)
    forces : Forces

    Returns
    -------
    Tensor, (N,)
    """
    d_row, d_column = torch.gradient(phi, dim=(1, 2))
    slope = torch.hypot(d_row, d_column)
    distance = double_well(slope)
    edge = edges * dirac(phi, forces.epsilon) * slope
    area = edges * heaviside(-phi, forces.epsilon)
    total = forces.mu * distance + forces.lam * edge + forces.alpha * area
    return total.sum(dim=(1, 2))


def _chunks(phi: Tensor) -> Iterator[slice]:
    limit = _CACHED_PIXELS if phi.device.type == "cpu" else _GPU_PIXELS
    count = len(phi)
    size = max(1, limit // max(1, phi[0].numel())) if count else 1
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


@dataclass(frozen=True)
class _Buffers:
    """Memory that the steps write to, so that none is allocated in between."""

    down: Tensor
    right: Tensor
    inverse: Tensor
    slope: Tensor
    well: Tensor
    flux_down: Tensor
    flux_right: Tensor

    @classmethod
    def like(cls, phi: Tensor) -> _Buffers:
        return cls(*(torch.zeros_like(phi) for _ in range(7)))

    def first(self, count: int) -> _Buffers:
        """Return the memory of fewer slices."""
        return _Buffers(*(getattr(self, field.name)[:count] for field in fields(self)))


def _resting(before: Tensor, now: Tensor) -> Tensor:
    """Tell which contours have hardly moved, or are no more.

    Where the slope is 1, a change of the level set function is a way in pixels; pixels count the
    more the nearer they are. A contour that began as a step has none and does not rest yet.
    """
    near = now.abs().neg_().add_(1).clamp_(min=0)
    width = near.flatten(1).sum(dim=1)
    moved = (now - before).abs_().mul_(near).flatten(1).sum(dim=1)
    gone = now.flatten(1).amin(dim=1) >= 0
    return ((width > 0) & (moved < _REST_PIXELS * width)) | gone


def _step(phi: Tensor, edges: Tensor, forces: Forces, buffers: _Buffers) -> None:
    """Take one explicit step of equation 15 in place.

    The outermost ring of pixels mirrors the inside: no slope and no flux across the border. All
    slices are one row of numbers, in which a pixel's neighbours lie 1 and W away.
    """
    width = phi.shape[2]
    row = phi.view(-1)
    edge = edges.view(-1)
    down, right = buffers.down.view(-1), buffers.right.view(-1)
    inverse, slope, well = (b.view(-1) for b in (buffers.inverse, buffers.slope, buffers.well))
    flux_down, flux_right = buffers.flux_down.view(-1), buffers.flux_right.view(-1)
    middle = slice(width, -width)
    end = row.numel() - width

    def shifted(values: Tensor, by: int) -> Tensor:
        return values[width + by : end + by]

    centre = row[middle]
    above, below = shifted(row, -width), shifted(row, width)
    before, after = shifted(row, -1), shifted(row, 1)

    # Twice the gradient, its length, and its direction.
    torch.sub(below, above, out=down[middle])
    torch.sub(after, before, out=right[middle])
    torch.mul(down, down, out=slope)
    slope.addcmul_(right, right)
    torch.add(slope, 4 * _SMALL**2, out=inverse).rsqrt_()
    _clear_ring(buffers.inverse)
    slope.mul_(inverse).clamp_(max=2.0)
    down.mul_(inverse)
    right.mul_(inverse)
    # Half of p'(s) - s of the double well: its flux less that of the Laplacian.
    torch.mul(slope, math.pi, out=well)
    well.sin_().mul_(0.25 / math.pi).sub_(slope, alpha=0.25)
    torch.mul(well, down, out=flux_down)
    torch.mul(well, right, out=flux_right)
    down.mul_(edge)
    right.mul_(edge)

    # Distance regularisation: div((d_p - 1) grad phi) + Laplacian.
    spread = inverse[middle]
    torch.sub(shifted(flux_down, width), shifted(flux_down, -width), out=spread)
    spread.add_(shifted(flux_right, 1)).sub_(shifted(flux_right, -1))
    spread.add_(above).add_(below).add_(before).add_(after).sub_(centre, alpha=4)
    # Edges and area, where the smoothed delta function is not zero.
    change, delta = well[middle], slope[middle]
    torch.sub(shifted(down, width), shifted(down, -width), out=change)
    change.add_(shifted(right, 1)).sub_(shifted(right, -1))
    change.mul_(forces.lam / 2).add_(edge[middle], alpha=forces.alpha)
    torch.clamp(centre, -forces.epsilon, forces.epsilon, out=delta)
    delta.mul_(math.pi / forces.epsilon).cos_()
    change.addcmul_(change, delta)

    centre.add_(change, alpha=forces.time_step / (2 * forces.epsilon))
    centre.add_(spread, alpha=forces.time_step * forces.mu)
    _mirror_ring(phi)


def _clear_ring(values: Tensor) -> None:
    values[:, 0] = 0
    values[:, -1] = 0
    values[:, :, 0] = 0
    values[:, :, -1] = 0


def _mirror_ring(phi: Tensor) -> None:
    phi[:, 0] = phi[:, 2]
    phi[:, -1] = phi[:, -3]
    phi[:, :, 0] = phi[:, :, 2]
    phi[:, :, -1] = phi[:, :, -3]
