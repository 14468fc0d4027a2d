# SPDX-License-Identifier: Apache-2.0
"""The centerline: a curve through the cord in millimetres, LPS, from inferior to superior."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from ..errors import InvalidArgument, InvalidImage
from ..images import array_from, read_image, to_network_order
from .markups import markups_points, markups_text
from .polyline import Floats, arc_length, crossings, interpolated, without_repeats
from .smoothing import levelled

_CSV_HEADER = "x_mm,y_mm,z_mm"

# A curve ends somewhere inside the voxel of its last slice, so it covers half a slice more.
_HALF_SLICE = 0.5

# The direction of an end is that of so much of the curve.
_TANGENT_MM = 20.0


@dataclass(frozen=True, eq=False)
class Centerline:
    """A curve along the cord.

    Attributes
    ----------
    points_mm : ndarray of float64, shape (N, 3)
        Physical points, mm, LPS, N >= 1, no two consecutive ones equal. They are put in the order
        inferior to superior, by the ends of the curve, and cannot be written to.

    Raises
    ------
    ValueError
        If the points have another shape, are not finite, or repeat.
    """

    points_mm: Floats

    def __post_init__(self) -> None:
        points = np.array(self.points_mm, dtype=np.float64)
        if points.ndim != 2 or points.shape[1:] != (3,) or len(points) == 0:
            raise ValueError(f"points_mm must have shape (N, 3), N >= 1, not {points.shape}")
        if not np.isfinite(points).all():
            raise ValueError("points_mm must be finite")
        if (np.diff(points, axis=0) == 0).all(axis=1).any():
            raise ValueError("points_mm repeats a point")
        if points[0, 2] > points[-1, 2]:
            points = points[::-1].copy()
        points.flags.writeable = False
        object.__setattr__(self, "points_mm", points)

    @property
    def length_mm(self) -> float:
        """Length of the polyline through the points, mm."""
        return float(arc_length(self.points_mm)[-1])

    @property
    def tangents(self) -> Floats:
        """Unit tangents (N, 3), LPS: central differences on the arc length.

        One point alone has the tangent (0, 0, 1).
        """
        upwards = np.array([0.0, 0.0, 1.0])
        if len(self.points_mm) == 1:
            return upwards[None]
        tangents = np.gradient(self.points_mm, arc_length(self.points_mm), axis=0)
        norm = np.linalg.norm(tangents, axis=1, keepdims=True)
        turning_back = norm < 1e-9
        unit: Floats = np.where(turning_back, upwards, tangents / np.where(turning_back, 1, norm))
        return unit

    def at(self, z_mm: ArrayLike) -> Floats:
        """Return the point of the curve at a height.

        Parameters
        ----------
        z_mm : float or array_like, shape (M,)
            LPS z, mm; clamped to the ends of the curve.

        Returns
        -------
        ndarray, shape (3,) or (M, 3)
            Interpolated linearly; the mean of the crossings where the curve turns back.
        """
        heights = np.asarray(z_mm, dtype=np.float64)
        z = self.points_mm[:, 2]
        clamped = np.clip(np.atleast_1d(heights), z.min(), z.max())
        points = np.column_stack([crossings(z, self.points_mm[:, :2], clamped), clamped])
        return points if heights.ndim else points[0]

    def in_slices(self, image: sitk.Image) -> Floats:
        """Return where the curve crosses each axial slice of an image.

        Parameters
        ----------
        image : sitk.Image
            3D, in network order (see ``images.to_network_order``); may be oblique.

        Returns
        -------
        ndarray, shape (Z, 2)
            Continuous voxel index (x, y) in each slice. NaN where the curve does not reach: it is
            taken to go on unchanged for half a slice past its ends.
        """
        index = _to_continuous_index(self.points_mm, image)
        slices = np.arange(image.GetSize()[2], dtype=np.float64)
        low, high = index[:, 2].min(), index[:, 2].max()
        tolerance = _HALF_SLICE + 1e-6
        covered = (slices >= low - tolerance) & (slices <= high + tolerance)
        places = np.full((len(slices), 2), np.nan)
        clamped = np.clip(slices[covered], low, high)
        places[covered] = crossings(index[:, 2], index[:, :2], clamped)
        return places

    def resampled(self, step_mm: float) -> Centerline:
        """Return the curve with points about `step_mm` apart along it, both ends kept."""
        if not step_mm > 0:
            raise ValueError("step_mm must be positive")
        along = arc_length(self.points_mm)
        if len(along) == 1:
            return self
        wanted = np.linspace(0, along[-1], max(1, round(along[-1] / step_mm)) + 1)
        return Centerline(interpolated(wanted, along, self.points_mm))

    def prolonged(self, by_mm: float) -> Centerline:
        """Return the curve drawn on past both ends, along its tangents, levelling off upright.

        Parameters
        ----------
        by_mm : float
            How much further down and up, mm along LPS z; a point every millimetre.
        """
        away = np.arange(1.0, np.floor(by_mm) + 1)
        below = _drawn_on(self.points_mm[::-1], away, -1.0)[::-1]
        above = _drawn_on(self.points_mm, away, 1.0)
        return Centerline(np.concatenate([below, self.points_mm, above]))

    def to_csv(self) -> str:
        """Return the points as CSV text, header ``x_mm,y_mm,z_mm``, LPS, micrometres kept."""
        rows = [",".join(f"{value:.4f}" for value in point) for point in self.points_mm]
        return "\n".join([_CSV_HEADER, *rows]) + "\n"

    def to_markups_json(self, name: str = "Centerline") -> str:
        """Return the curve as text of a Slicer markups file (``.mrk.json``), LPS.

        A long curve gets a control point about every 10 mm, so that a person can move them;
        closer where Slicer's spline through them would miss the curve by 0.1 mm.
        """
        return markups_text(self.points_mm, name)

    @classmethod
    def from_csv(cls, path: str | Path) -> Centerline:
        """Read a CSV file with the header ``x_mm,y_mm,z_mm``; mm, LPS; other columns are ignored.

        Raises
        ------
        InvalidArgument
            If the file cannot be read, or holds no curve.
        """
        rows = csv.DictReader(io.StringIO(_read_text(path)), skipinitialspace=True)
        columns = _CSV_HEADER.split(",")
        if not set(columns) <= set(rows.fieldnames or ()):
            raise _invalid(path, "has no columns x_mm, y_mm and z_mm")
        try:
            points = [[float(row[column]) for column in columns] for row in rows]
        except (TypeError, ValueError, csv.Error) as error:
            raise _invalid(path, "has a row that is not three numbers") from error
        return cls._from_points(points, path)

    @classmethod
    def from_markups_json(cls, path: str | Path) -> Centerline:
        """Read a Slicer markups file: a curve, a line or a point list; LPS or RAS.

        The first curve in the file is taken, else the first line, else the first point list, whose
        points are sorted by height. Undefined points are skipped. A curve is read as Slicer draws
        it, a cubic spline through the control points, with a point about every millimetre.

        Raises
        ------
        InvalidArgument
            If the file cannot be read, or holds no curve.
        """
        try:
            points = markups_points(_read_text(path))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise _invalid(path, "is not a Slicer markups file with a curve") from error
        return cls._from_points(points, path)

    @classmethod
    def from_mask(cls, image: sitk.Image, name: str = "the mask") -> Centerline:
        """Return the curve through the centre of mass of each axial slice of a mask.

        Parameters
        ----------
        image : sitk.Image
            3D scalar, any orientation: a cord mask or a one-voxel centerline. Of an integer image
            every voxel above 0 counts the same; a float image is a soft mask, its values weigh.
        name : str
            What an error calls the image.

        Raises
        ------
        InvalidImage
            If the mask is empty.
        """
        ordered = to_network_order(image)
        mask = array_from(ordered)
        weights = np.nan_to_num(mask, posinf=0.0) if mask.dtype.kind == "f" else mask > 0
        weights = np.maximum(weights.astype(np.float64), 0)
        mass = weights.sum(axis=(0, 1))
        slices = np.flatnonzero(mass)
        if slices.size == 0:
            raise InvalidImage(f"{name} is empty", "give a mask of the cord or of its centerline")
        x = np.einsum("xyz,x->z", weights, np.arange(mask.shape[0]))[slices] / mass[slices]
        y = np.einsum("xyz,y->z", weights, np.arange(mask.shape[1]))[slices] / mass[slices]
        return cls(_to_physical(np.column_stack([x, y, slices]), ordered))

    @classmethod
    def _from_points(cls, points: ArrayLike, path: str | Path) -> Centerline:
        array = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        if len(array) == 0:
            raise _invalid(path, "holds no point")
        if not np.isfinite(array).all():
            raise _invalid(path, "has a point that is not finite")
        return cls(without_repeats(array))


def read_centerline(path: str | Path) -> Centerline:
    """Read a centerline from a CSV file, a Slicer markups file or an image of a mask.

    Raises
    ------
    InvalidArgument, InvalidImage
        If the file is none of these, or empty.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return Centerline.from_csv(path)
    if path.suffix.lower() == ".json":
        return Centerline.from_markups_json(path)
    return Centerline.from_mask(read_image(path, allow_constant=True), path.name)


