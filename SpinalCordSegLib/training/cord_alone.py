# SPDX-License-Identifier: Apache-2.0
"""What a network sees that looks at the cord alone: the cord as it may have been found."""

from __future__ import annotations

import torch

from ..segmentation.cord_scale import scaled_to_cord
from .randomness import Randomness


def cord_alone(
    image: torch.Tensor, target: torch.Tensor, random: Randomness
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a sample with all but the cord taken away, in the image and in the target.

    Parameters
    ----------
    image : Tensor of float32, (1, X, Y, Z)
    target : Tensor of float32, (2, X, Y, Z)
        The cord, and what the network is for; NaN where nobody drew.

    Returns
    -------
    image : Tensor of float32, (1, X, Y, Z)
        On the scale of :func:`scaled_to_cord`.
    target : Tensor of float32, (1, X, Y, Z)
        NaN outside the cord too.
    """
    cord = target[0].nan_to_num(0.0)
    # In use the mask is a found one: a little off, and larger or smaller.
    offsets = random.scalars.integers(-1, 2, 2).tolist() if random.chance(0.5) else [0, 0]
    found = torch.roll(cord, offsets, (0, 1)) ** random.uniform(0.4, 2.0)
    seen = scaled_to_cord(image[0], found)
    return seen[None], target[1:].masked_fill(cord == 0, torch.nan)
