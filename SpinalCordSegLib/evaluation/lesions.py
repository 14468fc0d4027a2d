# SPDX-License-Identifier: Apache-2.0
"""Lesions found and missed, lesion by lesion (Gros 2019, section 2.4.3).

A lesion is a connected piece of a mask: voxels that share a face, an edge or a corner belong
together. Overlap counts in parts of the reference's lesion, whose size is what is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

ENOUGH_OVERLAP = 0.25


@dataclass(frozen=True)
class LesionCounts:
    """Lesions of one scan.

    Attributes
    ----------
    reference : int
        Lesions of the reference.
    found : int
        Those of them of which at least 25 % of the voxels lie in the predicted mask.
    predicted : int
        Lesions of the predicted mask.
    right : int
        Those of them that hold more than 25 % of the voxels of a lesion of the reference. Of
        several small pieces in one large lesion none may be right, though the lesion is found.
    """

    reference: int
    found: int
    predicted: int
    right: int

    @property
    def sensitivity(self) -> float:
        """Share of the reference's lesions that were found; NaN where it has none."""
        return self.found / self.reference if self.reference else float("nan")

    @property
    def precision(self) -> float:
        """Share of the predicted lesions that are right; NaN where none was predicted."""
        return self.right / self.predicted if self.predicted else float("nan")


def count_lesions(mask: Mask, reference: Mask) -> LesionCounts:
    """Compare the lesions of two masks of one shape."""
    neighbours = np.ones((3,) * mask.ndim)
    ours, predicted = ndimage.label(mask, structure=neighbours)
    theirs, confirmed = ndimage.label(reference, structure=neighbours)
    # overlap[i, j]: voxels that lesion i of the mask and lesion j of the reference share.
    overlap = np.zeros((predicted + 1, confirmed + 1), int)
    shared = np.nonzero(mask & reference)
    np.add.at(overlap, (ours[shared], theirs[shared]), 1)
    overlap = overlap[1:, 1:]
    enough = ENOUGH_OVERLAP * np.bincount(theirs.ravel(), minlength=confirmed + 1)[1:]
    found = np.count_nonzero(overlap.sum(axis=0) >= enough)
    right = np.count_nonzero((overlap > enough).any(axis=1))
    return LesionCounts(int(confirmed), int(found), int(predicted), int(right))


def volume_wise_specificity(predicted_in_lesion_free_scans: Iterable[int]) -> float:
    """Return the share of scans without lesions in which none was predicted either.

    Parameters
    ----------
    predicted_in_lesion_free_scans : iterable of int
        Number of predicted lesions of each scan of which the reference is empty.

    Returns
    -------
    float
        0 to 1; NaN without such scans.
    """
    clean = [count == 0 for count in predicted_in_lesion_free_scans]
    return sum(clean) / len(clean) if clean else float("nan")
