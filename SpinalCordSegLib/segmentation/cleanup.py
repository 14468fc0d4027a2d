# SPDX-License-Identifier: Apache-2.0
"""From probabilities to one cord: holes filled, other objects removed, short gaps closed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from ..correction.repair import repair_array

# Shares and lengths of the published tool's clean-up.
_SMALLEST_PIECE = 0.10
_LONGEST_GAP_MM = 10.0

# Of the median probability inside the outline. Below the conus there are only roots; above, the
# cord passes into the brainstem by degrees, and where it ends is a convention. Among few slices
# there is no usual one.
_UNSURE_BELOW, _UNSURE_ABOVE = 0.85, 0.6
_FEWEST_TO_COMPARE = 8
_EDGE_MM = 2.5
_SMALLEST_END = 0.5
_END_SLICES = 5


@dataclass(frozen=True)
class CleanMask:
    """A mask and what was done to it.

    Attributes
    ----------
    mask : ndarray of bool, (X, Y, Z)
        In network order.
    filled_slices : ndarray of int
        Slices that had no cord of their own and were interpolated from their neighbours.
    """

    mask: np.ndarray
    filled_slices: np.ndarray


def clean_cord_mask(mask: np.ndarray, curve: np.ndarray, slice_mm: float) -> CleanMask:
    """Return the cord without what cannot be cord.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
        Thresholded probabilities, Z along the cord.
    curve : ndarray, (Z, 2)
        In-plane index of the centerline on each slice; NaN where it does not run.
    slice_mm : float
        Distance between slices.

    Returns
    -------
    CleanMask
        On each slice one object without holes, the nearest to the curve; pieces smaller than a
        tenth of the largest removed; gaps under 10 mm filled; end slices much smaller than their
        neighbours removed.
    """
    cleaned = _one_object_a_slice(mask, curve)
    cleaned = _drop_small_pieces(cleaned)
    cleaned = _drop_thin_ends(cleaned)
    return _fill_gaps(cleaned, slice_mm)


def drop_unsure_ends(mask: np.ndarray, probability: np.ndarray, slice_mm: float) -> np.ndarray:
    """Return a mask without the slices at its two ends on which the network hardly believes.

    Where the cord has ended, among the nerve roots below the conus, the probability inside the
    outline falls to two thirds; on slices with cord it stays above nine tenths of what the whole
    scan has.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
        In network order, Z along the cord.
    probability : ndarray of float, (X, Y, Z)
    slice_mm : float
        Distance between slices.
    """
    present = np.flatnonzero(mask.any(axis=(0, 1)))
    if present.size < _FEWEST_TO_COMPARE:
        return mask
    belief = (probability * mask).sum(axis=(0, 1))[present] / mask.sum(axis=(0, 1))[present]
    belief /= np.median(belief)
    result = mask.copy()
    lowest_sure = np.flatnonzero(belief >= _UNSURE_BELOW)[0]
    # A short run is rather the image's edge, where the network sees half of what it needs.
    if lowest_sure > max(1, _EDGE_MM / slice_mm):
        result[:, :, : present[lowest_sure]] = False
    result[:, :, present[belief >= _UNSURE_ABOVE][-1] + 1 :] = False
    return result


def _one_object_a_slice(mask: np.ndarray, curve: np.ndarray) -> np.ndarray:
    result = np.zeros_like(mask)
    if not mask.any():
        return result
    # Most of a slice is empty.
    ((x, y, _),) = ndimage.find_objects(mask.view(np.uint8))
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        filled = ndimage.binary_fill_holes(mask[x, y, k])
        objects, count = ndimage.label(filled)
        if count > 1:
            filled = objects == _nearest_object(objects, count, curve[k] - (x.start, y.start))
        result[x, y, k] = filled
    return result


def _nearest_object(objects: np.ndarray, count: int, point: np.ndarray) -> int:
    """Return the object that holds the point, else the one that is large and near."""
    sizes = np.bincount(objects.ravel(), minlength=count + 1)[1:].astype(float)
    if not np.isfinite(point).all():
        return int(np.argmax(sizes)) + 1
    nearest = [
        np.linalg.norm(np.argwhere(objects == i) - point, axis=1).min() for i in range(1, count + 1)
    ]
    return int(np.argmax(np.sqrt(sizes) - np.array(nearest))) + 1


def _drop_small_pieces(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    kept = np.flatnonzero(sizes >= _SMALLEST_PIECE * sizes.max()) + 1
    return np.isin(pieces, kept)


def _drop_thin_ends(mask: np.ndarray) -> np.ndarray:
    areas = mask.sum(axis=(0, 1))
    present = np.flatnonzero(areas)
    result = mask.copy()
    if present.size > _END_SLICES:
        for end, nearby in (
            (present[0], present[:_END_SLICES]),
            (present[-1], present[-_END_SLICES:]),
        ):
            if areas[end] < _SMALLEST_END * np.median(areas[nearby]):
                result[:, :, end] = False
    return result


def _fill_gaps(mask: np.ndarray, slice_mm: float) -> CleanMask:
    present = np.flatnonzero(mask.any(axis=(0, 1)))
    missing = [
        k
        for low, high in pairwise(present)
        if (high - low) * slice_mm < _LONGEST_GAP_MM
        for k in range(low + 1, high)
    ]
    filled, _, _ = repair_array(mask, missing, 2, slice_mm)
    return CleanMask(filled, np.array(missing, int))
