# SPDX-License-Identifier: Apache-2.0
"""The area of the cord on each slice, as a table node, and its mean between two landmarks.

A slice that is not perpendicular to the cord cuts it too large: the area is multiplied by the
cosine of the angle between the slice's normal and the curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .messages import Failure
from .segmentation import Mask, put_beside
from .volume import Floats, Grid

SLICE, POSITION, ANGLE = "Slice", "Position along the cord (mm)", "Angle to the slice (degrees)"
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
    """

    slices: Any
    positions_mm: Floats
    angles: Floats
    areas_mm2: Mapping[str, Floats]


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
    axis = grid.axialAxis
    others = tuple(other for other in range(3) if other != axis)
    counts = {name: mask.sum(axis=others) for name, mask in masks.items()}
    slices = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    points = grid.to_points(curve)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    heights = curve[:, axis]
    order = np.argsort(heights, kind="stable")
    positions = np.interp(slices, heights[order], along[order])
    cosines = np.interp(
        slices, heights[order], _cosines(points, along, grid.direction[:, axis])[order]
    )
    pixel_mm2 = float(np.prod([grid.spacing[other] for other in others]))
    if len(heights) > 1 and heights[-1] < heights[0]:
        slices, positions, cosines = slices[::-1], positions[::-1], cosines[::-1]
    return SliceAreas(
        slices,
        positions,
        np.degrees(np.arccos(np.clip(cosines, 0, 1))),
        {name: count[slices] * pixel_mm2 * cosines for name, count in counts.items()},
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
    }
    table = vtkTable()
    for name, values in columns.items():
        column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    tableNode.SetAndObserveTable(table)


def mean_area(
    tableNode: Any, fromMm: float, toMm: float, structure: str = "cord"
) -> tuple[float, int]:
    """Return the mean area, mm2, between two positions along the cord, and how many slices it took.

    Raises
    ------
    Failure
        ``input`` if no slice lies between them.
    """
    positions, areas = _column(tableNode, POSITION), _column(tableNode, AREA[structure])
    chosen = (positions >= min(fromMm, toMm)) & (positions <= max(fromMm, toMm))
    if not chosen.any():
        raise Failure(
            "input", "no slice lies between the two landmarks", "place them further apart"
        )
    return float(areas[chosen].mean()), int(chosen.sum())


def position_along(curveNode: Any, pointRAS: Any) -> float:
    """Return the position of a world point's nearest point along a curve, mm from its first end."""
    points = curveNode.GetCurvePointsWorld()
    drawn = np.array([points.GetPoint(number) for number in range(points.GetNumberOfPoints())])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(drawn, axis=0), axis=1))])
    return float(along[np.linalg.norm(drawn - np.asarray(pointRAS), axis=1).argmin()])


def _cosines(points: Floats, along: Floats, normal: Floats) -> Floats:
    if len(points) == 1:
        return np.ones(1)
    tangents = np.gradient(points, along, axis=0)
    return np.abs(tangents @ normal) / np.maximum(np.linalg.norm(tangents, axis=1), 1e-9)


def _column(tableNode: Any, name: str) -> Floats:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    return np.asarray(vtk_to_numpy(tableNode.GetTable().GetColumnByName(name)), dtype=float)
