# SPDX-License-Identifier: Apache-2.0
"""Copies of segments kept out of the editor's reach: the automatic result, and what was thinned.

They live in a hidden segmentation node of their own, because the editor's default overwrite mode
erases hidden segments of the same node too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .segmentation import (
    AUTOMATIC_ROLE,
    Mask,
    add_segment,
    adopt_geometry,
    mask_of,
    structure_segment,
    write_mask,
)

AUTOMATIC, BEFORE_FILL = "automatic", "before_fill"


def keep_automatic_result(
    segmentationNode: Any, volumeNode: Any, masks: Mapping[str, Mask]
) -> None:
    """Remember the masks of a run, by structure, for the segments it has just written."""
    for name, mask in masks.items():
        segmentID = structure_segment(segmentationNode, name)
        if segmentID is not None:
            keep_copy(segmentationNode, segmentID, volumeNode, mask, AUTOMATIC)


def keep_copy(
    segmentationNode: Any, segmentID: str, volumeNode: Any, mask: Mask, kind: str
) -> None:
    """Remember one segment's voxels, replacing what was remembered of this kind."""
    storeNode = segmentationNode.GetNodeReference(AUTOMATIC_ROLE)
    if storeNode is None:
        storeNode = _new_store(segmentationNode, volumeNode)
    storeNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    name = _name(segmentID, kind)
    if storeNode.GetSegmentation().GetSegment(name) is None:
        add_segment(storeNode, name, (0.6, 0.6, 0.6), name)
    write_mask(storeNode, name, volumeNode, mask)


def copy_of(segmentationNode: Any, segmentID: str, volumeNode: Any, kind: str) -> Mask | None:
    """Return what was remembered of a segment, (I, J, K), or None."""
    storeNode = segmentationNode.GetNodeReference(AUTOMATIC_ROLE)
    name = _name(segmentID, kind)
    if storeNode is None or storeNode.GetSegmentation().GetSegment(name) is None:
        return None
    return mask_of(storeNode, name, volumeNode)


def _new_store(segmentationNode: Any, volumeNode: Any) -> Any:
    scene = segmentationNode.GetScene()
    storeNode = scene.CreateNodeByClass("vtkMRMLSegmentationNode")
    storeNode.UnRegister(None)
    storeNode.SetName(f"{segmentationNode.GetName()} (automatic)")
    storeNode.SetHideFromEditors(True)
    scene.AddNode(storeNode)
    storeNode.CreateDefaultDisplayNodes()
    storeNode.GetDisplayNode().SetVisibility(False)
    adopt_geometry(storeNode, volumeNode)
    segmentationNode.SetNodeReferenceID(AUTOMATIC_ROLE, storeNode.GetID())
    return storeNode


def _name(segmentID: str, kind: str) -> str:
    return f"{segmentID}_{kind}"
