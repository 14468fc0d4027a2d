# SPDX-License-Identifier: Apache-2.0
"""What undo and redo have to take along, though Slicer's history holds segments only.

What is shown, and the editor's mask, are no part of a segmentation. A command therefore leaves a
mark in it, a tag or a segment, that undo takes away and redo brings back; what follows the mark is
kept in step by an observer of the segmentation node.
"""

from __future__ import annotations

import secrets
from typing import Any

from .segmentation import segments_of, tag_of

_HIDING_TAG = "SpinalCordSeg.Hiding"


def hide_others(segmentationNode: Any, segmentID: str, shown: set[str]) -> tuple[str, ...]:
    """Hide all segments but some, for as long as a segment bears this command's mark.

    Parameters
    ----------
    segmentID : str
        The segment that a command works on; undoing it takes the mark away and shows the others.
    shown : set of str

    Returns
    -------
    tuple of str
        The segments that were visible.
    """
    for one in shown:
        show(segmentationNode, one, True)
    display = segmentationNode.GetDisplayNode()
    others = [name for name, _ in segments_of(segmentationNode) if name not in shown]
    hidden = tuple(name for name in others if display.GetSegmentVisibility(name))
    for name in hidden:
        show(segmentationNode, name, False)
    mark, hiding = secrets.token_hex(4), True
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    segment.SetTag(_HIDING_TAG, ",".join((*_marks(segmentationNode, segmentID), mark)))

    def follow(node: Any, event: str) -> None:
        nonlocal hiding
        if hiding != (mark in _marks(node, segmentID)):
            hiding = not hiding
            for name in hidden:
                show(node, name, not hiding)

    import slicer

    segmentationNode.AddObserver(slicer.vtkSegmentation.SegmentModified, follow)
    return hidden


def show_hidden(segmentationNode: Any, segmentID: str) -> None:
    """Show again what commands on a segment have hidden since it was last whole."""
    segmentationNode.GetSegmentation().GetSegment(segmentID).RemoveTag(_HIDING_TAG)


def mask_editing_while_there(segmentationNode: Any, segmentID: str, editorNode: Any) -> None:
    """Lift the editor's mask when undo takes its segment away, and set it again with redo.

    Without it the editor would refuse to change anything, masked by a segment that is not there.
    """
    if editorNode is None:
        return
    import slicer

    editorID = editorNode.GetID()

    def follow(node: Any, event: str) -> None:
        editor = node.GetScene() and node.GetScene().GetNodeByID(editorID)
        if not editor or editor.GetSegmentationNode() is not node:
            return
        there = node.GetSegmentation().GetSegment(segmentID) is not None
        if there != (editor.GetMaskSegmentID() == segmentID):
            mask_editing(editor, segmentID if there else None)
            if there:
                show(node, segmentID, False)

    for event in (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved):
        segmentationNode.AddObserver(event, follow)


def mask_editing(editorNode: Any, segmentID: str | None) -> None:
    """Let an editor change voxels inside one segment only, or everywhere."""
    if editorNode is None:
        return
    import slicer

    kind = slicer.vtkMRMLSegmentationNode
    editorNode.SetMaskSegmentID(segmentID or "")
    editorNode.SetMaskMode(
        kind.EditAllowedInsideSingleSegment if segmentID else kind.EditAllowedEverywhere
    )


def show(segmentationNode: Any, segmentID: str, visible: bool) -> None:
    """Show or hide a segment, if it is there."""
    if segmentationNode.GetSegmentation().GetSegment(segmentID) is None:
        return
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    segmentationNode.GetDisplayNode().SetSegmentVisibility(segmentID, visible)


def _marks(segmentationNode: Any, segmentID: str) -> list[str]:
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    return list(filter(None, (tag_of(segment, _HIDING_TAG) or "").split(","))) if segment else []
