# SPDX-License-Identifier: Apache-2.0
"""Slices without an outline that should perhaps have one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .doubt_stack import Floats, Mask, Sign, Stack

# Nothing is worse than an outline that is missing for certain; an end is worth a glance.
_MISSING = 20.0
_LOOKS_LIKE_CORD = 3.0
_END = 0.4
# How far ``detect_cord`` draws the curve past the last slice that it sees cord on.
_DRAWN_ON_MM = 15.0

# Slices less like their neighbours than this (see ``doubt_image.Looks``) may be beyond the cord.
_LIKE = -0.25


def gap(stack: Stack) -> Sign:
    """Find slices without an outline between some that have one."""
    rows = np.flatnonzero(stack.present)
    between = np.zeros(stack.present.size, bool)
    between[rows[0] : rows[-1]] = True
    return Sign(
        "no outline, though there is cord above and below", _MISSING * (between & ~stack.present)
    )


def end(stack: Stack, curve_goes_on: Mask) -> Sign:
    """Find the slices past the outline's end on which the curve goes on, one at least.

    Parameters
    ----------
    curve_goes_on : ndarray of bool, (N,)
        From :func:`sure_of_curve`.
    """
    rows = np.flatnonzero(stack.present)
    outside = np.ones(stack.present.size, bool)
    outside[rows[0] : rows[-1] + 1] = False
    next_ones = np.isin(np.arange(outside.size), (rows[0] - 1, rows[-1] + 1))
    return Sign(
        "the outline ends, though the curve goes on", _END * (outside & (curve_goes_on | next_ones))
    )


def sure_of_curve(crossed: Mask, slice_mm: float) -> Mask:
    """Return the slices on which a curve is more than drawn past its evidence.

    Parameters
    ----------
    crossed : ndarray of bool, (Z,)
        Slices of the whole image that the curve crosses. One that ends inside the image has been
        drawn past what was seen of the cord; one that leaves the image has perhaps not.
    """
    steps = round(_DRAWN_ON_MM / slice_mm)
    return np.asarray(
        ndimage.binary_erosion(crossed, np.ones(2 * steps + 1), border_value=1) & crossed
    )


def end_in_cord(stack: Stack, likeness: Floats) -> Sign:
    """Find slices past the outline's end that look like those before it."""
    alike = ~stack.present & (likeness > _LIKE)
    rows = np.flatnonzero(stack.present)
    unlike_below = np.flatnonzero(~alike[: rows[0]])
    unlike_above = np.flatnonzero(~alike[rows[-1] + 1 :]) + rows[-1] + 1
    # Only up to the first slice that looks different: beyond it, likeness is chance.
    alike[: unlike_below.max(initial=-1) + 1] = False
    alike[unlike_above.min(initial=alike.size) :] = False
    return Sign(
        "no outline, though the image looks like that of the slices with cord beside it",
        _LOOKS_LIKE_CORD * alike,
    )
