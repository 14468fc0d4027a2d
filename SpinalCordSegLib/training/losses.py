# SPDX-License-Identifier: Apache-2.0
"""What the networks are trained to make small."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return one minus Dice with squared denominators (Milletari 2016), a value per sample.

    Parameters
    ----------
    probability, target : Tensor, (N, C, ...)
        Both in [0, 1]; the target may be soft.

    Returns
    -------
    Tensor, (N,)
        0 for a perfect match, also where both are empty; 1 for none.
    """
    axes = tuple(range(1, probability.ndim))
    overlap = (probability * target).sum(axes)
    sizes = (probability**2).sum(axes) + (target**2).sum(axes)
    return 1 - (2 * overlap + 1) / (sizes + 1)


def negative_dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the negative of the mean Dice coefficient (Zhang 2021, section 2.2, equation 20).

    Zhang does not print how an image without cord is treated: here one counts in the numerator
    and the denominator, so that an empty prediction is then perfect.
    """
    probability = torch.sigmoid(logits)
    axes = tuple(range(1, probability.ndim))
    overlap = (probability * target).sum(axes)
    sizes = probability.sum(axes) + target.sum(axes)
    return -((2 * overlap + 1) / (sizes + 1)).mean()


def dice_and_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean soft Dice loss plus half the binary cross-entropy.

    The cross-entropy keeps a gradient where a sample holds no cord.
    """
    dice = soft_dice_loss(torch.sigmoid(logits), target).mean()
    return dice + 0.5 * F.binary_cross_entropy_with_logits(logits, target)
