# SPDX-License-Identifier: Apache-2.0
"""The review list: which slices a person should look at, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from . import doubt_gaps, doubt_image, doubt_outline
from .doubt_sections import HALF_MM, outline_distances
from .doubt_stack import Floats, Mask, Sign, Spacing, Stack

# Severities below this are what good masks have on their worst slices.
_WORTH_A_LOOK = 0.25

# Signs of this strength together make a severity of a half.
_EVEN = 1.0
# What an interpolated slice adds: nobody has seen its cord, but short gaps are filled well.
_FILLED = 4.0


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
    mask: Mask,
    probability: Floats,
    spacing_mm: Spacing,
    filled: Collection[int] = (),
    image: Floats | None = None,
    curve: Floats | None = None,
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
    image : ndarray, (X, Y, Z), optional
        Without it only the outline and the probability are judged.
    curve : ndarray, (Z, 2), optional
        In-plane index of the centerline on each slice; NaN where it does not run. Slices without
        an outline are judged as far as it reaches.

    Notes
    -----
    Every sign of a wrong outline is measured against what good slices have, mostly by comparing
    a slice with its neighbours of about a centimetre; the strengths s of all signs of a slice add
    up to the severity 1 - 1 / (1 + sum s). The reason is the strongest sign.
    ``Testing/evaluation/review.md`` tells how many wrong slices this finds.
    """
    if not mask.any():
        return []
    crossed: Mask = np.zeros(mask.shape[2], bool)
    if curve is not None:
        crossed = np.asarray(np.isfinite(curve).all(axis=1))
    part = _part(mask, spacing_mm, crossed)
    stack = Stack.of(mask[part], probability[part], spacing_mm)
    signs = _signs(
        stack,
        None if image is None else image[part],
        None if curve is None else curve[part[2]] - [part[0].start, part[1].start],
    )
    own_rows = np.arange(part[2].start, part[2].stop)
    goes_on = doubt_gaps.sure_of_curve(crossed, spacing_mm[2])
    signs.append(doubt_gaps.end(stack, goes_on[part[2]]))
    signs.append(Sign("interpolated from its neighbours", np.isin(own_rows, [*filled]) * _FILLED))
    return _doubts(signs, own_rows)


def _part(mask: Mask, spacing_mm: Spacing, crossed: Mask) -> tuple[slice, slice, slice]:
    """Return the slices that mask or curve reach, and of these what lies around the mask."""
    parts = []
    for axis, margin_mm in enumerate((2 * HALF_MM, 2 * HALF_MM, 0.0)):
        reached = mask.any(axis=tuple({0, 1, 2} - {axis}))
        if axis == 2:
            reached = reached | crossed
        inside, margin = np.flatnonzero(reached), int(margin_mm / spacing_mm[axis])
        parts.append(slice(max(0, int(inside[0]) - margin), int(inside[-1]) + 1 + margin))
    return parts[0], parts[1], slice(parts[2].start, min(parts[2].stop, mask.shape[2]))


def _signs(stack: Stack, image: Floats | None, curve: Floats | None) -> list[Sign]:
    depth = outline_distances(stack.mask, stack.centres, stack.spacing_mm)
    signs = [
        doubt_outline.unsure(stack),
        doubt_outline.area_jump(stack),
        doubt_outline.shape_jump(stack, depth),
        doubt_outline.position_jump(stack),
        doubt_gaps.gap(stack),
    ]
    if curve is not None:
        signs.append(doubt_outline.beside_curve(stack, curve))
    if image is not None and stack.near.shape[1]:
        looks = doubt_image.looks_of(stack, image, depth)
        signs += [
            doubt_gaps.end_in_cord(stack, looks.likeness),
            doubt_image.other_tissue(looks, stack.near),
            doubt_image.uneven_tissue(looks, stack.near),
            doubt_image.no_edge(looks, stack),
            doubt_image.unlike_neighbours(looks, stack),
        ]
    return signs


def _doubts(signs: list[Sign], rows: np.ndarray) -> list[Doubt]:
    strengths = np.stack([sign.strength for sign in signs])
    strongest, total = strengths.argmax(axis=0), strengths.sum(axis=0)
    severity = np.round(total / (total + _EVEN), 3)
    doubts = [
        Doubt(int(row), signs[strongest[i]].reason, float(severity[i]))
        for i, row in enumerate(rows)
        if severity[i] >= _WORTH_A_LOOK
    ]
    return sorted(doubts, key=lambda doubt: (-doubt.severity, doubt.row))
