# SPDX-License-Identifier: Apache-2.0
"""The slices of a mask along the axial axis: which hold something, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..segmentation import Mask


def within(slices: Sequence[int], count: int) -> list[int]:
    """Return the slices that a volume of so many has, in order, each once."""
    return sorted({int(k) for k in slices if 0 <= k < count})


def present(mask: Mask, axis: int) -> Mask:
    """Return on which slices along an axis a mask, (I, J, K), holds something, (slices,)."""
    return np.asarray(mask.any(axis=tuple(other for other in range(3) if other != axis)))


def only(mask: Mask, slices: Sequence[int], axis: int) -> Mask:
    """Return a mask, (I, J, K), emptied but for some slices along an axis."""
    kept = np.zeros_like(mask)
    np.moveaxis(kept, axis, 0)[list(slices)] = np.moveaxis(mask, axis, 0)[list(slices)]
    return kept


def listed(numbers: Sequence[int]) -> str:
    """Return ``Slices 4, 5`` for a message."""
    told = ", ".join(map(str, numbers)) or "none"
    return f"{'Slice' if len(numbers) == 1 else 'Slices'} {told}"
