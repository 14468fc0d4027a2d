# SPDX-License-Identifier: Apache-2.0
"""Repair slices: those marked bad, interpolated from their good neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..messages import Failure
from ..segmentation import mask_of, write_mask
from ..volume import grid_of
from .editor_state import save_state
from .lock import locked_slices
from .slices import listed, within


@dataclass(frozen=True)
class Repaired:
    """Slices that were interpolated, those left for want of a good neighbour, and voxel counts."""

    slices: tuple[int, ...]
    skipped: tuple[int, ...]
    voxelsBefore: int
    voxelsAfter: int

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        told = f"{listed(self.slices)} interpolated from the good slices beside"
        if self.skipped:
            told += f"; {listed(self.skipped)} left: there is no good slice on one side"
        return f"{told}."


def repair_slices(
    editorLogic: Any, segmentationNode: Any, segmentID: str, volumeNode: Any, slices: Sequence[int]
) -> Repaired:
    """Interpolate the given slices from their good neighbours; all others stay as they are.

    Locked slices stay too.
    """
    from SpinalCordSegLib.correction.repair import repair_array

    mask = mask_of(segmentationNode, segmentID, volumeNode)
    grid = grid_of(volumeNode)
    bad = within(slices, mask.shape[grid.axialAxis])
    if not bad:
        raise Failure("input", "no slice is marked", "mark the bad ones in the review list")
    locked = set(locked_slices(segmentationNode, volumeNode))
    repaired, done, skipped = repair_array(
        mask, [k for k in bad if k not in locked], grid.axialAxis, grid.spacing[grid.axialAxis]
    )
    if done:
        save_state(editorLogic)
        write_mask(segmentationNode, segmentID, volumeNode, repaired)
    skipped = tuple(sorted({*skipped, *(locked & set(bad))}))
    return Repaired(done, skipped, int(mask.sum()), int(repaired.sum()))
