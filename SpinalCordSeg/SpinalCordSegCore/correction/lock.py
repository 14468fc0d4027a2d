# SPDX-License-Identifier: Apache-2.0
"""Lock good slices: the editor can change the others only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..messages import Failure
from ..segmentation import EDITABLE_TAG, add_segment, mask_of, segment_tagged, write_mask
from ..undone import mask_editing, mask_editing_while_there, show
from ..volume import grid_of
from .editor_state import allow_overlap, save_state
from .slices import listed, only, present, within


@dataclass(frozen=True)
class Locked:
    """Slices that can no longer be edited, those that can, and the hidden segment that says so."""

    lockedSlices: tuple[int, ...]
    openSlices: tuple[int, ...]
    maskSegmentID: str

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return f"Only {listed(self.openSlices).lower()} can be edited now."


def lock_good_slices(
    editorLogic: Any,
    segmentationNode: Any,
    segmentID: str,
    volumeNode: Any,
    openSlices: Sequence[int],
    editorNode: Any,
) -> Locked:
    """Let the editor change only the given slices, by a hidden segment that masks editing."""
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    axis = grid_of(volumeNode).axialAxis
    opened = within(openSlices, mask.shape[axis])
    if not opened:
        raise Failure("input", "no slice is left to edit", "leave at least one unlocked")
    save_state(editorLogic)
    editable = segment_tagged(segmentationNode, EDITABLE_TAG)
    if editable is None:
        editable = add_segment(segmentationNode, "Editable slices", (0.9, 0.9, 0.4))
        segmentationNode.GetSegmentation().GetSegment(editable).SetTag(EDITABLE_TAG, "1")
        mask_editing_while_there(segmentationNode, editable, editorNode)
    write_mask(
        segmentationNode, editable, volumeNode, only(np.ones(mask.shape, dtype=bool), opened, axis)
    )
    show(segmentationNode, editable, False)
    mask_editing(editorNode, editable)
    allow_overlap(editorNode)
    locked = tuple(k for k in range(mask.shape[axis]) if k not in set(opened))
    return Locked(locked, tuple(opened), editable)


def unlock_slices(editorLogic: Any, segmentationNode: Any, editorNode: Any) -> None:
    """Undo :func:`lock_good_slices`: every slice can be edited again."""
    editable = segment_tagged(segmentationNode, EDITABLE_TAG)
    if editorNode is not None and (editable is None or editorNode.GetMaskSegmentID() == editable):
        mask_editing(editorNode, None)
    if editable is not None:
        save_state(editorLogic)
        segmentationNode.GetSegmentation().RemoveSegment(editable)


def locked_slices(segmentationNode: Any, volumeNode: Any) -> tuple[int, ...]:
    """Return the slices that :func:`lock_good_slices` closed to editing."""
    editable = segment_tagged(segmentationNode, EDITABLE_TAG)
    if editable is None:
        return ()
    mask = mask_of(segmentationNode, editable, volumeNode)
    return tuple(np.flatnonzero(~present(mask, grid_of(volumeNode).axialAxis)).tolist())
