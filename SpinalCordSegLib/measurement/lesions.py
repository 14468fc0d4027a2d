# SPDX-License-Identifier: Apache-2.0
"""Lesions one by one: how many, where, how large, how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..centerline.curve import Centerline
from ..images import array_from, image_from, restore_grid, to_network_order

# Voxels that share a face, an edge or a corner are one lesion.
_NEIGHBOURS = np.ones((3, 3, 3))


@dataclass(frozen=True)
class Lesion:
    """One lesion: a connected piece of the mask.

    Attributes
    ----------
    label : int
        From 1, counted from the top of the image down; its value in :func:`label_lesions`.
    voxels : int
    volume_mm3 : float
    centre_mm : tuple of float
        Mean position of its voxels: x, y, z in millimetres, LPS.
    length_mm : float
        Along the curve, from the lower face of its lowest slice to the upper face of its highest;
        perpendicular to the slices where there is no curve.
    mean_intensity : float or None
        Of the image in it, if one was given.
    """

    label: int
    voxels: int
    volume_mm3: float
    centre_mm: tuple[float, float, float]
    length_mm: float
    mean_intensity: float | None


def measure_lesions(
    mask: sitk.Image, centerline: Centerline | None = None, image: sitk.Image | None = None
) -> tuple[Lesion, ...]:
    """Return one row for each lesion.

    Parameters
    ----------
    mask : SimpleITK.Image
        3D; voxels other than 0 are lesion.
    centerline : Centerline, optional
        To measure lengths along.
    image : SimpleITK.Image, optional
        On the grid of `mask`, to take mean intensities from.

    Returns
    -------
    tuple of Lesion
        From the top of the image down.
    """
    ordered = to_network_order(mask)
    labels, count = _label(array_from(ordered) != 0)
    volume = float(np.prod(ordered.GetSpacing()))
    lengths = _length_of_slices(ordered, centerline)
    values = None if image is None else array_from(to_network_order(image))
    rows = []
    for label in range(1, count + 1):
        where = np.argwhere(labels == label)
        low, high = where[:, 2].min(), where[:, 2].max()
        centre = ordered.TransformContinuousIndexToPhysicalPoint(where.mean(axis=0).tolist())
        rows.append(
            Lesion(
                label=label,
                voxels=len(where),
                volume_mm3=len(where) * volume,
                centre_mm=(centre[0], centre[1], centre[2]),
                length_mm=float(lengths[low : high + 1].sum()),
                mean_intensity=None if values is None else float(values[tuple(where.T)].mean()),
            )
        )
    return tuple(rows)


def label_lesions(mask: sitk.Image) -> sitk.Image:
    """Return the lesions of a mask numbered as in :func:`measure_lesions`, uint16, 0 elsewhere."""
    ordered = to_network_order(mask)
    labels, _ = _label(array_from(ordered) != 0)
    return restore_grid(image_from(labels.astype(np.uint16), ordered), mask)


def drop_small_lesions(mask: np.ndarray, fewest_voxels: float) -> np.ndarray:
    """Return a mask (X, Y, Z) without connected pieces of fewer voxels than that."""
    labels, count = _label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = sizes >= fewest_voxels
    kept[0] = False
    return kept[labels]


def _label(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the connected pieces of a mask in network order from the top of the image down."""
    labels, count = ndimage.label(mask, structure=_NEIGHBOURS)
    tops = [place[2].stop for place in ndimage.find_objects(labels)]
    number = np.zeros(count + 1, int)
    number[1 + np.argsort(np.negative(tops), kind="stable")] = np.arange(1, count + 1)
    return number[labels], int(count)


def _length_of_slices(ordered: sitk.Image, centerline: Centerline | None) -> np.ndarray:
    """Return the millimetres of curve in each slice; its thickness where there is no curve."""
    lengths = np.full(ordered.GetSize()[2], ordered.GetSpacing()[2])
    if centerline is None:
        return lengths
    curve = centerline.in_slices(ordered) * ordered.GetSpacing()[:2]
    known = np.flatnonzero(np.isfinite(curve).all(axis=1))
    if known.size > 1:
        sideways = np.gradient(curve[known], known * ordered.GetSpacing()[2], axis=0)
        lengths[known] *= np.sqrt(1 + (sideways**2).sum(axis=1))
    return lengths
