# SPDX-License-Identifier: Apache-2.0
"""The course of the cord through the slices: where, how steep, and how far along.

Everything is told by axial slice, for every slice of an image, in millimetres along the image's
own axes: x and y in the slice, z across the slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from ..centerline.curve import Centerline
from ..errors import InvalidArgument
from ..images import array_from

Floats = NDArray[np.float64]

# Half width of what a direction is averaged over: the centre of a mask of 1 mm voxels wavers by
# 0.1 mm from slice to slice, and the cord bends with a radius of about 10 cm.
SMOOTHING_MM = 10.0
# Over less than this the cord counts as straight.
_LINE_MM = 20.0
# Areas, against those of the next slices, from which on an end is none that cuts a slice; and
# below which slices behind a cut are cut too.
_UNCUT, _ROUNDED = 0.95, 0.8
# A point further than this from the course belongs to something else, or has the wrong signs.
_FURTHEST_MM = 50.0


@dataclass(frozen=True, eq=False)
class Course:
    """A curve as the slices of an image cut it.

    Attributes
    ----------
    centres_mm : ndarray, (Z, 2)
        Where it meets each axial slice in network order: mm along the x and y axis of the grid,
        from the first voxel. Beyond what is known of the curve it goes straight on.
    slopes : ndarray, (Z, 2)
        Change of the centre from slice to slice: mm sideways for each mm across the slices.
    along_mm : ndarray, (Z,)
        Length of the curve from the first slice of the image, mm, rising with the slice.
    grid : sitk.Image
        The grid, in network order; only its geometry counts.
    """

    centres_mm: Floats
    slopes: Floats
    along_mm: Floats
    grid: sitk.Image

    @property
    def cosines(self) -> Floats:
        """Cosine of the angle between the curve and the normal of each slice, (Z,)."""
        return np.asarray(1 / np.sqrt(1 + (self.slopes**2).sum(axis=1)))

    @property
    def angles_deg(self) -> Floats:
        """That angle, degrees, 0 to 90, (Z,)."""
        return np.degrees(np.arctan(np.hypot(*self.slopes.T)))

    @property
    def lengths_mm(self) -> Floats:
        """Length of curve in the thickness of each slice, (Z,)."""
        return np.asarray(self.grid.GetSpacing()[2] / self.cosines)

    def points_mm(self) -> Floats:
        """Return where the curve meets the slices: (Z, 3), physical, LPS."""
        heights = np.arange(len(self.centres_mm)) * self.grid.GetSpacing()[2]
        return _to_physical(np.column_stack([self.centres_mm, heights]), self.grid)

    def along_at(self, point_mm: ArrayLike) -> float:
        """Return the length along the curve at which it passes a point.

        Parameters
        ----------
        point_mm : array_like, (3,)
            Physical, LPS. It need not lie on the curve, nor between its ends: past them the
            curve goes straight on.

        Returns
        -------
        float
            On the scale of `along_mm`.
        """
        return self._nearest(point_mm)[0]

    def distance_to(self, point_mm: ArrayLike) -> float:
        """Return the distance of a point (3,), LPS, from the curve, mm."""
        return self._nearest(point_mm)[1]

    def _nearest(self, point_mm: ArrayLike) -> tuple[float, float]:
        point = _to_frame(np.asarray(point_mm, dtype=np.float64)[None], self.grid)[0]
        heights = np.arange(len(self.centres_mm)) * self.grid.GetSpacing()[2]
        offsets = point - np.column_stack([self.centres_mm, heights])
        nearest = int(np.linalg.norm(offsets, axis=1).argmin())
        tangent = np.append(self.slopes[nearest], 1.0) * self.cosines[nearest]
        ahead = float(offsets[nearest] @ tangent)
        aside = float(np.linalg.norm(offsets[nearest] - ahead * tangent))
        return float(self.along_mm[nearest]) + ahead, aside


def course_along(
    grid: sitk.Image, centerline: Centerline, smoothing_mm: float = SMOOTHING_MM
) -> Course:
    """Return the course of a centerline through an image.

    Parameters
    ----------
    grid : sitk.Image
        3D, in network order (``images.to_network_order``).
    centerline : Centerline
    smoothing_mm : float
        Half width of what the direction is averaged over.
    """
    points = _to_frame(centerline.points_mm, grid)
    points = points[np.argsort(points[:, 2], kind="stable")]
    # Where a curve turns back it has no one place on a slice: its first is taken.
    rising = np.concatenate([[True], np.diff(points[:, 2]) > 1e-6])
    return _course(points[rising], grid, smoothing_mm)


def course_through(
    mask: NDArray[np.bool_], grid: sitk.Image, smoothing_mm: float = SMOOTHING_MM
) -> Course:
    """Return the course of a mask's own centre.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
        In network order, not empty. Slices at its ends that it fills only in part do not count:
        their centre lies beside that of the cord.
    grid : sitk.Image
        Its geometry.
    smoothing_mm : float
        Half width of what the direction is averaged over.
    """
    centres = mask_centres(mask, grid)
    rough = _course(centres, grid, smoothing_mm)
    whole = whole_slices(mask, rough)
    kept = whole[np.flatnonzero(mask.any(axis=(0, 1)))]
    return _course(centres[kept], grid, smoothing_mm) if kept.any() else rough


def mask_centres(mask: NDArray[np.bool_], grid: sitk.Image) -> Floats:
    """Return the centre of mass of each slice with mask: (N, 3), mm along the axes of the grid."""
    counts = mask.sum(axis=(0, 1))
    slices = np.flatnonzero(counts)
    x = np.arange(mask.shape[0]) @ mask.sum(axis=1)[:, slices] / counts[slices]
    y = np.arange(mask.shape[1]) @ mask.sum(axis=0)[:, slices] / counts[slices]
    return np.column_stack([x, y, slices]) * np.array(grid.GetSpacing())


def whole_slices(mask: NDArray[np.bool_], course: Course) -> NDArray[np.bool_]:
    """Tell which slices show the whole cross-section of the cord.

    Parameters
    ----------
    mask : ndarray of bool, (X, Y, Z)
    course : Course
        Its direction through the slices.

    Returns
    -------
    ndarray of bool, (Z,)
        False without mask; where the mask touches the edge of the image in the plane; and at an
        end of the mask that the slices cut.

    Notes
    -----
    A cord that leans by the angle θ and ends across its own direction is cut by the slices that
    lie within its width times sin θ of the end; at least by the last one. Whether its end is such
    a cut, or follows the slices, the last slice tells: cut, its area is less than 95 % of that of
    the next slices inward. A slice of which the cut takes less than that passes as whole. A mask
    may also end more slanted, or rounded: from a cut on, slices with less than 80 % of the area
    of the next ones inward are cut too, up to half the cord's width from the end.
    """
    counts = mask.sum(axis=(0, 1)).astype(np.float64)
    slices = np.flatnonzero(counts)
    rim = mask[[0, -1]].any(axis=(0, 1)) | mask[:, [0, -1]].any(axis=(0, 1))
    whole: NDArray[np.bool_] = (counts > 0) & ~rim
    areas = counts * course.cosines
    for inward in (slices, slices[::-1]):
        cut = _cut_slices(mask, inward, areas, course)
        whole[cut] = False
    return whole


def slice_areas(masks: Mapping[str, sitk.Image], course: Course) -> dict[str, Floats]:
    """Return the area of each structure on each slice, across the cord.

    Parameters
    ----------
    masks : mapping of str to sitk.Image
        In network order, on the grid of `course`; every voxel other than 0 counts.
    course : Course

    Returns
    -------
    dict of str to ndarray, (Z,)
        mm2: the number of voxels times the area of one times the cosine of the angle between the
        slice's normal and the cord.
    """
    pixel_mm2 = float(np.prod(course.grid.GetSpacing()[:2]))
    return {
        name: (array_from(mask) != 0).sum(axis=(0, 1)) * pixel_mm2 * course.cosines
        for name, mask in masks.items()
    }


def landmark_along(course: Course, landmark_mm: Sequence[float]) -> float:
    """Return where along a course a landmark lies.

    Raises
    ------
    InvalidArgument
        If it is not three finite numbers, or lies more than 50 mm beside the cord.
    """
    point = np.asarray(landmark_mm, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InvalidArgument("the landmark is not a point", "give x, y and z in mm, LPS")
    distance = course.distance_to(point)
    if distance > _FURTHEST_MM:
        raise InvalidArgument(
            f"the landmark lies {distance:.0f} mm beside the cord",
            "give it in LPS: x to the left, y to the back, z upward, mm",
        )
    return course.along_at(point)


def _course(points: Floats, grid: sitk.Image, smoothing_mm: float) -> Course:
    """Return the course through points (N, 3), mm along the grid's axes, z rising."""
    step = grid.GetSpacing()[2]
    heights = np.arange(grid.GetSize()[2]) * step
    inside = np.clip(heights, points[0, 2], points[-1, 2])
    centres, slopes = _smoothed(points, inside, smoothing_mm)
    centres = centres + slopes * (heights - inside)[:, None]
    speed = np.sqrt(1 + (slopes**2).sum(axis=1))
    along = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * step)])
    return Course(centres, slopes, along, grid)


