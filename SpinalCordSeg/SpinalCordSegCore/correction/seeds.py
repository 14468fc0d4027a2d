# SPDX-License-Identifier: Apache-2.0
"""Seeds for Slicer's Grow from seeds: the cord shrunk, and a ring of background around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..messages import Failure
from ..segmentation import Mask, add_segment, mask_of, segment_tagged, write_mask
from ..undone import hide_others, show
from ..volume import grid_of
from .editor_state import save_state
from .slices import present

SEED_TAG = "SpinalCordSeg.Seed"

_RING_MM = 3.0
_BACKGROUND_COLOUR = (0.35, 0.45, 0.6)
_SEED_COLOUR = (0.3, 0.75, 0.35)


@dataclass(frozen=True)
class Seeds:
    """The two segments that Grow from seeds starts from, and their voxels."""

    cordSegmentID: str
    backgroundSegmentID: str
    cordVoxels: int
    backgroundVoxels: int
    hiddenSegmentIDs: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return (
            "Seeds for the cord and its background are there: add to them where needed, then "
            "press Initialize and Apply in Grow from seeds."
        )


def make_seeds(
    editorLogic: Any,
    segmentationNode: Any,
    segmentID: str,
    volumeNode: Any,
    shrinkMm: float = 1.0,
    distanceMm: float = 5.0,
) -> Seeds:
    """Make seeds: the segment shrunk by a margin, and a ring of background at a distance.

    Both lie on the segment's slices, so that its ends do not shrink. The segment itself stays;
    it is hidden with all others, because Grow from seeds takes every visible one.
    """
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    if not mask.any():
        raise Failure("no_segment", "the selected segment is empty", "select the cord")
    grid = grid_of(volumeNode)
    inside, ring = _seeds(mask, grid.axialAxis, grid.spacing, shrinkMm, distanceMm)
    save_state(editorLogic)
    ids = []
    for role, name, colour, seed in (
        ("cord", "Cord seed", _SEED_COLOUR, inside),
        ("background", "Background seed", _BACKGROUND_COLOUR, ring),
    ):
        found = segment_tagged(segmentationNode, SEED_TAG, role)
        if found is None:
            found = add_segment(segmentationNode, name, colour)
            segmentationNode.GetSegmentation().GetSegment(found).SetTag(SEED_TAG, role)
        write_mask(segmentationNode, found, volumeNode, seed)
        show(segmentationNode, found, True)
        ids.append(found)
    hidden = hide_others(segmentationNode, segmentID, set(ids))
    return Seeds(ids[0], ids[1], int(inside.sum()), int(ring.sum()), hidden)


def _seeds(
    mask: Mask, axis: int, spacing: tuple[float, ...], shrinkMm: float, distanceMm: float
) -> tuple[Mask, Mask]:
    from scipy import ndimage

    inside, ring = np.zeros_like(mask), np.zeros_like(mask)
    step = [spacing[other] for other in range(3) if other != axis]
    layers = np.moveaxis(mask, axis, 0)
    for k in np.flatnonzero(present(mask, axis)):
        depth = ndimage.distance_transform_edt(layers[k], sampling=step)
        away = ndimage.distance_transform_edt(~layers[k], sampling=step)
        # Of a cord thinner than twice the margin its middle is left.
        np.moveaxis(inside, axis, 0)[k] = depth > min(shrinkMm, depth.max() * 0.99)
        np.moveaxis(ring, axis, 0)[k] = (away >= distanceMm) & (away < distanceMm + _RING_MM)
    return inside, ring
