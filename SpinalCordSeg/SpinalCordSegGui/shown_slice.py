# SPDX-License-Identifier: Apache-2.0
"""Which slice of a volume the user is looking at."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore import volume
from SpinalCordSegCore.messages import Failure


def shown_slice(volumeNode: Any) -> int:
    """Return the slice, along the volume's own axial axis, that the axial slice view shows.

    That is the view most nearly parallel to the volume's slices, which in a tilted scan or with
    turned views need not be the red one.

    Raises
    ------
    Failure
        ``input`` if no view shows a slice of the volume.
    """
    centres, normals = _views(slicer.mrmlScene)
    axis = volume.grid_of(volumeNode).axialAxis
    corners = np.array([[0.0, 0.0, 0.0], np.eye(3)[axis]])
    ends = volume.to_world(volumeNode, volume.index_to_ras(volumeNode, corners))
    across = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    if len(centres):
        nearest = int(np.abs(normals @ across).argmax())
        local = volume.from_world(volumeNode, centres[nearest : nearest + 1])
        number = round(float(volume.ras_to_index(volumeNode, local)[0, axis]))
        if 0 <= number < volumeNode.GetImageData().GetDimensions()[axis]:
            return number
    raise Failure(
        "input",
        _("no slice view shows a slice of {name}").format(name=volumeNode.GetName()),
        _("move a view to the slice, or write its number"),
    )


def _views(scene: Any) -> tuple[Any, Any]:
    """Return the centre (N, 3) and the normal (N, 3) of each slice view, world RAS."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    nodes = [scene.GetNthNodeByClass(number, "vtkMRMLSliceNode") for number in range(count)]
    matrices = [node.GetSliceToRAS() for node in nodes]
    centres = [[matrix.GetElement(row, 3) for row in range(3)] for matrix in matrices]
    normals = [[matrix.GetElement(row, 2) for row in range(3)] for matrix in matrices]
    return np.array(centres), np.array(normals)
