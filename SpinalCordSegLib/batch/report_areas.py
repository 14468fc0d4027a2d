# SPDX-License-Identifier: Apache-2.0
"""The area of the cord along it, for results that came without a table of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter1d

from ..centerline.curve import Centerline
from ..images import array_from, stored_slices, to_network_order

# The direction of the curve is taken over about this length.
_SMOOTHING_MM = 5.0


@dataclass(frozen=True)
class SliceArea:
    """One axial slice.

    Attributes
    ----------
    slice : int
        Index along the mask's own axial axis.
    position_mm : float
        Along the cord, downward from the top of the mask.
    area_mm2 : float
        Across the cord: what the slice cuts, times the cosine of the angle between its normal and
        the curve.
    whole : bool
        False for the first and the last slice of the mask, which may hold a part of the cord only.
    """

    slice: int
    position_mm: float
    area_mm2: float
    whole: bool = True


def slice_areas(mask: sitk.Image, centerline: Centerline) -> list[SliceArea]:
    """Return the area of the cord on each slice that has any, from the top down.

    Parameters
    ----------
    mask : sitk.Image
        Binary, 3D, any orientation.
    centerline : Centerline
    """
    upright = to_network_order(mask)
    counts = (array_from(upright) > 0).sum(axis=(0, 1))
    filled = np.flatnonzero(counts)
    spacing = np.asarray(upright.GetSpacing())
    curve = centerline.in_slices(upright)
    rows = np.arange(len(counts))
    known = np.isfinite(curve).all(axis=1)
    if not known.any() or not len(filled):
        return []
    places = [np.interp(rows, rows[known], curve[known, axis]) for axis in (0, 1)]
    smooth = gaussian_filter1d(
        np.stack(places) * spacing[:2, None], _SMOOTHING_MM / spacing[2], axis=1, mode="nearest"
    )
    leaning = np.gradient(smooth, spacing[2], axis=1) if len(rows) > 1 else np.zeros_like(smooth)
    # Length of curve per millimetre across the slices: one over the cosine of the angle.
    stretch = np.sqrt(1.0 + (leaning**2).sum(axis=0))
    areas = counts * spacing[0] * spacing[1] / stretch
    below_top = np.cumsum((stretch * spacing[2])[::-1])[::-1]
    numbers = stored_slices(mask)
    return [
        SliceArea(
            int(numbers[z]),
            float(below_top[z] - below_top[filled[-1]]),
            float(areas[z]),
            bool(filled[0] < z < filled[-1]),
        )
        for z in filled[::-1]
    ]
