# SPDX-License-Identifier: Apache-2.0
"""Restore: a segment as the last run left it, or as it was before it was thinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..automatic import AUTOMATIC, BEFORE_FILL, copy_of
from ..messages import Failure
from ..segmentation import mask_of, write_mask
from ..undone import show, show_hidden
from .editor_state import save_state


@dataclass(frozen=True)
class Restored:
    """Voxels of the segment before and after."""

    voxelsBefore: int
    voxelsAfter: int

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return f"The segment is as it was: {self.voxelsAfter} voxels."


def restore_automatic_result(
    editorLogic: Any, segmentationNode: Any, segmentID: str, volumeNode: Any
) -> Restored:
    """Put back what the last run had in this segment; of a drawn one, its state before thinning.

    Segments that a command on this one has hidden are shown again.

    Raises
    ------
    Failure
        ``input`` if neither is known.
    """
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    kept = copy_of(segmentationNode, segmentID, volumeNode, AUTOMATIC)
    if kept is None:
        kept = copy_of(segmentationNode, segmentID, volumeNode, BEFORE_FILL)
    if kept is None:
        raise Failure(
            "input", "no automatic result is known for this segment", "press Apply to make one"
        )
    save_state(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, kept)
    show_hidden(segmentationNode, segmentID)
    return Restored(int(mask.sum()), int(kept.sum()))


def restore_before_fill(
    editorLogic: Any, segmentationNode: Any, segmentID: str, volumeNode: Any
) -> Restored:
    """Put back the full segment that "Prepare for Fill between slices" thinned.

    The segments that it has hidden are shown again.

    Raises
    ------
    Failure
        ``input`` if it was never thinned.
    """
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    kept = copy_of(segmentationNode, segmentID, volumeNode, BEFORE_FILL)
    if kept is None:
        raise Failure("input", "this segment was not thinned", "there is nothing to put back")
    save_state(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, kept)
    show_hidden(segmentationNode, segmentID)
    return Restored(int(mask.sum()), int(kept.sum()))


def show_segments(segmentationNode: Any, segmentIDs: Sequence[str]) -> None:
    """Show segments again that a command hid."""
    for segmentID in segmentIDs:
        show(segmentationNode, segmentID, True)
