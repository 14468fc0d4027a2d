# SPDX-License-Identifier: Apache-2.0
"""Slicer's markups files: a curve as few control points, and points from what a person drew."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from .polyline import Floats, arc_length, without_repeats

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)
# Axes of a control point in LPS such that they are the patient's right, anterior and superior.
_ORIENTATION = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]
_COLOUR = [1.0, 0.35, 0.1]

# Control points are set this far apart, closer where Slicer's spline through them would leave
# the curve by more than the tolerance.
_CONTROL_POINT_DISTANCE_MM = 10.0
_CONTROL_POINT_TOLERANCE_MM = 0.1
_DRAWN_STEP_MM = 1.0


def markups_text(points_mm: Floats, name: str) -> str:
    """Return a curve as the text of a markups file.

    Parameters
    ----------
    points_mm : ndarray, (N, 3)
        LPS. A long curve gets a control point about every 10 mm, so that a person can move them;
        closer where Slicer's spline through them would miss the curve by 0.1 mm.
    name : str
    """
    points = _control_points(points_mm)
    markup = {
        "type": "Curve",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [
            _control_point(number, point, name) for number, point in enumerate(points, start=1)
        ],
        "measurements": [],
        "display": {
            "visibility": True,
            "opacity": 1.0,
            "color": _COLOUR,
            "selectedColor": _COLOUR,
            "propertiesLabelVisibility": False,
            "pointLabelsVisibility": False,
            "textScale": 3.0,
            "glyphType": "Sphere3D",
            "glyphScale": 1.5,
            "useGlyphScale": True,
            "lineThickness": 0.3,
        },
    }
    return json.dumps({"@schema": _SCHEMA, "markups": [markup]}, indent=1) + "\n"


def markups_points(text: str) -> Floats:
    """Return the points of the curve in the text of a markups file, (N, 3), mm, LPS.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError, IndexError
        If it is no such text, or holds no curve.
    """
    markup = _choose_markup(json.loads(text))
    kind, points = markup["type"], _positions(markup)
    if kind == "Fiducial":
        points = points[np.argsort(points[:, 2], kind="stable")]
    points = without_repeats(points)
    if kind in ("Curve", "ClosedCurve") and np.isfinite(points).all():
        points = _draw(points)
    return points


def _choose_markup(content: dict[str, Any]) -> dict[str, Any]:
    """Return the markup that is most likely the centerline."""
    for kinds in (("Curve", "ClosedCurve"), ("Line",), ("Fiducial",)):
        for markup in content["markups"]:
            if markup["type"] in kinds and len(_positions(markup)):
                chosen: dict[str, Any] = markup
                return chosen
    raise ValueError("no curve")


def _positions(markup: dict[str, Any]) -> Floats:
    """Return the defined control points (N, 3), mm, LPS."""
    positions = [
        point["position"]
        for point in markup.get("controlPoints", [])
        if point.get("positionStatus", "defined") == "defined" and "position" in point
    ]
    points: Floats = np.array(positions, dtype=np.float64).reshape(-1, 3)
    if markup.get("coordinateUnits") == "um":
        points /= 1000.0
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS"):
        raise ValueError(f"coordinate system {system}")
    return points * [-1.0, -1.0, 1.0] if system == "RAS" else points


def _control_points(points: Floats) -> Floats:
    """Return the fewest evenly spread points through which Slicer draws the same curve."""
    along = arc_length(points)
    count = max(2, round(along[-1] / _CONTROL_POINT_DISTANCE_MM) + 1)
    while count < len(points):
        chosen = np.unique(
            [int(np.abs(along - wanted).argmin()) for wanted in np.linspace(0, along[-1], count)]
        )
        drawn = _draw(points[chosen], step_mm=0.05)
        distance, _ = cKDTree(drawn).query(points)
        if distance.max() <= _CONTROL_POINT_TOLERANCE_MM:
            return points[chosen]
        count *= 2
    return points


def _control_point(number: int, point: Floats, name: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "label": f"{name}-{number}",
        "description": "",
        "associatedNodeID": "",
        "position": [round(float(value), 5) for value in point],
        "orientation": _ORIENTATION,
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "defined",
    }


def _draw(points: Floats, step_mm: float = _DRAWN_STEP_MM) -> Floats:
    """Return points on the cubic spline that Slicer draws through control points.

    The spline's parameter is the number of the control point, and it starts and ends with speed
    zero, as VTK's cardinal spline does unless told otherwise.
    """
    if len(points) < 3:
        return points
    spline = CubicSpline(np.arange(len(points)), points, bc_type="clamped")
    distances = np.linalg.norm(np.diff(points, axis=0), axis=1)
    parameters = [
        number + np.arange(pieces) / pieces
        for number, pieces in enumerate(np.maximum(1, np.ceil(distances / step_mm)).astype(int))
    ]
    return without_repeats(np.vstack([spline(np.concatenate(parameters)), points[-1:]]))
