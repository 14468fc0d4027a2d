# SPDX-License-Identifier: Apache-2.0
"""How well a mask or a curve agrees with a reference.

Masks are SimpleITK images on the same grid; every voxel other than 0 is inside.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..centerline.curve import Centerline
from ..images import array_from, to_network_order


def dice(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return the Dice similarity coefficient, 0 to 1; 1 where both are empty.

    Gros 2019, section 2.4.2.
    """
    a, b = _arrays(mask, reference)
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def relative_volume_difference(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return 100 (V - V_reference) / V_reference, per cent; positive for a mask too large.

    NaN where the reference is empty. Gros 2019, section 2.4.2.
    """
    a, b = _arrays(mask, reference)
    return 100 * (int(a.sum()) - int(b.sum())) / int(b.sum()) if b.any() else float("nan")


def hausdorff95(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return the 95th percentile of the symmetric surface distances, mm.

    Distances run from voxel centre to voxel centre, both directions pooled by their larger 95th
    percentile. 0 where both masks are empty, infinite where one is.
    """
    a, b = _arrays(mask, reference)
    if not a.any() or not b.any():
        return 0.0 if a.any() == b.any() else float("inf")
    pair = []
    for first, second in ((mask, reference), (reference, mask)):
        distance = sitk.SignedMaurerDistanceMap(
            sitk.LabelContour(sitk.Cast(second != 0, sitk.sitkUInt8), fullyConnected=False),
            squaredDistance=False,
            useImageSpacing=True,
        )
        surface = sitk.LabelContour(sitk.Cast(first != 0, sitk.sitkUInt8), fullyConnected=False)
        on_surface = sitk.GetArrayViewFromImage(surface) > 0
        pair.append(np.abs(sitk.GetArrayViewFromImage(distance)[on_surface]))
    return float(max(np.percentile(distances, 95) for distances in pair))


def localisation_rate(centerline: Centerline, reference: sitk.Image) -> float:
    """Return the share of the reference's axial slices on which the curve lies inside it, 0 to 1.

    Slices that the curve does not reach count as missed. NaN for an empty reference. Gros 2019,
    section 2.4.1.
    """
    ordered = to_network_order(reference)
    inside = array_from(ordered) != 0
    curve = centerline.in_slices(ordered)
    slices = np.flatnonzero(inside.any(axis=(0, 1)))
    if slices.size == 0:
        return float("nan")
    hits = 0
    for k in slices:
        if np.isfinite(curve[k]).all():
            x, y = np.rint(curve[k]).astype(int)
            hits += bool(0 <= x < inside.shape[0] and 0 <= y < inside.shape[1] and inside[x, y, k])
    return hits / slices.size


def centerline_error_mm(centerline: Centerline, reference: sitk.Image) -> np.ndarray:
    """Return the curve's in-plane distance from the reference's centre of mass, slice by slice.

    Returns
    -------
    ndarray of float, (N,)
        Millimetres, one for each axial slice that the reference has; NaN where the curve does
        not reach it.
    """
    ordered = to_network_order(reference)
    inside = array_from(ordered) != 0
    spacing = np.array(ordered.GetSpacing()[:2])
    curve = centerline.in_slices(ordered)
    errors = []
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        centre = np.argwhere(inside[:, :, k]).mean(axis=0)
        errors.append(float(np.linalg.norm((curve[k] - centre) * spacing)))
    return np.array(errors)


def _arrays(mask: sitk.Image, reference: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    if mask.GetSize() != reference.GetSize():
        raise ValueError(f"masks of sizes {mask.GetSize()} and {reference.GetSize()}")
    return (
        sitk.GetArrayViewFromImage(mask) != 0,
        sitk.GetArrayViewFromImage(reference) != 0,
    )
