# SPDX-License-Identifier: Apache-2.0
"""Refine: the outline of a segment moved onto the nearest edges of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..messages import Failure
from ..refinement import refined
from ..segmentation import mask_of, write_mask
from ..volume import grid_of
from .editor_state import save_state
from .lock import locked_slices
from .slices import present, within

# Warnings that fit into a line of the panel.
_TOLD = 2


@dataclass(frozen=True)
class Refined:
    """Voxels of the segment before and after, and what the level set says about slices."""

    voxelsBefore: int
    voxelsAfter: int
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        told = "; ".join(self.warnings[:_TOLD])
        if len(self.warnings) > _TOLD:
            told += f"; and {len(self.warnings) - _TOLD} more like these"
        change = self.voxelsAfter - self.voxelsBefore
        return f"The outline moved onto the edges ({change:+d} voxels){': ' if told else ''}{told}."


def refine_segment(
    editorLogic: Any,
    segmentationNode: Any,
    segmentID: str,
    volumeNode: Any,
    slices: Sequence[int] | None = None,
    method: str = "grlse",
) -> Refined:
    """Move the outline of a segment onto the nearest edges of the image, by a level set.

    Parameters
    ----------
    slices : sequence of int, optional
        Those to refine; all by default. Locked slices stay.
    method : str
        ``grlse`` or ``drlse``.

    Blocks until the worker process has ended; nothing is written unless it succeeds.
    """
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    if not mask.any():
        raise Failure("no_segment", "the selected segment is empty", "select the cord")
    axis = grid_of(volumeNode).axialAxis
    locked = set(locked_slices(segmentationNode, volumeNode))
    if slices is not None or locked:
        asked = range(mask.shape[axis]) if slices is None else within(slices, mask.shape[axis])
        slices = [k for k in asked if k not in locked and present(mask, axis)[k]]
        if not slices:
            raise Failure("input", "no such slice can be refined", "choose one with some cord")
    found, warnings = refined(volumeNode, mask, slices, method)
    save_state(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, found)
    return Refined(int(mask.sum()), int(found.sum()), warnings)
