# SPDX-License-Identifier: Apache-2.0
"""Prepare for Slicer's Fill between slices: isolated key slices, all others empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..automatic import BEFORE_FILL, keep_copy
from ..messages import Failure
from ..segmentation import Mask, mask_of, write_mask
from ..undone import hide_others
from ..volume import grid_of
from .editor_state import allow_overlap, save_state
from .slices import only, present

# Key slices about so far apart: the contour interpolator keeps 0.95 Dice to about five slices.
_KEY_DISTANCE_MM = 10.0
_KEY_SLICES = 5


@dataclass(frozen=True)
class Prepared:
    """Key slices left in the segment, and which segments were hidden."""

    keySlices: tuple[int, ...]
    hiddenSegmentIDs: tuple[str, ...]
    voxelsBefore: int
    voxelsAfter: int

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        hidden = len(self.hiddenSegmentIDs)
        return (
            f"{len(self.keySlices)} key slices are left: correct them, then press Initialize and "
            f"Apply in Fill between slices; {hidden} other segment{'s' * (hidden != 1)} hidden and "
            "safe, and the full result is kept."
        )


def prepare_fill_between_slices(
    editorLogic: Any,
    segmentationNode: Any,
    segmentID: str,
    volumeNode: Any,
    every: int | None = None,
    badSlices: Sequence[int] = (),
    editorNode: Any = None,
) -> Prepared:
    """Leave isolated key slices in the segment, hide all others, and allow overlap.

    Parameters
    ----------
    every : int, optional
        Keep about every so many slices, at least 2; by default 5, or a centimetre of thin slices.
        A slice with a labelled neighbour is no key slice for Slicer, so never two in a row.
    badSlices : sequence of int
        Never kept.
    editorNode : vtkMRMLSegmentEditorNode, optional
        Gets the overwrite mode "Allow overlap": by default the effect would erase the hidden
        segments too.

    The full segment is kept for :func:`.restore.restore_before_fill`.
    """
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    grid = grid_of(volumeNode)
    axis = grid.axialAxis
    if every is None:
        every = max(_KEY_SLICES, round(_KEY_DISTANCE_MM / grid.spacing[axis]))
    keys = _key_slices(mask, axis, max(2, every), set(badSlices))
    if len(keys) < 2:
        raise Failure(
            "input",
            "the segment has fewer than two good slices that are not neighbours",
            "draw some, or mark fewer as bad",
        )
    thinned = only(mask, keys, axis)
    keep_copy(segmentationNode, segmentID, volumeNode, mask, BEFORE_FILL)
    save_state(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, thinned)
    hidden = hide_others(segmentationNode, segmentID, {segmentID})
    _set_in_progress(segmentationNode, segmentID)
    allow_overlap(editorNode)
    return Prepared(tuple(keys), hidden, int(mask.sum()), int(thinned.sum()))


def _key_slices(mask: Mask, axis: int, every: int, bad: set[int]) -> list[int]:
    """Return good slices about `every` apart, the first and the last among them."""
    good = [k for k in np.flatnonzero(present(mask, axis)).tolist() if k not in bad]
    if not good:
        return []
    keys = [good[0]]
    for k in good:
        enough_left = good[-1] - k >= 2 or k == good[-1]
        if k - keys[-1] >= every and enough_left:
            keys.append(k)
    if good[-1] - keys[-1] >= 2:
        keys.append(good[-1])
    return keys


def _set_in_progress(segmentationNode: Any, segmentID: str) -> None:
    import slicer

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    logic.SetSegmentStatus(segment, logic.InProgress)
