# SPDX-License-Identifier: Apache-2.0
"""How well a centerline follows the cord (Gros 2019, section 2.4.1).

The reference is a mask of the cord; its centerline is the centre of mass of each axial slice. The
paper smooths that with a spline first; here it is taken as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..centerline.curve import Centerline
from ..images import array_from, to_network_order

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def slice_centres(mask: Mask) -> Floats:
    """Return the centre of mass of each slice of a mask (X, Y, Z).

    Returns
    -------
    ndarray, (Z, 2)
        In voxels; NaN for slices that the mask does not reach.
    """
    voxels = mask.sum(axis=(0, 1), dtype=float)
    voxels[voxels == 0] = np.nan
    x = np.arange(mask.shape[0]) @ mask.sum(axis=1)
    y = np.arange(mask.shape[1]) @ mask.sum(axis=0)
    centres: Floats = np.stack([x, y], axis=1) / voxels[:, None]
    return centres


def errors_mm(points: Floats, reference: Mask, spacing_mm: Sequence[float]) -> Floats:
    """Return the in-plane distance of points from the reference's centres, slice by slice.

    Parameters
    ----------
    points : ndarray, (Z, 2)
        One point a slice, in voxels (x, y); NaN where there is none.
    reference : ndarray of bool, (X, Y, Z)
    spacing_mm : sequence of float
        Voxel size along x and y; what follows is not used.

    Returns
    -------
    ndarray, (N,)
        One for each slice that the reference has; NaN where there is no point.
    """
    apart = (points - slice_centres(reference)) * np.asarray(spacing_mm[:2])
    return np.asarray(np.linalg.norm(apart, axis=1)[reference.any(axis=(0, 1))])


def localised(points: Floats, reference: Mask) -> float:
    """Return the share of the reference's slices on which the point lies inside it, 0 to 1.

    Slices without a point count as missed. NaN for an empty reference. Parameters as
    :func:`errors_mm`.
    """
    slices = np.flatnonzero(reference.any(axis=(0, 1)))
    if slices.size == 0:
        return float("nan")
    hits = 0
    for k in slices:
        if np.isfinite(points[k]).all():
            x, y = np.rint(points[k]).astype(int)
            within = 0 <= x < reference.shape[0] and 0 <= y < reference.shape[1]
            hits += bool(within and reference[x, y, k])
    return hits / slices.size


def mean_squared_error_mm2(errors: Floats) -> float:
    """Return the mean of squared distances, mm², over the slices that have a point.

    What is missing costs localisation rate, not this. NaN where every slice is missing.
    """
    known = errors[np.isfinite(errors)]
    return float(np.square(known).mean()) if known.size else float("nan")


def centerline_error_mm(centerline: Centerline, reference: sitk.Image) -> Floats:
    """Return the curve's in-plane distance from the reference's centre of mass, slice by slice.

    Parameters
    ----------
    centerline : Centerline
    reference : SimpleITK.Image
        Mask of the cord, any orientation; voxels other than 0 are inside.

    Returns
    -------
    ndarray of float, (N,)
        Millimetres, one for each axial slice that the reference has; NaN where the curve does
        not reach it.
    """
    ordered = to_network_order(reference)
    return errors_mm(centerline.in_slices(ordered), array_from(ordered) != 0, ordered.GetSpacing())


def localisation_rate(centerline: Centerline, reference: sitk.Image) -> float:
    """Return the share of the reference's axial slices on which the curve lies inside it, 0 to 1.

    Slices that the curve does not reach count as missed. NaN for an empty reference.
    """
    ordered = to_network_order(reference)
    return localised(centerline.in_slices(ordered), array_from(ordered) != 0)
