# SPDX-License-Identifier: Apache-2.0
"""Masks to measure: what is inside, read from a mask, a label map or a segmentation; one grid."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InvalidImage
from ..headers import check_file
from ..images import (
    array_from,
    check_image,
    image_from,
    label_values,
    read_image,
    to_network_order,
)
from ..labels import LABELS, label_named

Mask = NDArray[np.bool_]

# Files round what they say of the geometry: two masks of one scan were 0.11 voxels apart. A quarter
# moves no voxel to its neighbour.
_TOLERANCE_VOXELS = 0.25


def read_masks(path: str | Path, image: sitk.Image | None = None) -> dict[str, sitk.Image]:
    """Read the structures that a file holds.

    Parameters
    ----------
    path : str or Path
        A mask (one value other than 0: the cord), a label map with the values of ``LABELS``, or
        a segmentation (``.seg.nrrd``) as ``segment`` or 3D Slicer writes it.
    image : sitk.Image, optional
        3D, onto whose grid a segmentation is brought that was cropped, as Slicer does.

    Returns
    -------
    dict of str to sitk.Image
        uint8, 0 and 1, by the names of ``LABELS``; the cord is always there.

    Raises
    ------
    InvalidImage
        If the file cannot be read, holds no cord, or holds something else than labels.
    """
    path = Path(path)
    if path.name.lower().endswith(".seg.nrrd"):
        masks = _read_segmentation(path)
        return masks if image is None else {n: _uncropped(m, image) for n, m in masks.items()}
    return masks_of_labels(read_image(path, allow_constant=True), path.name)


def masks_of_labels(labels: sitk.Image, name: str = "the label map") -> dict[str, sitk.Image]:
    """Return the structures of a label map, or of a mask.

    Parameters
    ----------
    labels : sitk.Image
        3D. With several values other than 0 they are those of ``LABELS``: 1 cord, 2 gray matter,
        3 lesion, which all lie in the cord; gray matter under a lesion is not in the map. One
        value alone, whatever it is, is the cord.
    name : str
        What errors call it.

    Returns
    -------
    dict of str to sitk.Image
        uint8, 0 and 1.

    Raises
    ------
    InvalidImage
        If it holds fractions, or several values that are not ours.
    """
    values = array_from(labels)
    found = label_values(values, name)
    masks = {"cord": values != 0}
    if found.size > 1:
        known = {label.value: label.name for label in LABELS if label.value}
        if not set(found.tolist()) <= set(known):
            listed = ", ".join(f"{value:g}" for value in found[:6])
            raise InvalidImage(
                f"{name} holds the labels {listed}, and not those of a segmentation of the cord",
                "give a mask of the cord, or a label map with 1 cord, 2 gray matter, 3 lesion",
            )
        masks |= {known[int(value)]: values == value for value in found if value != 1}
    return {key: image_from(mask.astype(np.uint8), labels) for key, mask in masks.items()}


def binary_mask(mask: sitk.Image, name: str) -> tuple[Mask, sitk.Image]:
    """Return a mask as an array in network order, and the image that it belongs to.

    Raises
    ------
    InvalidImage
        If it holds several labels, or fractions.
    """
    ordered = to_network_order(check_image(mask, name, allow_constant=True))
    values = array_from(ordered)
    found = label_values(values, name)
    if found.size > 1:
        listed = ", ".join(f"{value:g}" for value in found[:6])
        raise InvalidImage(
            f"{name} is a label map with the values {listed}, and not a mask",
            "give the mask of one structure, such as result.masks['cord']",
        )
    return values != 0, ordered


def label_array(labels: sitk.Image, grid: sitk.Image, name: str) -> NDArray[np.int64]:
    """Return the voxels of a label map (X, Y, Z) on the grid of an image in network order.

    Raises
    ------
    InvalidImage
        If it lies on another grid, or holds no labels.
    """
    values = on_grid(labels, grid, name)
    label_values(values, name)
    return np.rint(values).astype(np.int64)


def on_grid(image: sitk.Image, grid: sitk.Image, name: str) -> NDArray[Any]:
    """Return the voxels of an image as an array that corresponds to another image.

    Parameters
    ----------
    image : sitk.Image
        2D or 3D; it may be stored in another order of the axes.
    grid : sitk.Image
        In network order.
    name : str
        What errors call the image.

    Returns
    -------
    ndarray, (X, Y, Z)

    Raises
    ------
    InvalidImage
        If the two grids differ by more than flips and permutations of their axes and a quarter
        of a voxel.
    """
    ordered = to_network_order(check_image(image, name, allow_constant=True))
    if ordered.GetSize() != grid.GetSize():
        sizes = (" x ".join(str(n) for n in each.GetSize()) for each in (ordered, grid))
        raise _differs(name, "{} voxels against {}".format(*sizes))
    apart = _corners_apart(ordered, grid, (0, 0, 0))
    if apart > _TOLERANCE_VOXELS:
        raise _differs(name, f"corners that should meet lie {apart:.1f} voxels apart")
    return array_from(ordered)


def _corners_apart(part: sitk.Image, whole: sitk.Image, start: tuple[int, int, int]) -> float:
    """Return how many voxels the corners of a part lie from where its start says they are."""
    corners = product(*[(0, n - 1) for n in part.GetSize()])
    return max(
        float(
            np.abs(
                np.subtract(
                    whole.TransformPhysicalPointToContinuousIndex(
                        part.TransformIndexToPhysicalPoint(corner)
                    ),
                    np.add(corner, start),
                )
            ).max()
        )
        for corner in corners
    )


def _read_segmentation(path: Path) -> dict[str, sitk.Image]:
    import slicerio

    check_file(path, layers=True)
    try:
        segmentation = slicerio.read_segmentation(str(path))
        voxels = segmentation["voxels"]
        grid = _grid(np.asarray(segmentation["ijkToLPS"], dtype=np.float64), voxels.shape[-3:])
        masks = {}
        for segment in segmentation["segments"]:
            name = _structure_of(segment)
            if name is not None:
                inside = slicerio.segment_mask(segmentation, segment)
                masks[name] = image_from(np.asarray(inside, dtype=np.uint8), grid)
    except (KeyError, ValueError, IndexError, TypeError, RuntimeError) as error:
        raise InvalidImage(
            f"{path.name} cannot be read as a segmentation",
            "save it in 3D Slicer again, or give a mask",
        ) from error
    if "cord" not in masks:
        raise InvalidImage(
            f"{path.name} has no segment of the spinal cord",
            "name it Spinal cord in its terminology, or give a mask",
        )
    return masks


def _structure_of(segment: dict[str, Any]) -> str | None:
    """Tell which structure a segment is: by its code, else by its identifier or its name."""
    code = (segment.get("terminology") or {}).get("type") or ["", "", ""]
    for label in LABELS:
        if list(code[:2]) == ["SCT", label.code]:
            return label.name
    for label in LABELS:
        if label.name == segment.get("id") or label.title == segment.get("name"):
            return label.name
    return None


def _grid(to_lps: NDArray[np.float64], size: tuple[int, ...]) -> sitk.Image:
    grid = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection((to_lps[:3, :3] / spacing).ravel().tolist())
    grid.SetOrigin(to_lps[:3, 3].tolist())
    return grid


def _uncropped(mask: sitk.Image, image: sitk.Image) -> sitk.Image:
    """Return a mask that is a crop of an image's grid on the whole of it; others as they are."""
    start = np.rint(image.TransformPhysicalPointToContinuousIndex(mask.GetOrigin())).astype(int)
    place = (int(start[0]), int(start[1]), int(start[2]))
    if mask.GetSize() == image.GetSize() or _corners_apart(mask, image, place) > _TOLERANCE_VOXELS:
        return mask
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)


def _differs(name: str, how: str) -> InvalidImage:
    return InvalidImage(
        f"{name} is not on the grid of the cord's mask: {how}",
        "give what belongs to the same scan, or resample it to that grid",
    )


def title_of(name: str) -> str:
    """Return what errors call the mask of a structure."""
    return f"the mask of the {label_named(name).title.lower()}"
