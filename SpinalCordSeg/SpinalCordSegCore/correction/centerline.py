# SPDX-License-Identifier: Apache-2.0
"""The centerline of a segment, for a run that is to follow it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curve import new_curve, write_curve
from ..messages import Failure
from ..segmentation import mask_of
from ..volume import grid_of
from .slices import present


def centerline_from_segment(segmentationNode: Any, segmentID: str, volumeNode: Any) -> Any:
    """Return a new curve node through the middle of a segment on each slice."""
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    axis = grid_of(volumeNode).axialAxis
    slices = np.flatnonzero(present(mask, axis))
    if slices.size < 2:
        raise Failure(
            "no_segment", "the segment is on fewer than two slices", "draw it on two at least"
        )
    layers = np.moveaxis(mask, axis, 0)
    points = np.empty((slices.size, 3))
    points[:, axis] = slices
    others = [other for other in range(3) if other != axis]
    points[:, others] = [np.argwhere(layers[k]).mean(axis=0) for k in slices]
    curveNode = new_curve(volumeNode)
    write_curve(curveNode, volumeNode, points)
    return curveNode
