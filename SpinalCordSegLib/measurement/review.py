# SPDX-License-Identifier: Apache-2.0
"""The review list: which slices a person should look at, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Severities below this are what good masks have on their worst slices.
_WORTH_A_LOOK = 0.25


@dataclass(frozen=True)
class ReviewItem:
    """A slice a person should look at.

    Attributes
    ----------
    slice_index : int
        Index along the image's own axial axis (the voxel axis nearest to superior-inferior).
    position_mm : tuple of float
        Where the curve meets the slice: x, y, z in millimetres, LPS.
    reason : str
        Why, in words a reader of images understands.
    severity : float
        0 to 1; 1 is the most likely to need correction.
    """

    slice_index: int
    position_mm: tuple[float, float, float]
    reason: str
    severity: float


@dataclass(frozen=True)
class Doubt:
    """A doubtful slice, before it has a place in the image.

    Attributes
    ----------
    row : int
        Axial slice in network order, counted upward.
    reason : str
    severity : float
        0 to 1.
    """

    row: int
    reason: str
    severity: float


def worst_first(items: Iterable[ReviewItem]) -> tuple[ReviewItem, ...]:
    """Return one item a slice, its worst, in the order in which a person should look."""
    worst: dict[int, ReviewItem] = {}
    for item in items:
        known = worst.get(item.slice_index)
        if known is None or item.severity > known.severity:
            worst[item.slice_index] = item
    return tuple(sorted(worst.values(), key=lambda item: (-item.severity, item.slice_index)))


def doubtful_slices(
    mask: np.ndarray,
    probability: np.ndarray,
    spacing_mm: tuple[float, float, float],
    filled: Collection[int] = (),
) -> list[Doubt]:
    """Return the slices of a cord mask that a person should look at, worst first.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
        In network order, Z along the cord.
    probability : ndarray of float, (X, Y, Z)
    spacing_mm : (x, y, z)
    filled : collection of int
        Slices interpolated from their neighbours.

    Notes
    -----
    A slice is doubtful where the network is unsure of more than the usual rim, where the area
    or the place of the cord jumps against the neighbourhood of about a centimetre, or where there
    was nothing to go by and the mask was interpolated.
    """
    rows = np.flatnonzero(mask.any(axis=(0, 1)))
    if rows.size == 0:
        return []
    reasons = {
        "the network is unsure of the outline": _unsure(mask, probability, spacing_mm, rows),
        "the area jumps against its neighbours": _area_jump(mask, spacing_mm, rows),
        "the cord's position jumps against its neighbours": _shift(mask, spacing_mm, rows),
        "interpolated from its neighbours": np.isin(rows, list(filled)) * 0.9,
    }
    names, severities = list(reasons), np.stack(list(reasons.values()))
    worst = severities.argmax(axis=0)
    doubts = [
        Doubt(int(row), names[worst[i]], float(round(severities[worst[i], i], 3)))
        for i, row in enumerate(rows)
        if severities[worst[i], i] >= _WORTH_A_LOOK
    ]
    return sorted(doubts, key=lambda doubt: (-doubt.severity, doubt.row))


def _unsure(
    mask: np.ndarray,
    probability: np.ndarray,
    spacing_mm: tuple[float, float, float],
    rows: np.ndarray,
) -> np.ndarray:
    """Doubt per slice: the uncertain rim's width beyond the 0.8 mm that partial volume gives."""
    doubt = (1 - np.abs(2 * probability[:, :, rows] - 1)).sum(axis=(0, 1))
    area = np.maximum(mask[:, :, rows].sum(axis=(0, 1)), 1) * spacing_mm[0] * spacing_mm[1]
    rim_mm = doubt * spacing_mm[0] * spacing_mm[1] / (2 * np.sqrt(np.pi * area))
    return np.clip((rim_mm - 0.8) / 1.6, 0, 1)


def _area_jump(
    mask: np.ndarray, spacing_mm: tuple[float, float, float], rows: np.ndarray
) -> np.ndarray:
    area = mask[:, :, rows].sum(axis=(0, 1)).astype(float)
    usual = ndimage.median_filter(area, _neighbours(spacing_mm[2]), mode="nearest")
    return np.clip((np.abs(area - usual) / np.maximum(usual, 1) - 0.15) / 0.5, 0, 1)


def _shift(
    mask: np.ndarray, spacing_mm: tuple[float, float, float], rows: np.ndarray
) -> np.ndarray:
    centres = np.array([ndimage.center_of_mass(mask[:, :, k]) for k in rows])
    centres *= np.array(spacing_mm[:2])
    usual = ndimage.median_filter(centres, (_neighbours(spacing_mm[2]), 1), mode="nearest")
    distance = np.linalg.norm(centres - usual, axis=1)
    # A cord may lean by up to 45 degrees: only what goes beyond that is a jump.
    return np.clip((distance - 1 - 0.5 * spacing_mm[2]) / 4, 0, 1)


def _neighbours(slice_mm: float) -> int:
    return 2 * max(1, round(5 / slice_mm)) + 1
