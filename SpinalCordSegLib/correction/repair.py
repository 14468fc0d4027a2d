# SPDX-License-Identifier: Apache-2.0
"""Bad slices of a mask, interpolated from the good ones beside them; all others stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import linalg

from ..errors import InvalidArgument
from ..images import array_from, image_from
from ..network_order import axial_axis

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

# For the shape, the slices next to a gap count most; one this far behind them, a third of them.
_REACH_MM = 4.0
_SLICES_A_SIDE = 2
# How stiff the cord's middle is: thin slices are smoothed over a few mm, thick ones hardly.
# On real cords 60 to 200 do the same.
_STIFFNESS_MM3 = 100.0
# Distances to outlines of voxels are often the same: a little blur, in voxels, ranks them.
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
    axis = axial_axis(mask.GetDirection())
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
    The centre of the slice lies on a smooth curve through the centres of all good slices, so that
    a cord may lean and bend within the gap. The signed distances of the outlines of the good slices
    nearest to it, two on each side, are mixed after each was moved onto that centre, and cut where
    the area is the mix of theirs: at nothing, a mix of unlike shapes is smaller than each of them.
    Empty slices are no good ones.
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
    done = [k for k in bad if good and good[0] < k < good[-1]]
    centres = _centres(layers, good, slice_mm) if done else {}
    for k in done:
        below, above = [g for g in good if g < k], [g for g in good if g > k]
        near = below[-_SLICES_A_SIDE:] + above[:_SLICES_A_SIDE]
        weights = _weights(k, near, below[-1], above[0], slice_mm)
        shifts = centres[k] - np.array([_centre(layers[:, :, g]) for g in near])
        box = _neighbourhood(np.asarray(layers[:, :, near].any(axis=2)), shifts)
        mixed = _mixed(layers[:, :, near][box], shifts, weights)
        layers[:, :, k] = False
        layers[:, :, k][box] = mixed
    return result, tuple(done), tuple(k for k in bad if k not in done)


def _weights(k: int, near: Sequence[int], low: int, high: int, slice_mm: float) -> Floats:
    """Return the weights of good slices: linear across the gap, falling behind its sides."""
    places = np.array(near)
    behind_mm = np.where(places <= low, low - places, places - high) * slice_mm
    share = (k - low) / (high - low)
    weights = np.where(places <= low, 1 - share, share) * np.exp(-((behind_mm / _REACH_MM) ** 2))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _centres(layers: Mask, good: Sequence[int], slice_mm: float) -> dict[int, Floats]:
    """Return where the middle is on each slice from the first good one to the last.

    A smoothing spline on the grid of the slices: the sum of the squared distances to the centres of
    good slices, and the stiffness times the integral of the squared second derivative, are least.
    """
    first, count = good[0], good[-1] - good[0] + 1
    known, found = np.zeros(count), np.zeros((count, 2))
    for k in good:
        known[k - first], found[k - first] = 1, _centre(layers[:, :, k])
    bend = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(count - 2, count))
    stiffness = _STIFFNESS_MM3 / slice_mm**3
    smooth = linalg.spsolve((sparse.diags(known) + stiffness * bend.T @ bend).tocsc(), found)
    return dict(enumerate(smooth, start=first))


def _centre(shape: Mask) -> Floats:
    return np.array(ndimage.center_of_mass(shape))


def _neighbourhood(shape: Mask, shifts: Floats) -> tuple[slice, slice]:
    """Return the part of a slice (X, Y) that shapes reach when they are moved."""
    margin = _MARGIN + int(np.abs(shifts).max())
    rows, columns = (np.flatnonzero(shape.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin + 1),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin + 1),
    )


def _mixed(shapes: Mask, shifts: Floats, weights: Floats) -> Mask:
    """Return the mix of shapes (X, Y, N), each moved (N, 2), with the mix of their areas."""
    mixed = np.zeros(shapes.shape[:2])
    for number, weight in enumerate(weights):
        shape = shapes[:, :, number]
        distance = ndimage.distance_transform_edt(shape) - ndimage.distance_transform_edt(~shape)
        distance = ndimage.gaussian_filter(distance, _BLUR)
        mixed += weight * ndimage.shift(distance, shifts[number], order=1, mode="nearest")
    area = max(round(float(weights @ shapes.sum(axis=(0, 1)))), 1)
    return np.asarray(mixed >= np.partition(mixed.ravel(), -area)[-area])
