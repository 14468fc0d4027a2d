# SPDX-License-Identifier: Apache-2.0
"""Several raters of one scan: their consensus, and how far each is from it (Gros 2019, 2.4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .overlap import dice

Mask = NDArray[np.bool_]


def majority_vote(masks: Sequence[Mask]) -> Mask:
    """Return the voxels that more than half of the raters hold inside.

    Parameters
    ----------
    masks : sequence of ndarray of bool
        One a rater, all of one shape. Of an even number, half is no majority.

    Raises
    ------
    ValueError
        If there is no rater, or shapes differ.
    """
    if not masks or any(mask.shape != masks[0].shape for mask in masks):
        raise ValueError("a vote needs masks of one shape")
    votes = np.sum([np.asarray(mask, bool) for mask in masks], axis=0)
    consensus: Mask = 2 * votes > len(masks)
    return consensus


def dice_to_consensus(masks: Sequence[Mask]) -> list[float]:
    """Return the Dice of each rater with the majority vote of all, the rater's own among them."""
    consensus = majority_vote(masks)
    return [dice(np.asarray(mask, bool), consensus) for mask in masks]
