# SPDX-License-Identifier: Apache-2.0
"""Lesions one by one: how many, where, how large, how long, how much of the cord they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..centerline.curve import Centerline
from ..images import array_from, image_from, restore_grid, to_network_order
from .cord import Landmark, cord_array, course_of_cord, position_origin
from .course import Course
from .masks import Mask, on_grid, title_of
from .section import across_the_cord, measure_section

PARTS = ("centre", "anterior", "posterior", "left", "right")

# The middle of the cord reaches this share of the way to its edge.
_CENTRE = 1 / 3
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
    max_axial_damage_ratio : float or None
        The largest share of the cord's area that it takes on any one slice, 0 to 1; None
        without a cord mask, as what follows.
    position_mm : float or None
        Of its centre, along the curve: downward from the landmark, or from the top of the cord
        mask.
    part : str or None
        Where its centre lies in the cord, one of ``PARTS``.
    shares : mapping of str to float
        Share of its voxels in each of the parts; they add up to 1.
    """

    label: int
    voxels: int
    volume_mm3: float
    centre_mm: tuple[float, float, float]
    length_mm: float
    mean_intensity: float | None
    max_axial_damage_ratio: float | None = None
    position_mm: float | None = None
    part: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)


def measure_lesions(
    mask: sitk.Image,
    centerline: Centerline | None = None,
    image: sitk.Image | None = None,
    cord: sitk.Image | None = None,
    landmark: Landmark | None = None,
) -> tuple[Lesion, ...]:
    """Return one row for each lesion.

    Parameters
    ----------
    mask : SimpleITK.Image
        3D; voxels other than 0 are lesion.
    centerline : Centerline, optional
        To measure lengths along; by default the centre of `cord`, if that is given.
    image : SimpleITK.Image, optional
        On the grid of `mask`, to take mean intensities from.
    cord : SimpleITK.Image, optional
        Binary mask of the cord on the same grid, for where in it the lesions lie and how much of
        it they take.
    landmark : float or (x, y, z), optional
        What positions are counted from, as in :func:`~.cord.measure_cord`.

    Returns
    -------
    tuple of Lesion
        From the top of the image down.

    Raises
    ------
    InvalidImage
        With a cord mask that is empty, or images on different grids.

    Notes
    -----
    The axial damage ratio is that of Smith et al. 2017, Spinal Cord 55:672-678, and 2021,
    doi:10.1038/s41393-020-00561-w: damaged area over cord area on the slice where that is largest.
    Both are cut by the same slice, so that its angle does not matter.

    The parts are ours: the offset of a voxel from the cord's centre on its slice, across the cord
    and in units of the cord's half diameters, is in the *centre* up to a third, and beyond that
    *anterior*, *posterior*, *left* or *right* (the patient's) by the diagonals between them. A
    lesion as a whole lies where the mean offset of its voxels does, so that one that takes all of
    the cord lies in its centre.
    """
    ordered = to_network_order(mask)
    inside = array_from(ordered) != 0
    labels, count = _label(inside)
    where_in_cord = None
    if cord is not None:
        around, grid = cord_array(cord)
        on_grid(mask, grid, title_of("lesion"))
        course = course_of_cord(around, grid, centerline)
        where_in_cord = _Surroundings(around, course, position_origin(around, course, landmark))
        lengths = course.lengths_mm
    else:
        lengths = _length_of_slices(ordered, centerline)
    volume = float(np.prod(ordered.GetSpacing()))
    values = None if image is None else on_grid(image, ordered, "the image")
    rows = []
    for label in range(1, count + 1):
        where = np.argwhere(labels == label)
        low, high = where[:, 2].min(), where[:, 2].max()
        centre = ordered.TransformContinuousIndexToPhysicalPoint(where.mean(axis=0).tolist())
        place = _Place() if where_in_cord is None else _place(where, centre, where_in_cord)
        rows.append(
            Lesion(
                label=label,
                voxels=len(where),
                volume_mm3=len(where) * volume,
                centre_mm=(centre[0], centre[1], centre[2]),
                length_mm=float(lengths[low : high + 1].sum()),
                mean_intensity=None if values is None else float(values[tuple(where.T)].mean()),
                **place.__dict__,
            )
        )
    return tuple(rows)


def max_axial_damage_ratio(mask: sitk.Image, cord: sitk.Image) -> float:
    """Return the largest share of the cord's area that lesions together take on any one slice.

    Parameters
    ----------
    mask, cord : SimpleITK.Image
        Binary masks on one grid.

    Returns
    -------
    float
        0 to 1; 0 without lesions.
    """
    around, grid = cord_array(cord)
    return _largest_ratio((on_grid(mask, grid, title_of("lesion")) != 0) & around, around)


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


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """The cord around lesions; `origin_mm` is where on the course positions are 0."""

    cord: Mask
    course: Course
    origin_mm: float


@dataclass(frozen=True)
class _Place:
    """Where in the cord a lesion lies; the attributes are those of Lesion."""

    max_axial_damage_ratio: float | None = None
    position_mm: float | None = None
    part: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)


def _place(
    where: np.ndarray, centre_mm: tuple[float, float, float], surroundings: _Surroundings
) -> _Place:
    """Return the place of a lesion whose voxels (N, 3) are given."""
    position = surroundings.origin_mm - surroundings.course.along_at(centre_mm)
    offsets = _offsets_in_cord(where, surroundings)
    if not len(offsets):
        # Beside the cord's slices there is nothing to take a share of.
        return _Place(None, position)
    lesion = np.zeros_like(surroundings.cord)
    lesion[tuple(where.T)] = True
    parts = _parts(offsets)
    return _Place(
        _largest_ratio(lesion & surroundings.cord, surroundings.cord),
        position,
        PARTS[int(_parts(offsets.mean(axis=0)[None])[0])],
        {name: float((parts == number).mean()) for number, name in enumerate(PARTS)},
    )


def _offsets_in_cord(where: np.ndarray, surroundings: _Surroundings) -> np.ndarray:
    """Return how far to the left and to the front voxels lie, in half diameters of the cord."""
    cord, course = surroundings.cord, surroundings.course
    spacing = np.array(course.grid.GetSpacing()[:2])
    offsets = []
    for k in np.unique(where[:, 2]):
        plane = cord[:, :, k]
        if plane.any():
            section = measure_section(plane, spacing, course.slopes[k])
            # A cord of one voxel has no extent, but its edge is half a voxel away.
            half = np.maximum((section.diameter_rl_mm, section.diameter_ap_mm), spacing) / 2
            middle = np.argwhere(plane).mean(axis=0)
            aside = (where[where[:, 2] == k, :2] - middle) * spacing
            offsets.append(across_the_cord(aside, course.slopes[k]) / half)
    return np.concatenate(offsets) if offsets else np.zeros((0, 2))


def _parts(offsets: np.ndarray) -> np.ndarray:
    """Return the number in PARTS of offsets (N, 2) to the left and to the front."""
    left, front = offsets.T
    sector = np.where(
        np.abs(front) >= np.abs(left), np.where(front >= 0, 1, 2), np.where(left > 0, 3, 4)
    )
    return np.where(np.hypot(left, front) <= _CENTRE, 0, sector)


def _largest_ratio(part: Mask, cord: Mask) -> float:
    areas = cord.sum(axis=(0, 1))
    return float((part.sum(axis=(0, 1)) / np.maximum(areas, 1)).max())


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
