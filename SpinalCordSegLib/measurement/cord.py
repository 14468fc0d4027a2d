# SPDX-License-Identifier: Apache-2.0
"""The cord measured slice by slice, and every millimetre along it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..centerline.curve import Centerline
from ..errors import InvalidArgument, InvalidImage
from ..network_order import stored_slices
from .course import Course, course_along, course_through, landmark_along, whole_slices
from .definitions import SECTION_MEASURES
from .masks import Mask, binary_mask, label_array, on_grid, title_of
from .section import measure_section

Floats = NDArray[np.float64]
Landmark = float | Sequence[float]


@dataclass(frozen=True)
class CordSlice:
    """One axial slice; see ``measurement.definitions`` for each measure.

    Attributes
    ----------
    slice : int
        Index along the mask's own axial axis (the voxel axis nearest to superior-inferior).
    whole : bool
        Whether it shows the whole cross-section: not where the end of the mask, or the edge of
        the image, cuts it.
    level : int
        Vertebral level; 0 where none is known.
    position_mm : float
        Along the curve, downward from the landmark, or from the top of the mask.
    x_mm, y_mm, z_mm : float
        Where the curve meets the slice, LPS.
    length_mm : float
        Of the curve in the slice.
    angle_deg : float
        Between the slice's normal and the curve.
    area_mm2, diameter_ap_mm, diameter_rl_mm, eccentricity, solidity, orientation_deg : float
        As :class:`~.section.Section`.
    gray_matter_area_mm2, white_matter_area_mm2, gray_matter_ratio : float
        NaN where no gray matter is known.
    intensity_mean, intensity_sd : float
        NaN without an image.
    """

    slice: int
    whole: bool
    level: int
    position_mm: float
    x_mm: float
    y_mm: float
    z_mm: float
    length_mm: float
    angle_deg: float
    area_mm2: float
    diameter_ap_mm: float
    diameter_rl_mm: float
    eccentricity: float
    solidity: float
    orientation_deg: float
    gray_matter_area_mm2: float = math.nan
    white_matter_area_mm2: float = math.nan
    gray_matter_ratio: float = math.nan
    intensity_mean: float = math.nan
    intensity_sd: float = math.nan


@dataclass(frozen=True)
class CordMeasurements:
    """A measured cord.

    Attributes
    ----------
    slices : tuple of CordSlice
        Those with cord, from the top down.
    landmark : str
        What positions are counted from: ``top of the mask`` or ``landmark``.
    """

    slices: tuple[CordSlice, ...]
    landmark: str = "top of the mask"

    def column(self, name: str) -> Floats:
        """Return one measure of every slice, (S,)."""
        return np.array([getattr(row, name) for row in self.slices], dtype=np.float64)


def measure_cord(
    mask: sitk.Image,
    image: sitk.Image | None = None,
    centerline: Centerline | None = None,
    gray_matter: sitk.Image | None = None,
    white_matter: sitk.Image | None = None,
    levels: sitk.Image | None = None,
    landmark: Landmark | None = None,
) -> CordMeasurements:
    """Measure the cord on each axial slice of its mask.

    Parameters
    ----------
    mask : sitk.Image
        Binary cord mask, 3D, any orientation.
    image : sitk.Image, optional
        The scan, for intensities.
    centerline : Centerline, optional
        The curve along the cord; by default the mask's own centre from slice to slice. Either is
        smoothed over about a centimetre, for its direction sets the areas right.
    gray_matter, white_matter : sitk.Image, optional
        Binary masks; white matter is the cord without its gray matter where it is not given.
    levels : sitk.Image, optional
        Label map of vertebral levels on the cord.
    landmark : float or (x, y, z), optional
        What positions along the curve are counted from: a point in mm, LPS, such as the
        pontomedullary junction, which need not lie on the cord; or a length along the curve
        below the top of the mask, mm. By default the top of the mask.

    Returns
    -------
    CordMeasurements

    Raises
    ------
    InvalidImage
        If the mask is empty or holds something else than one structure, or if another image is
        not on its grid.
    InvalidArgument
        If the landmark lies nowhere near the cord.

    Warns
    -----
    UserWarning
        If the curve does not reach all slices, or slices lie more than 60 degrees askew.

    Notes
    -----
    Areas, diameters and the rest are measured in the plane of the slice and set right for the
    angle between the slice's normal and the curve (Losseff et al. 1996, Brain 119:701-708, cut
    the image across the cord instead; De Leener et al. 2017, NeuroImage 145:24-43, correct by the
    cosine as done here). Positions along the curve from a landmark: Bédard and Cohen-Adad 2022,
    Frontiers in Neuroimaging 1:1031253. See ``measurement.definitions`` for all measures.
    """
    inside, grid = cord_array(mask)
    course = course_of_cord(inside, grid, centerline)
    whole = whole_slices(inside, course)
    numbers = stored_slices(mask)
    start = position_origin(inside, course, landmark)
    points = course.points_mm()
    gray = _tissue(gray_matter, grid, inside, "gray_matter")
    white = _tissue(white_matter, grid, inside, "white_matter")
    values = None if image is None else on_grid(image, grid, "the image")
    vertebrae = _levels(levels, grid, inside)
    rows = []
    for k in np.flatnonzero(inside.any(axis=(0, 1)))[::-1]:
        plane = inside[:, :, k]
        section = measure_section(plane, grid.GetSpacing()[:2], course.slopes[k])
        pixel_mm2 = section.area_mm2 / int(plane.sum())
        gray_mm2, white_mm2 = _tissue_areas(gray, white, plane, int(k), pixel_mm2)
        voxels = None if values is None else values[:, :, k][plane].astype(np.float64)
        rows.append(
            CordSlice(
                slice=int(numbers[k]),
                whole=bool(whole[k]),
                level=int(vertebrae[k]),
                position_mm=float(start - course.along_mm[k]),
                x_mm=float(points[k, 0]),
                y_mm=float(points[k, 1]),
                z_mm=float(points[k, 2]),
                length_mm=float(course.lengths_mm[k]),
                angle_deg=float(course.angles_deg[k]),
                **section.__dict__,
                gray_matter_area_mm2=gray_mm2,
                white_matter_area_mm2=white_mm2,
                gray_matter_ratio=gray_mm2 / section.area_mm2,
                intensity_mean=math.nan if voxels is None else float(voxels.mean()),
                intensity_sd=math.nan if voxels is None else float(voxels.std()),
            )
        )
    return CordMeasurements(tuple(rows), "top of the mask" if landmark is None else "landmark")


def per_millimetre(measurements: CordMeasurements, step_mm: float = 1.0) -> dict[str, Floats]:
    """Return the measures at even steps along the curve.

    Parameters
    ----------
    measurements : CordMeasurements
    step_mm : float
        Positions are its multiples.

    Returns
    -------
    dict of str to ndarray, (N,)
        ``position_mm``, rising, then the measures of ``SECTION_MEASURES`` and ``level``. Linear
        between neighbouring whole slices, constant in the outer half of one without a neighbour;
        nothing is interpolated across missing or cut slices.
    """
    if not step_mm > 0:
        raise InvalidArgument("the step along the cord is not positive", "give some millimetres")
    kept = [row for row in measurements.slices if row.whole]
    columns = ("position_mm", *SECTION_MEASURES)
    if not kept:
        return {name: np.zeros(0) for name in (*columns, "level")}
    table = {name: np.array([getattr(row, name) for row in kept]) for name in columns}
    middle, half = table["position_mm"], np.array([row.length_mm for row in kept]) / 2
    first = math.ceil((middle[0] - half[0]) / step_mm - 1e-6)
    positions = step_mm * np.arange(first, math.floor((middle[-1] + half[-1]) / step_mm) + 1)
    after = np.clip(np.searchsorted(middle, positions), 1, max(len(kept) - 1, 1))
    nearest = np.abs(positions[:, None] - middle).argmin(axis=1)
    joined = np.abs(np.diff([row.slice for row in kept])) == 1
    between = (positions >= middle[0]) & (positions <= middle[-1])
    between &= joined[after - 1] if joined.size else False
    known = between | (np.abs(positions - middle[nearest]) <= half[nearest])
    result = {"position_mm": positions[known]}
    for name in SECTION_MEASURES:
        linear = np.interp(positions, middle, table[name])
        result[name] = np.where(between, linear, table[name][nearest])[known]
    result["level"] = np.array([row.level for row in kept])[nearest][known]
    return result


def cord_array(mask: sitk.Image) -> tuple[Mask, sitk.Image]:
    """Return a cord mask as an array in network order, and its grid.

    Raises
    ------
    InvalidImage
        If it is empty, or no mask.
    """
    inside, grid = binary_mask(mask, title_of("cord"))
    if not inside.any():
        raise InvalidImage("the mask of the cord is empty", "give a mask of this scan's cord")
    return inside, grid


def course_of_cord(inside: Mask, grid: sitk.Image, centerline: Centerline | None) -> Course:
    """Return the course along a centerline, or through the mask itself where there is none.

    Warns
    -----
    UserWarning
        If the curve leaves out slices, or slices lie too much askew.
    """
    if centerline is None:
        course = course_through(inside, grid)
    else:
        course = course_along(grid, centerline)
        reached = np.isfinite(centerline.in_slices(grid)).all(axis=1)
        missed = int((inside.any(axis=(0, 1)) & ~reached).sum())
        if missed:
            warnings.warn(
                f"the centerline does not reach {missed} slices of the mask: on them it is taken "
                "to go straight on",
                stacklevel=3,
            )
    steepest = float(course.angles_deg[inside.any(axis=(0, 1))].max())
    if steepest > _ASKEW_DEG:
        warnings.warn(
            f"the cord passes slices at up to {steepest:.0f} degrees: their measures are rough",
            stacklevel=3,
        )
    return course


# From here on, an error of a degree in the angle is one of 3 % in the area.
_ASKEW_DEG = 60.0


def position_origin(inside: Mask, course: Course, landmark: Landmark | None) -> float:
    """Return where on the scale of ``Course.along_mm`` positions are 0.

    Raises
    ------
    InvalidArgument
        If the landmark lies nowhere near the cord.
    """
    highest = int(np.flatnonzero(inside.any(axis=(0, 1)))[-1])
    top = float(course.along_mm[highest] + course.lengths_mm[highest] / 2)
    if landmark is None:
        return top
    if isinstance(landmark, int | float):
        if not math.isfinite(landmark):
            raise InvalidArgument("the landmark is not a number", "give millimetres, or a point")
        return top - float(landmark)
    return landmark_along(course, landmark)


def _tissue(
    mask: sitk.Image | None, grid: sitk.Image, inside: Mask, name: str
) -> NDArray[np.bool_] | None:
    """Return a tissue inside the cord."""
    if mask is None:
        return None
    binary_mask(mask, title_of(name))
    return np.asarray((on_grid(mask, grid, title_of(name)) != 0) & inside)


def _tissue_areas(
    gray: Mask | None, white: Mask | None, plane: Mask, k: int, pixel_mm2: float
) -> tuple[float, float]:
    """Return the areas of gray and white matter on a slice; NaN where it is not known."""
    count = 0 if gray is None else int(gray[:, :, k].sum())
    if white is not None:
        rest = int(white[:, :, k].sum())
    else:
        rest = int(plane.sum()) - count if count else 0
    return (
        count * pixel_mm2 if count else math.nan,
        rest * pixel_mm2 if rest else math.nan,
    )


def _levels(levels: sitk.Image | None, grid: sitk.Image, inside: Mask) -> NDArray[np.int64]:
    """Return the vertebral level of each slice: the commonest label on the cord, 0 for none."""
    found = np.zeros(inside.shape[2], np.int64)
    if levels is None:
        return found
    labels = label_array(levels, grid, "the image of vertebral levels")
    labels[~inside] = 0
    if labels.min() < 0 or not labels.any():
        raise InvalidImage(
            "the image of vertebral levels labels no voxel of the cord",
            "give a label map in which the voxels of the cord have the number of their level",
        )
    for k in np.flatnonzero(labels.any(axis=(0, 1))):
        counts = np.bincount(labels[:, :, k].ravel())
        found[k] = int(counts[1:].argmax()) + 1
    return found
