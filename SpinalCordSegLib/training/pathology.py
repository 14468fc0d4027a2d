# SPDX-License-Identifier: Apache-2.0
"""How often synthetic spines are ill, and what bends them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .compression import push_aside, resize_cord, squeeze
from .randomness import Randomness


@dataclass(frozen=True)
class PathologyRates:
    """Shares of the samples, 0 to 1.

    Attributes
    ----------
    compression : float
        Cord and canal squeezed at some levels.
    narrowest : float
        Least anterior-posterior width that compression leaves, as a share.
    atrophy, swelling : float
        Cord thinner or wider in its canal.
    pushed_aside : float
        Cord out of the middle of its canal.
    curved : float
        Scoliosis or strong kyphosis.
    cavity : float
        Syrinx-like cavity.
    lesion : float
        Lesions as of multiple sclerosis.
    implant : float
        Metal beside the spine.
    """

    compression: float = 0.12
    narrowest: float = 0.35
    atrophy: float = 0.08
    swelling: float = 0.04
    pushed_aside: float = 0.15
    curved: float = 0.08
    cavity: float = 0.04
    lesion: float = 0.08
    implant: float = 0.03


SOME_ILL = PathologyRates()
HEALTHY = PathologyRates(0, 0.35, 0, 0, 0, 0, 0, 0, 0)


def bend_to_pathology(
    position: torch.Tensor, random: Randomness, rates: PathologyRates
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compress, thin, swell or shift the cord in as many samples as the rates ask.

    Parameters
    ----------
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis.

    Returns
    -------
    position : Tensor of float32, (3, X, Y, Z)
    compressed : Tensor of float32, (X, Y, Z), optional
        0 to 1; None without compression.
    """
    compressed = None
    # First where the voxel looks last: the canal is squeezed with what happened inside it.
    if random.chance(rates.compression):
        position, compressed = squeeze(position, random, rates.narrowest)
    if random.chance(rates.pushed_aside):
        position = push_aside(position, random)
    if random.chance(rates.atrophy):
        position = resize_cord(position, random.uniform(0.65, 0.95))
    elif random.chance(rates.swelling):
        position = resize_cord(position, random.uniform(1.05, 1.3))
    return position, compressed
