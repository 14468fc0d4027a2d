# SPDX-License-Identifier: Apache-2.0
"""The area of the cord on each slice, as a table node, and its mean between two landmarks.

The areas are those of ``SpinalCordSegLib.measurement``: across the cord, not along the slice. As
in its summaries, slices that do not show the whole cross-section of the cord are in no mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .messages import Failure
from .segmentation import Mask, put_beside
from .volume import Floats, Grid

SLICE, POSITION, ANGLE = "Slice", "Position along the cord (mm)", "Angle to the slice (degrees)"
WHOLE = "Whole (0: cut, in no mean)"
AREA = {
    "cord": "Cord area (mm2)",
    "gray_matter": "Gray matter area (mm2)",
    "white_matter": "White matter area (mm2)",
    "lesion": "Lesion area (mm2)",
}


@dataclass(frozen=True)
class SliceAreas:
    """Areas of each slice on which there is any cord, from inferior to superior.

    Attributes
    ----------
    slices : ndarray of int, (S,)
        Index along the volume's own axial axis.
    positions_mm : ndarray, (S,)
        Along the curve, from its inferior end; below 0 and beyond its length past its ends.
    angles : ndarray, (S,)
        Between the slice's normal and the curve, degrees.
    areas_mm2 : mapping of str to ndarray, (S,)
        By structure, corrected by the angle.
    whole : ndarray of bool, (S,)
        Whether it shows the whole cross-section of the cord: not where the edge of the image, or
        the end of the mask, cuts it, nor where there is no cord.
    """

    slices: Any
    positions_mm: Floats
    angles: Floats
    areas_mm2: Mapping[str, Floats]
    whole: NDArray[np.bool_]


@dataclass(frozen=True)
class MeanArea:
    """The mean area between two places.

    Attributes
    ----------
    area_mm2 : float
    slices : int
        How many whole ones it is the mean of.
    left_out : int
        Slices between the two places that are cut.
    """

    area_mm2: float
    slices: int
    left_out: int


def slice_areas(masks: Mapping[str, Mask], curve: Floats, grid: Grid) -> SliceAreas:
    """Measure each slice.

    Parameters
    ----------
    masks : mapping of str to ndarray of bool, (I, J, K)
        At least one structure; slices on which any has a voxel are measured.
    curve : ndarray, (N, 3)
        Continuous voxel index, N >= 1, inferior to superior.
    grid : Grid
    """
    from SpinalCordSegLib.centerline.curve import Centerline
    from SpinalCordSegLib.images import array_from, to_network_order
    from SpinalCordSegLib.measurement.course import course_along, whole_slices
    from SpinalCordSegLib.measurement.course import slice_areas as areas_of
    from SpinalCordSegLib.network_order import stored_slices

    images = {name: _image_of(mask, grid) for name, mask in masks.items()}
    numbers = stored_slices(next(iter(images.values())))
    ordered = {name: to_network_order(image) for name, image in images.items()}
    curve_points = Centerline(_without_repeats(grid.to_points(curve)))
    course = course_along(next(iter(ordered.values())), curve_points)
    areas = areas_of(ordered, course)
    rows = np.flatnonzero(np.sum(list(areas.values()), axis=0))
    whole = np.zeros(len(numbers), dtype=bool)
    if areas.get("cord", whole).any():
        whole = whole_slices(array_from(ordered["cord"]) != 0, course)
    start = course.along_at(curve_points.points_mm[0])
    return SliceAreas(
        numbers[rows],
        course.along_mm[rows] - start,
        course.angles_deg[rows],
        {name: area[rows] for name, area in areas.items()},
        whole[rows],
    )


def new_table(volumeNode: Any) -> Any:
    """Return a new table node beside a volume."""
    scene = volumeNode.GetScene()
    node = scene.AddNewNodeByClass(
        "vtkMRMLTableNode", scene.GenerateUniqueName(f"{volumeNode.GetName()} cord area")
    )
    put_beside(node, volumeNode)
    return node


def write_table(tableNode: Any, areas: SliceAreas) -> None:
    """Replace the content of a table node: a row for each slice."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkTable

    columns: dict[str, Any] = {
        SLICE: areas.slices.astype(np.int32),
        POSITION: areas.positions_mm.round(2),
        **{AREA[name]: area.round(2) for name, area in areas.areas_mm2.items()},
        ANGLE: areas.angles.round(1),
        WHOLE: areas.whole.astype(np.int32),
    }
    table = vtkTable()
    for name, values in columns.items():
        column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    tableNode.SetAndObserveTable(table)


def mean_area(tableNode: Any, fromMm: float, toMm: float) -> MeanArea:
    """Return the mean area of the cord on the whole slices between two positions along it.

    Raises
    ------
    Failure
        ``input`` if no whole slice lies between them, or the table has no areas of the cord.
    """
    positions, areas = _column(tableNode, POSITION), _column(tableNode, AREA["cord"])
    whole = _column(tableNode, WHOLE)
    if areas is None or whole is None:
        raise Failure("input", "the table does not tell the cord's area", "segment the cord again")
    between = (positions >= min(fromMm, toMm)) & (positions <= max(fromMm, toMm)) & (areas > 0)
    chosen = between & (whole != 0)
    if not chosen.any():
        what = "only cut slices lie" if between.any() else "no slice lies"
        raise Failure("input", f"{what} between the two landmarks", "place them further apart")
    return MeanArea(float(areas[chosen].mean()), int(chosen.sum()), int((between & ~chosen).sum()))


def position_along(curveNode: Any, pointRAS: Any) -> float:
    """Return the position of a world point's nearest point along a curve, mm from its first end."""
    points = curveNode.GetCurvePointsWorld()
    drawn = np.array([points.GetPoint(number) for number in range(points.GetNumberOfPoints())])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(drawn, axis=0), axis=1))])
    return float(along[np.linalg.norm(drawn - np.asarray(pointRAS), axis=1).argmin()])


def _image_of(mask: Mask, grid: Grid) -> Any:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype(np.uint8).transpose())
    image.SetSpacing(list(grid.spacing))
    image.SetDirection(grid.direction.ravel().tolist())
    image.SetOrigin(grid.origin.tolist())
    return image


def _without_repeats(points: Floats) -> Floats:
    return points[np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))]


def _column(tableNode: Any, name: str) -> Floats | None:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    column = tableNode.GetTable().GetColumnByName(name)
    return None if column is None else np.asarray(vtk_to_numpy(column), dtype=float)