def _smoothed(points: Floats, heights: Floats, smoothing_mm: float) -> tuple[Floats, Floats]:
    """Return the centres and the slopes (M, 2) at heights between the ends of the points.

    A parabola is laid through the points around each height by weighted least squares (Cleveland
    1979, J. Am. Stat. Assoc. 74:829-836). Unlike a smoothing spline, which runs straight out of
    its ends, it keeps the bend of the cord there.
    """
    if len(points) == 1:
        centres = np.repeat(points[:, :2], len(heights), axis=0)
        return centres, np.zeros_like(centres)
    extent = points[-1, 2] - points[0, 2]
    # Through less than this a bend cannot be told from the wavering of the centres.
    degree = 2 if len(points) > 2 and extent > _LINE_MM else 1
    width = max(smoothing_mm, extent / (len(points) - 1))
    centres, slopes = np.empty((len(heights), 2)), np.empty((len(heights), 2))
    for row, height in enumerate(heights):
        offsets = (points[:, 2] - height) / width
        # polyfit squares the weights.
        weights = np.exp(-(offsets**2) / 4)
        fit = np.polynomial.polynomial.polyfit(offsets, points[:, :2], degree, w=weights)
        centres[row], slopes[row] = fit[0], fit[1] / width
    return centres, slopes


