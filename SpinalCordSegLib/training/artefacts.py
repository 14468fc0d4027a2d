# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a scanner: flowing CSF, pulsation ghosts, motion, uneven slices.

All of it changes the image and leaves the anatomy, and so the target, where it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .randomness import Randomness


def add_flow(
    image: torch.Tensor, csf: torch.Tensor, random: Randomness, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """Make patches of the CSF lose signal, or gain some, as flowing CSF does.

    Parameters
    ----------
    image : Tensor of float32, (X, Y, Z)
    csf : Tensor of bool, (X, Y, Z)
    spacing_mm : (x, y, z)
    """
    size_mm = (random.uniform(3, 7), random.uniform(3, 7), random.uniform(6, 30))
    nodes = [
        max(2, round(n * s / size) + 1)
        for n, s, size in zip(image.shape, spacing_mm, size_mm, strict=True)
    ]
    field = random.smooth_field(image.shape, nodes)[0]
    patches = ((field - random.uniform(-0.3, 0.8)) * random.uniform(1.5, 5)).clamp_(0, 1)
    change = -random.uniform(0.3, 1.0) if random.chance(0.8) else random.uniform(0.1, 0.4)
    return torch.where(csf, image * (1 + change * patches), image)


def add_ghosts(image: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Add weak copies shifted along the phase-encoding axis, in or out of phase.

    Parameters
    ----------
    image : Tensor of float32, (X, Y, Z)
        At the scanner's resolution; the phase is encoded along an axis of at least 16 voxels.
    """
    axis = _phase_axis(image.shape, random)
    if axis is None:
        return image
    length = image.shape[axis]
    shift = round(random.uniform(0.15, 0.5) * length)
    weight = random.uniform(0.03, 0.16) * (1 if random.chance(0.6) else -1)
    ghost = torch.roll(image, shift, axis)
    if random.chance(0.5):
        ghost = ghost + torch.roll(image, -shift, axis)
    return (image + weight * ghost).abs_()


def add_motion(image: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Shift lines of k-space as a breathing or restless patient does; its centre stays.

    Parameters
    ----------
    image : Tensor of float32, (X, Y, Z)
        At the scanner's resolution.
    """
    axis = _phase_axis(image.shape, random)
    if axis is None:
        return image
    length = image.shape[axis]
    line = torch.fft.fftfreq(length, device=image.device)
    period, phase = random.uniform(3, 14), random.uniform(0, 2 * math.pi)
    shift = torch.sin(line * length * (2 * math.pi / period) + phase)
    shift += random.smooth_field((1, 1, length), (1, 1, max(2, length // 6)))[0, 0, 0]
    # Lines near the centre carry the shape: were they shifted, the target would have to be.
    shift *= random.uniform(0.3, 1.2) * (line.abs() > random.uniform(0.04, 0.1))
    turn = torch.polar(torch.ones_like(line), -2 * math.pi * line * shift)
    turn = turn.view([-1 if k == axis else 1 for k in range(3)])
    return torch.fft.ifft(torch.fft.fft(image, dim=axis) * turn, dim=axis).abs()


def vary_slices(image: torch.Tensor, axis: int, random: Randomness) -> torch.Tensor:
    """Give each slice a brightness of its own."""
    gain = 1 + random.uniform(0.02, 0.10) * random.noise((image.shape[axis],))
    return image * gain.clamp_(0.4, 1.6).view([-1 if k == axis else 1 for k in range(3)])


def _phase_axis(size: Sequence[int], random: Randomness) -> int | None:
    axes = [axis for axis, length in enumerate(size) if length >= 16]
    return axes[int(random.scalars.integers(len(axes)))] if axes else None