def _drawn_on(points: Floats, away_mm: Floats, upwards: float) -> Floats:
    """Return points so far beyond the last one, in height: up, or down where `upwards` is -1."""
    end = points[-1]
    back = points[::-1]
    inner = back[min(int(np.searchsorted(arc_length(back), _TANGENT_MM)), len(back) - 1)]
    slope = (end - inner)[:2] / max(abs(end[2] - inner[2]), 1.0)
    sideways = end[:2] + levelled(away_mm)[:, None] * slope
    return np.column_stack([sideways, end[2] + upwards * away_mm])


def _index_to_physical(image: sitk.Image) -> tuple[Floats, Floats]:
    """Return the matrix (3, 3) and the origin (3,) of: physical = matrix @ index + origin."""
    direction = np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    return direction * np.asarray(image.GetSpacing()), np.asarray(image.GetOrigin())


def _to_physical(index: Floats, image: sitk.Image) -> Floats:
    matrix, origin = _index_to_physical(image)
    return index @ matrix.T + origin


def _to_continuous_index(points: Floats, image: sitk.Image) -> Floats:
    matrix, origin = _index_to_physical(image)
    return np.asarray(np.linalg.solve(matrix, (points - origin).T).T, dtype=np.float64)


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise _invalid(path, "does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(path, "cannot be read as text") from error


def _invalid(path: str | Path, problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"centerline {Path(path).name} {problem}",
        "give a CSV file (x_mm,y_mm,z_mm in LPS), a Slicer curve (.mrk.json) or a mask",
    )
