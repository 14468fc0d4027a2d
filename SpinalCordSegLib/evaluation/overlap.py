# SPDX-License-Identifier: Apache-2.0
"""How much two masks share, voxel by voxel.

Masks are arrays of bool of one shape, of any number of dimensions. What has no answer is NaN:
nothing can be found of an empty reference, nothing can be wrong in an empty mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Confusion:
    """Voxels by what they are called and what they are.

    Attributes
    ----------
    true_positive, false_positive, false_negative, true_negative : int
        Inside both masks, the mask alone, the reference alone, neither.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


def confusion(mask: Mask, reference: Mask) -> Confusion:
    """Count voxels.

    Raises
    ------
    ValueError
        If the masks differ in shape.
    """
    if mask.shape != reference.shape:
        raise ValueError(f"masks of shapes {mask.shape} and {reference.shape}")
    both = int(np.count_nonzero(mask & reference))
    ours, theirs = int(np.count_nonzero(mask)), int(np.count_nonzero(reference))
    return Confusion(both, ours - both, theirs - both, mask.size - ours - theirs + both)


def dice(mask: Mask, reference: Mask) -> float:
    """Return 2 |A ∩ M| / (|A| + |M|), 0 to 1.

    1 where both are empty: an answer of nothing was right; 0 where one is. Zhang 2021, equation
    20; Gros 2019, section 2.4.2.
    """
    count = confusion(mask, reference)
    sizes = 2 * count.true_positive + count.false_positive + count.false_negative
    return 2 * count.true_positive / sizes if sizes else 1.0


def jaccard(mask: Mask, reference: Mask) -> float:
    """Return |A ∩ M| / |A ∪ M|, 0 to 1; 1 where both are empty."""
    count = confusion(mask, reference)
    union = count.true_positive + count.false_positive + count.false_negative
    return count.true_positive / union if union else 1.0


def sensitivity(mask: Mask, reference: Mask) -> float:
    """Return the share of the reference's voxels that the mask holds (Gros 2019, section 2.4.3).

    NaN for an empty reference.
    """
    count = confusion(mask, reference)
    return _ratio(count.true_positive, count.true_positive + count.false_negative)


def precision(mask: Mask, reference: Mask) -> float:
    """Return the share of the mask's voxels that the reference holds (Gros 2019, section 2.4.3).

    NaN for an empty mask.
    """
    count = confusion(mask, reference)
    return _ratio(count.true_positive, count.true_positive + count.false_positive)


def specificity(mask: Mask, reference: Mask) -> float:
    """Return the share of the voxels outside the reference that the mask leaves out.

    It depends on how much lies around the structure: compare only what was counted over the same
    field of view. NaN for a reference without an outside.
    """
    count = confusion(mask, reference)
    return _ratio(count.true_negative, count.true_negative + count.false_positive)


def relative_volume_difference(mask: Mask, reference: Mask) -> float:
    """Return 100 (V - V_reference) / V_reference, per cent; positive for a mask too large.

    NaN for an empty reference, whatever the mask. Gros 2019, section 2.4.2.
    """
    ours, theirs = int(np.count_nonzero(mask)), int(np.count_nonzero(reference))
    return _ratio(100 * (ours - theirs), theirs)


def conformity(mask: Mask, reference: Mask) -> float:
    """Return 1 - (FP + FN) / TP: 1 at best, 0 at a Dice of 2/3, negative below.

    1 where both are empty, minus infinity where they share no voxel. Perone 2018, table 7.
    """
    count = confusion(mask, reference)
    wrong = count.false_positive + count.false_negative
    if count.true_positive == 0:
        return -np.inf if wrong else 1.0
    return 1 - wrong / count.true_positive


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
