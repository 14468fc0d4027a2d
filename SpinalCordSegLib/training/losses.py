# SPDX-License-Identifier: Apache-2.0
"""What the networks are trained to make small.

Targets are NaN where nobody drew; no loss counts what is there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

# A logit whose probability is 0 and which no gradient passes.
_SURELY_OUTSIDE = -30.0


def where_drawn(
    logits: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return both, surely outside where nobody drew, and where somebody did."""
    unknown = torch.isnan(target)
    return logits.masked_fill(unknown, _SURELY_OUTSIDE), target.masked_fill(unknown, 0.0), ~unknown


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return one minus Dice with squared denominators (Milletari 2016).

    Parameters
    ----------
    probability, target : Tensor, (N, C, ...)
        Both in [0, 1]; the target may be soft.

    Returns
    -------
    Tensor, (N, C)
        0 for a perfect match, also where both are empty; 1 for none.
    """
    axes = tuple(range(2, probability.ndim))
    overlap = (probability * target).sum(axes)
    sizes = (probability**2).sum(axes) + (target**2).sum(axes)
    return 1 - (2 * overlap + 1) / (sizes + 1)


def mean_dice_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean of :func:`soft_dice_loss`, the Dice loss of Gros 2019 and Perone 2018."""
    logits, target, _ = where_drawn(logits, target)
    return soft_dice_loss(torch.sigmoid(logits), target).mean()


def negative_dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the negative of the mean Dice coefficient (Zhang 2021, section 2.2, equation 20).

    Zhang does not print how an image without cord is treated: here one counts in the numerator
    and the denominator, so that an empty prediction is then perfect.
    """
    logits, target, _ = where_drawn(logits, target)
    probability = torch.sigmoid(logits)
    axes = tuple(range(1, probability.ndim))
    overlap = (probability * target).sum(axes)
    sizes = probability.sum(axes) + target.sum(axes)
    return -((2 * overlap + 1) / (sizes + 1)).mean()


def dice_and_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, inside_weight: float = 1.0
) -> torch.Tensor:
    """Return the mean soft Dice loss plus half the binary cross-entropy.

    The cross-entropy keeps a gradient where a sample holds no cord.

    Parameters
    ----------
    logits, target : Tensor, (N, C, ...)
    inside_weight : float
        How much more the cross-entropy inside the structure counts than that outside: small
        structures would be given up for the sake of what is around them.
    """
    return mean_dice_loss(logits, target) + 0.5 * cross_entropy(logits, target, inside_weight)


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, inside_weight: float = 1.0
) -> torch.Tensor:
    """Return the mean binary cross-entropy, whose probabilities are right as such.

    Parameters are those of :func:`dice_and_cross_entropy`.
    """
    inside = torch.tensor(inside_weight, device=logits.device)
    logits, target, drawn = where_drawn(logits, target)
    each = F.binary_cross_entropy_with_logits(logits, target, pos_weight=inside, reduction="none")
    # Lesions are drawn in the cord alone: a mean over the whole patch would hardly count them.
    return (each * drawn).sum() / drawn.sum().clamp(min=1)
