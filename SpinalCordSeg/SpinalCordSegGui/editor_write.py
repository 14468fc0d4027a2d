# SPDX-License-Identifier: Apache-2.0
"""Writing a structure through the Segment Editor: masks and overwrite mode are the user's."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.segmentation import segments_of, structure_of


def save_state(effect: Any, segmentationNode: Any) -> None:
    """Save the editor's state for undo, if it still edits what a run was started on.

    Raises
    ------
    Failure
        ``input`` if the user has changed to another segmentation.
    """
    edited = effect.parameterSetNode().GetSegmentationNode()
    if edited is None or edited.GetID() != segmentationNode.GetID():
        raise Failure(
            "input",
            _("the editor was changed to another segmentation while the run was going on"),
            _("change back to {name} and press Apply").format(name=segmentationNode.GetName()),
        )
    effect.saveStateForUndo()


def write_through_editor(effect: Any, segmentID: str, labelmap: Any) -> None:
    """Write a labelmap into a segment, where the editor may write.

    Cord, gray matter, white matter and lesions overlap by nature: whatever the overwrite mode, no
    one of them erases another. Other segments are overwritten as the mode says.

    Parameters
    ----------
    effect : qSlicerSegmentEditorScriptedEffect
    segmentID : str
        Of the effect's segmentation node.
    labelmap : vtkOrientedImageData
    """
    node = effect.parameterSetNode()
    segmentationNode, mode = node.GetSegmentationNode(), node.GetOverwriteMode()
    overwritten = _overwritten(node, segmentID)
    whole = _in_reference_geometry(effect, labelmap)
    node.SetOverwriteMode(node.OverwriteNone)
    modes, modify = slicer.qSlicerSegmentEditorAbstractEffect, effect.modifySegmentByLabelmap
    try:
        modify(segmentationNode, segmentID, whole, modes.ModificationModeSet)
        for other in overwritten:
            modify(segmentationNode, other, whole, modes.ModificationModeRemove)
    finally:
        node.SetOverwriteMode(mode)


def _in_reference_geometry(effect: Any, labelmap: Any) -> Any:
    """Return a labelmap on all the editor's voxels: with an intensity mask it takes no less."""
    whole = effect.defaultModifierLabelmap()
    resample = slicer.vtkOrientedImageDataResample
    resample.ResampleOrientedImageToReferenceOrientedImage(labelmap, whole, whole)
    return whole


def _overwritten(node: Any, segmentID: str) -> list[str]:
    """Return the segments that the overwrite mode gives up: none of the cord's."""
    segmentationNode, mode = node.GetSegmentationNode(), node.GetOverwriteMode()
    if mode == node.OverwriteNone:
        return []
    display = segmentationNode.GetDisplayNode()
    return [
        other
        for other, segment in segments_of(segmentationNode)
        if other != segmentID
        and structure_of(segment) is None
        and (mode == node.OverwriteAllSegments or display.GetSegmentVisibility(other))
    ]
