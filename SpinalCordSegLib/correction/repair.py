# SPDX-License-Identifier: Apache-2.0
"""Bad slices of a mask, interpolated from the good ones beside them; all others stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InvalidArgument
from ..images import array_from, image_from

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

# The slices next to a gap count most; one that lies this far behind them counts a third of them.
_REACH_MM = 4.0
_SLICES_A_SIDE = 2
# Outlines of voxels meet halfway between them more often than not: a little blur, in voxels,
# decides where the mixed distance would be exactly nothing.
_BLUR = 0.5
# Voxels about the shapes, for speed.
_MARGIN = 8


@dataclass(frozen=True)
class RepairedMask:
    """A mask with slices put right.

    Attributes
    ----------
    mask : sitk.Image
        uint8, 0 and 1, on the grid of the mask that was given.
    slices : tuple of int
        What was interpolated.
    skipped : tuple of int
        What has no good slice on one of its sides and was left as it was.
    """

    mask: sitk.Image
    slices: tuple[int, ...]
    skipped: tuple[int, ...]


def repair_slices(mask: sitk.Image, slices: Sequence[int]) -> RepairedMask:
    """Interpolate the bad slices of a mask from their good neighbours.

    Parameters
    ----------
    mask : sitk.Image
        3D, any orientation; voxels above 0 belong to the structure. It is not changed.
    slices : sequence of int
        The bad ones, counted along the image's own axis nearest to superior-inferior, as in the
        review list.

    Returns
    -------
    RepairedMask

    Raises
    ------
    InvalidArgument
        If there is no such slice.
    """
    axis = axial_axis(mask)
    spacing = mask.GetSpacing()[axis]
    repaired, done, skipped = repair_array(array_from(mask) > 0, slices, axis, spacing)
    return RepairedMask(image_from(repaired, mask), done, skipped)


def repair_array(
    mask: Mask, slices: Sequence[int], axis: int, slice_mm: float
) -> tuple[Mask, tuple[int, ...], tuple[int, ...]]:
    """Interpolate slices of an array; see :func:`repair_slices`.

    Parameters
    ----------
    mask : ndarray of bool, 3D
    slices : sequence of int
    axis : int
        What the slices are counted along.
    slice_mm : float
        Distance between slices.

    Returns
    -------
    mask : ndarray of bool
        A copy.
    slices, skipped : tuple of int
        Those interpolated, and those left for want of a good neighbour.

    Notes
    -----
    The signed distances of the outlines of the good slices nearest to the gap, two on each side,
    are mixed after each was moved onto the centre that a line through theirs has on the slice, so
    that a tilted cord does not shrink on the way. Empty slices are no good ones.
    """
    bad = sorted({int(k) for k in slices})
    count = mask.shape[axis]
    if bad and not (bad[0] >= 0 and bad[-1] < count):
        wrong = bad[0] if bad[0] < 0 else bad[-1]
        raise InvalidArgument(
            f"there is no slice {wrong}: the mask has {count}", f"give slices from 0 to {count - 1}"
        )
    result = mask.copy()
    layers = np.moveaxis(result, axis, 2)
    present = layers.any(axis=(0, 1))
    good = [k for k in np.flatnonzero(present).tolist() if k not in set(bad)]
    done = []
    for k in bad:
        below, above = [g for g in good if g < k], [g for g in good if g > k]
        if below and above:
            near = below[-_SLICES_A_SIDE:] + above[:_SLICES_A_SIDE]
            weights = _weights(k, near, below[-1], above[0], slice_mm)
            shapes = layers[:, :, near]
            box = _neighbourhood(np.asarray(shapes.any(axis=2)))
            layers[:, :, k] = False
            layers[:, :, k][box] = _mixed(shapes[box], np.array(near) - k, weights)
            done.append(k)
    return result, tuple(done), tuple(k for k in bad if k not in done)


def axial_axis(image: sitk.Image) -> int:
    """Return the axis of an image that is nearest to superior-inferior."""
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return next(axis for axis, letter in enumerate(code) if letter in "IS")


def _weights(k: int, near: Sequence[int], low: int, high: int, slice_mm: float) -> Floats:
    """Return the weights of good slices: linear across the gap, falling behind its sides."""
    places = np.array(near)
    behind_mm = np.where(places <= low, low - places, places - high) * slice_mm
    share = (k - low) / (high - low)
    weights = np.where(places <= low, 1 - share, share) * np.exp(-((behind_mm / _REACH_MM) ** 2))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _neighbourhood(shape: Mask) -> tuple[slice, slice]:
    """Return the part of a slice (X, Y) that shapes between others can reach."""
    rows, columns = (np.flatnonzero(shape.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - _MARGIN, 0), int(rows[-1]) + _MARGIN + 1),
        slice(max(int(columns[0]) - _MARGIN, 0), int(columns[-1]) + _MARGIN + 1),
    )


def _mixed(shapes: Mask, distances: NDArray[np.int_], weights: Floats) -> Mask:
    """Return the shape at distance 0 between shapes (X, Y, N) at distances (N,)."""
    centres = np.array([ndimage.center_of_mass(shape) for shape in np.moveaxis(shapes, 2, 0)])
    lines = np.polynomial.polynomial.polyfit(distances, centres, 1, w=np.sqrt(weights))
    mixed = np.zeros(shapes.shape[:2])
    for number, weight in enumerate(weights):
        shape = shapes[:, :, number]
        distance = ndimage.distance_transform_edt(shape) - ndimage.distance_transform_edt(~shape)
        distance = ndimage.gaussian_filter(distance, _BLUR)
        shift = lines[0] - centres[number]
        mixed += weight * ndimage.shift(distance, shift, order=1, mode="nearest")
    return np.asarray(mixed > 0)
