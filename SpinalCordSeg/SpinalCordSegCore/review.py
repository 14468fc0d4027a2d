# SPDX-License-Identifier: Apache-2.0
"""The review list as rows of a table, worst first, kept in the scene; and jumping to a row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .messages import Failure
from .segmentation import REVIEW_ATTRIBUTE
from .volume import (
    Floats,
    check_volume,
    from_world,
    grid_of,
    index_to_ras,
    ras_to_index,
    to_world,
)

_TURNED = "SpinalCordSeg.TurnedFrom"


@dataclass(frozen=True)
class ReviewRow:
    """A slice a person should look at.

    Attributes
    ----------
    sliceIndex : int
        Index along the volume's own axial axis.
    positionRAS : tuple of float
        Where the curve meets the slice, mm, RAS, world coordinates (parent transforms applied).
    reason : str
    severity : float
        0 to 1; 1 is the most likely to need correction.
    """

    sliceIndex: int
    positionRAS: tuple[float, float, float]
    reason: str
    severity: float


def review_rows(review: list[dict[str, Any]], volumeNode: Any) -> list[ReviewRow]:
    """Return the rows of a review list read by ``results.read_results``, in its order."""
    rows = []
    for item in review:
        place = to_world(volumeNode, index_to_ras(volumeNode, item["index"][None]))[0]
        rows.append(_row(item["slice_index"], place, item["reason"], item["severity"]))
    return rows


def keep_rows(segmentationNode: Any, volumeNode: Any, rows: list[ReviewRow]) -> None:
    """Keep rows with a segmentation, through saving and loading; parent transforms may change."""
    kept = [
        {
            "slice": row.sliceIndex,
            "ras": from_world(volumeNode, np.array([row.positionRAS]))[0].round(4).tolist(),
            "reason": row.reason,
            "severity": row.severity,
        }
        for row in rows
    ]
    segmentationNode.SetAttribute(REVIEW_ATTRIBUTE, json.dumps(kept))


def rows_of(segmentationNode: Any) -> list[ReviewRow]:
    """Return the rows kept with a segmentation; none if there are none."""
    if segmentationNode is None:
        return []
    kept = json.loads(segmentationNode.GetAttribute(REVIEW_ATTRIBUTE) or "[]")
    if not kept:
        return []
    places = to_world(segmentationNode, np.array([item["ras"] for item in kept]))
    return [
        _row(item["slice"], place, item["reason"], item["severity"])
        for item, place in zip(kept, places, strict=True)
    ]


def show_row(
    row: ReviewRow, volumeNode: Any, curveNode: Any = None, perpendicular: bool = False
) -> None:
    """Move every slice view to a row's place.

    Parameters
    ----------
    row : ReviewRow
    volumeNode : vtkMRMLScalarVolumeNode
    curveNode : markups curve, optional
        Needed for perpendicular views.
    perpendicular : bool
        Turn the views about the curve: axial ones perpendicular to it, the others along it; else
        views that were turned so are turned back.
    """
    turned = perpendicular and curveNode is not None
    tangent = _tangent(curveNode, np.array(row.positionRAS)) if turned else None
    scene = volumeNode.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        view = scene.GetNthNodeByClass(number, "vtkMRMLSliceNode")
        if tangent is None:
            _turn_back(view)
        else:
            _turn(view, tangent)
        view.JumpSlice(*row.positionRAS)


def slice_at(volumeNode: Any, positionRAS: Any) -> int:
    """Return the slice of a volume that holds a world point, clamped to its first and last.

    Raises
    ------
    Failure
        If there is no volume.
    """
    check_volume(volumeNode)
    axis = grid_of(volumeNode).axialAxis
    index = ras_to_index(volumeNode, from_world(volumeNode, np.array([positionRAS])))[0, axis]
    return int(np.clip(np.rint(index), 0, volumeNode.GetImageData().GetDimensions()[axis] - 1))


def _row(number: int, place: Floats, reason: str, severity: float) -> ReviewRow:
    position = (float(place[0]), float(place[1]), float(place[2]))
    return ReviewRow(int(number), position, str(reason), float(severity))


def _tangent(curveNode: Any, position: Floats) -> Floats:
    """Return the unit tangent of a curve, towards the head, at its point nearest to a place."""
    points = curveNode.GetCurvePointsWorld()
    drawn = np.array([points.GetPoint(number) for number in range(points.GetNumberOfPoints())])
    if len(drawn) < 2:
        raise Failure("input", "the centerline has fewer than two points", "press Apply again")
    nearest = int(np.linalg.norm(drawn - position, axis=1).argmin())
    # Over some millimetres: single segments of a drawn curve are too short to say a direction.
    low, high = max(nearest - 5, 0), min(nearest + 5, len(drawn) - 1)
    along = drawn[high] - drawn[low]
    along = along / np.linalg.norm(along)
    return np.asarray(along if along[2] >= 0 else -along)


def _turn(view: Any, tangent: Floats) -> None:
    """Turn a view, by the least angle, until one of its axes lies along the curve."""
    preset = view.GetSliceOrientationPreset(view.GetDefaultOrientation())
    if preset is None:
        return
    if view.GetAttribute(_TURNED) is None:
        view.SetAttribute(_TURNED, view.GetOrientation())
    axes = np.array([[preset.GetElement(i, j) for j in range(3)] for i in range(3)])
    nearest = int(np.abs(axes.T @ tangent).argmax())
    axis = axes[:, nearest] * np.sign(axes[:, nearest] @ tangent)
    turned = _least_turn(axis, tangent) @ axes
    matrix = view.GetSliceToRAS()
    for i, j in np.ndindex(3, 3):
        matrix.SetElement(i, j, turned[i, j])
    view.UpdateMatrices()


def _turn_back(view: Any) -> None:
    if view.GetAttribute(_TURNED) is not None:
        before = view.GetAttribute(_TURNED)
        known = view.HasSliceOrientationPreset(before)
        view.SetOrientation(before if known else view.GetDefaultOrientation())
        view.RemoveAttribute(_TURNED)


def _least_turn(start: Floats, end: Floats) -> Floats:
    """Return the rotation (3, 3) by the least angle from one unit vector to another."""
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + start @ end))
