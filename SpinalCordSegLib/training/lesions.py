# SPDX-License-Identifier: Apache-2.0
"""Lesions in the cord, shaped and placed as those of multiple sclerosis."""

from __future__ import annotations

import math

import torch

from .randomness import Randomness

_CANDIDATES = 24


def draw_lesions(cord: torch.Tensor, position: torch.Tensor, random: Randomness) -> torch.Tensor:
    """Draw one to five distorted ellipsoids with soft edges inside the cord.

    They lie to the back and to the sides of the cord more often than to its front, and are
    longer than wide.

    Parameters
    ----------
    cord : Tensor of float32, (X, Y, Z)
        Fraction of each voxel inside the cord.
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis.

    Returns
    -------
    Tensor of float32, (X, Y, Z)
        Fraction of each voxel inside a lesion, no more than in the cord; 0 without cord.
    """
    lesion = torch.zeros_like(cord)
    inside = (cord > 0.6).flatten().nonzero()[:, 0]
    if not len(inside):
        return lesion
    nodes = [max(2, n // 5) for n in cord.shape]
    rough = random.smooth_field(cord.shape, nodes, deviation=random.uniform(0.1, 0.35))[0]
    count = int(random.scalars.choice([1, 2, 3, 4, 5], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
    for centre in _centres(inside, position, random, count):
        across = [math.exp(random.uniform(0.0, 1.3)) for _ in range(2)]
        radii = (*across, max(across) * math.exp(random.uniform(-0.2, 1.5)))
        squared = sum(((p - c) / r) ** 2 for p, c, r in zip(position, centre, radii, strict=True))
        distance = torch.sqrt(torch.as_tensor(squared)) + rough
        softness = random.uniform(0.15, 0.6)
        lesion = torch.maximum(lesion, ((1 - distance) / softness + 0.5).clamp_(0, 1))
    return torch.minimum(lesion, cord)


def _centres(
    inside: torch.Tensor, position: torch.Tensor, random: Randomness, count: int
) -> list[tuple[float, float, float]]:
    drawn = random.scalars.integers(0, len(inside), _CANDIDATES)
    voxels = inside[torch.from_numpy(drawn).to(inside.device)]
    places = position.flatten(1)[:, voxels].T.cpu().numpy()
    behind, beside = places[:, 1] < -0.5, abs(places[:, 0]) > 2.0
    weight = 1.0 + 1.5 * behind + 1.0 * beside
    chosen = random.scalars.choice(_CANDIDATES, count, replace=False, p=weight / weight.sum())
    return [tuple(places[k].tolist()) for k in chosen]
