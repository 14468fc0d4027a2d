# SPDX-License-Identifier: Apache-2.0
"""The networks' order of axes, and voxels as they are stored seen in it: nothing is copied.

What is streamed slice by slice should not first be copied whole, as ``images.to_network_order``
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

# X right to left, Y posterior to anterior, Z inferior to superior: where each axis goes to.
NETWORK_ORDER = "LAS"

Box = tuple[slice, slice, slice]

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "S": "I", "I": "S"}


def network_view(stored: NDArray[Any], image: sitk.Image) -> NDArray[Any]:
    """Return an array in the networks' order that shares its memory with `stored`.

    Parameters
    ----------
    stored : ndarray
        Voxels as SimpleITK's own functions give and take them, last axis first.
    image : sitk.Image
        3D, of the grid that they belong to.

    Returns
    -------
    ndarray, (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior: the voxels of
        ``images.to_network_order(image)``.
    """
    order, forwards = _axes(image)
    steps = tuple(slice(None, None, 1 if forward else -1) for forward in forwards)
    return stored.transpose().transpose(order)[steps]


def paste(target: sitk.Image, box: Box, values: NDArray[Any]) -> None:
    """Write values into a part of an image, in place.

    Parameters
    ----------
    target : sitk.Image
        3D, changed.
    box : three slices
        X, Y, Z in the networks' order, with start and stop.
    values : ndarray, (X, Y, Z)
        In the networks' order, of the size of the box and the pixel type of `target`.
    """
    order, forwards = _axes(target)
    steps = tuple(slice(None, None, 1 if forward else -1) for forward in forwards)
    region = [slice(0)] * 3
    for axis, side, forward in zip(order, box, forwards, strict=True):
        count = target.GetSize()[axis]
        region[axis] = side if forward else slice(count - side.stop, count - side.start)
    own = values[steps].transpose(np.argsort(order))
    target[tuple(region)] = sitk.GetImageFromArray(np.ascontiguousarray(own.transpose()))


def network_slices(image: sitk.Image) -> sitk.Image:
    """Return an image of one voxel a slice that lies where the first columns of the image lie.

    Its continuous indices are those of ``images.to_network_order(image)``, for the price of a
    single column.
    """
    order, _ = _axes(image)
    column = sitk.Image([1, 1, image.GetSize()[order[2]]], sitk.sitkUInt8)
    place_in_network_order(column, image)
    return column


def stored_slices(image: sitk.Image) -> NDArray[np.int64]:
    """Return for each axial slice in network order its index in the 3D image as it is stored."""
    order, forwards = _axes(image)
    indices = np.arange(image.GetSize()[order[2]], dtype=np.int64)
    return indices if forwards[2] else indices[::-1]


def axial_axis(direction: Sequence[float]) -> int:
    """Return the stored axis nearest to superior-inferior: what slices are counted along.

    Parameters
    ----------
    direction : sequence of 9 float
        Of a 3D image, as SimpleITK has it.
    """
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction)
    return next(axis for axis, letter in enumerate(code) if letter in "IS")


def place_in_network_order(target: sitk.Image, image: sitk.Image) -> None:
    """Give an image, in place, the origin, spacing and axes that another has in network order."""
    order, forwards = _axes(image)
    first = [0, 0, 0]
    for axis, forward in zip(order, forwards, strict=True):
        first[axis] = 0 if forward else image.GetSize()[axis] - 1
    signs = np.where(forwards, 1.0, -1.0)
    direction = np.reshape(image.GetDirection(), (3, 3))[:, list(order)] * signs
    target.SetOrigin(image.TransformIndexToPhysicalPoint(first))
    target.SetSpacing([image.GetSpacing()[axis] for axis in order])
    target.SetDirection(direction.ravel().tolist())


def _axes(image: sitk.Image) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return the stored axis along each axis of the networks, and whether it runs the same way."""
    stored = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    order = tuple(
        next(axis for axis, letter in enumerate(stored) if letter in (wanted, _OPPOSITE[wanted]))
        for wanted in NETWORK_ORDER
    )
    return order, tuple(
        stored[axis] == wanted for axis, wanted in zip(order, NETWORK_ORDER, strict=True)
    )
