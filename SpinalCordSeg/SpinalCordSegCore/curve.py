# SPDX-License-Identifier: Apache-2.0
"""Centerlines and markups: the curve a run finds, and the one a user draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .messages import Failure
from .segmentation import put_beside
from .volume import Floats, Grid, from_world, index_to_ras, ras_to_index

_COLOUR = (1.0, 0.35, 0.1)
_STEP_MM = 10.0


def new_curve(volumeNode: Any) -> Any:
    """Return a new markups curve for the centerline of a volume's cord."""
    scene = volumeNode.GetScene()
    node = scene.AddNewNodeByClass(
        "vtkMRMLMarkupsCurveNode", scene.GenerateUniqueName(f"{volumeNode.GetName()} centerline")
    )
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if display is not None:
        display.SetSelectedColor(*_COLOUR)
        display.SetColor(*_COLOUR)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
    put_beside(node, volumeNode)
    return node


def write_curve(curveNode: Any, volumeNode: Any, index: Floats) -> None:
    """Replace the points of a curve.

    Parameters
    ----------
    curveNode, volumeNode : nodes
        The curve is put under the volume's transform.
    index : ndarray, (N, 3)
        Continuous voxel index, inferior to superior. About every centimetre becomes a control
        point, so that a person can move them.
    """
    curveNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    modified = curveNode.StartModify()
    curveNode.RemoveAllControlPoints()
    # In the node's own space: the parent transform moves the curve as it moves the volume.
    for number, point in enumerate(_every_centimetre(index_to_ras(volumeNode, index)), start=1):
        curveNode.AddControlPoint(*point.tolist(), f"C-{number}")
    curveNode.EndModify(modified)


def write_centerline_file(markupsNode: Any, volumeNode: Any, grid: Grid, path: Path) -> None:
    """Write a user's curve, or points clicked along the cord, as a file for the worker.

    Raises
    ------
    Failure
        ``input`` if there are fewer than two points.
    """
    world = _drawn_points(markupsNode)
    if len(world) < 2:
        raise Failure(
            "input",
            f"{markupsNode.GetName()} has fewer than two points",
            "click at least two along the cord",
        )
    points = grid.to_points(ras_to_index(volumeNode, from_world(volumeNode, world)))
    if not markupsNode.IsA("vtkMRMLMarkupsCurveNode"):
        # Points may be clicked in any order.
        points = points[np.argsort(points[:, 2], kind="stable")]
    rows = [",".join(f"{value:.4f}" for value in point) for point in points]
    path.write_text("\n".join(["x_mm,y_mm,z_mm", *rows]) + "\n", encoding="utf-8", newline="\n")


def _drawn_points(markupsNode: Any) -> Floats:
    """Return the points as they are drawn in the world (N, 3), RAS."""
    if markupsNode.IsA("vtkMRMLMarkupsCurveNode") and markupsNode.GetNumberOfControlPoints() > 1:
        points = markupsNode.GetCurvePointsWorld()
        drawn = [points.GetPoint(number) for number in range(points.GetNumberOfPoints())]
        return np.array(drawn).reshape(-1, 3)
    found = []
    for number in range(markupsNode.GetNumberOfControlPoints()):
        if markupsNode.GetNthControlPointPositionStatus(number) == markupsNode.PositionDefined:
            point = [0.0, 0.0, 0.0]
            markupsNode.GetNthControlPointPositionWorld(number, point)
            found.append(point)
    return np.array(found).reshape(-1, 3)


def _every_centimetre(points: Floats) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(2, round(along[-1] / _STEP_MM) + 1)
    if len(points) <= count:
        return points
    wanted = np.linspace(0, along[-1], count)
    return points[np.unique(np.abs(along[:, None] - wanted).argmin(axis=0))]
