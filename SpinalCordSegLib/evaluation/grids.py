# SPDX-License-Identifier: Apache-2.0
"""Two masks on one grid: what is stored in another order is turned, what differs is refused."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InvalidImage
from ..images import array_from, check_image, label_values, to_network_order

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

# Files round what they say of the geometry; a tenth of a voxel moves no voxel to its neighbour.
_TOLERANCE_VOXELS = 0.1

_REMEDY = (
    "evaluate it on the grid of the image it was made from, or resample it onto the reference's "
    "grid by nearest neighbour"
)


def masks_on_one_grid(
    prediction: sitk.Image,
    reference: sitk.Image,
    label: int | None = None,
    reference_label: int | None = None,
) -> tuple[Mask, Mask, Spacing]:
    """Return two masks as arrays whose voxels correspond.

    Parameters
    ----------
    prediction, reference : SimpleITK.Image
        2D or 3D masks or label maps, in any orientation.
    label, reference_label : int, optional
        Which value of the prediction, and of the reference, is inside; every value other than 0
        if not given.

    Returns
    -------
    prediction, reference : ndarray of bool, (X, Y, Z)
        In network order, on the reference's grid.
    spacing_mm : tuple of 3 floats
        Voxel size along these axes.

    Raises
    ------
    InvalidImage
        If the two grids differ by more than flips and permutations of their axes and a tenth of
        a voxel, or if an image holds values that are no labels, such as probabilities.

    Warns
    -----
    UserWarning
        If all of several labels count.
    """
    mask = check_image(prediction, "the prediction", allow_constant=True)
    ordered = to_network_order(check_image(reference, "the reference", allow_constant=True))
    aligned = _on_grid(mask, ordered)
    spacing = ordered.GetSpacing()
    return (
        _inside(aligned, label, "the prediction", "--label"),
        _inside(array_from(ordered), reference_label, "the reference", "--reference-label"),
        (spacing[0], spacing[1], spacing[2]),
    )


def _on_grid(mask: sitk.Image, reference: sitk.Image) -> NDArray[np.generic]:
    """Return the voxels of `mask` (X, Y, Z) in the order of the reference's axes."""
    axes, wanted_axes = (np.reshape(i.GetDirection(), (3, 3)) for i in (mask, reference))
    signs = np.rint(axes.T @ wanted_axes).astype(int)
    # Axis by axis of the reference: the axis of the mask, and whether it runs the other way.
    order, turned = np.abs(signs).argmax(axis=0), signs.sum(axis=0) < 0
    if not np.array_equal(np.abs(signs), np.eye(3, dtype=int)[order].T):
        raise _differs("their axes point in different directions")
    wanted = np.array(reference.GetSize())
    if not np.array_equal(np.array(mask.GetSize())[order], wanted):
        raise _differs(_sizes(mask, reference))
    first = np.zeros(3, int)
    first[order[turned]] = wanted[turned] - 1
    corners = np.array(list(product(*[(0, n - 1) for n in wanted])))
    apart = _index_in(mask, reference, corners) - (corners @ signs.T + first)
    if np.abs(apart).max() > _TOLERANCE_VOXELS:
        distance = np.linalg.norm(apart * mask.GetSpacing(), axis=1).max()
        raise _differs(f"corners that should meet lie {distance:.1f} mm apart")
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in turned)
    return array_from(mask).transpose(order)[flips]


def _index_in(
    mask: sitk.Image, reference: sitk.Image, index: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Return where voxels (N, 3) of the reference lie in the mask, as continuous indices."""
    places = [
        mask.TransformPhysicalPointToContinuousIndex(
            reference.TransformIndexToPhysicalPoint([int(i) for i in row])
        )
        for row in index
    ]
    return np.array(places)


def _differs(how: str) -> InvalidImage:
    return InvalidImage(f"the prediction is not on the reference's grid: {how}", _REMEDY)


def _sizes(mask: sitk.Image, reference: sitk.Image) -> str:
    sizes = (" x ".join(str(n) for n in image.GetSize()) for image in (mask, reference))
    return "{} voxels against {}".format(*sizes)


def _inside(values: NDArray[np.generic], label: int | None, name: str, option: str) -> Mask:
    found = label_values(values, name)
    if label is not None:
        return np.asarray(values == label)
    if found.size > 1:
        warnings.warn(
            f"{name} holds several labels and all of them count; choose one with {option}",
            stacklevel=3,
        )
    return np.asarray(values != 0)