def _cut_slices(
    mask: NDArray[np.bool_], inward: NDArray[np.int64], areas: Floats, course: Course
) -> NDArray[np.int64]:
    """Return the slices that an end of the mask cuts; `inward` lists its slices from there."""
    distance = np.abs(inward - inward[0]) * course.grid.GetSpacing()[2]
    usual = float(np.median(areas[inward]))
    # Not at the end itself, where the direction may be wrong yet.
    steady = inward[min(int(np.searchsorted(distance, np.sqrt(usual))), len(inward) // 2)]
    sine = float(np.sin(np.radians(course.angles_deg[steady])))
    reach = _width_mm(mask[:, :, steady], course, int(steady)) * sine
    cut = max(int(np.searchsorted(distance, reach)), 1)
    if areas[inward[0]] >= _UNCUT * _next_area(inward, cut, areas):
        return inward[:0]
    # Half the width of a circle of that area.
    furthest = np.sqrt(usual / np.pi)
    while (
        cut < len(inward)
        and distance[cut] <= furthest
        and areas[inward[cut]] < _ROUNDED * _next_area(inward, cut + 1, areas)
    ):
        cut += 1
    return inward[:cut]


def _next_area(inward: NDArray[np.int64], first: int, areas: Floats) -> float:
    """Return the usual area of the few slices from one on; 0 where there are none."""
    few = areas[inward[first : first + 5]]
    return float(np.median(few)) if few.size else 0.0


def _width_mm(plane: NDArray[np.bool_], course: Course, row: int) -> float:
    """Return the width of the cord, across it, in the direction in which it leans."""
    steepness = float(np.hypot(*course.slopes[row]))
    if steepness < 1e-9:
        return 0.0
    places = np.argwhere(plane) * np.array(course.grid.GetSpacing()[:2])
    # A filled ellipse is 4 standard deviations wide.
    return 4 * float((places @ course.slopes[row] / steepness).std() * course.cosines[row])


def _to_frame(points_mm: Floats, grid: sitk.Image) -> Floats:
    """Return physical points (N, 3) as mm along the axes of a grid, from its first voxel."""
    direction = np.reshape(grid.GetDirection(), (3, 3))
    return np.asarray(np.linalg.solve(direction, (points_mm - np.array(grid.GetOrigin())).T).T)


def _to_physical(frame_mm: Floats, grid: sitk.Image) -> Floats:
    direction = np.reshape(grid.GetDirection(), (3, 3))
    return np.asarray(frame_mm @ direction.T + np.array(grid.GetOrigin()))
