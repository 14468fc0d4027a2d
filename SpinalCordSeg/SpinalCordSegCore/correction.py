# SPDX-License-Identifier: Apache-2.0
"""Commands that correct a segment slice by slice, each one undo step.

None of them touches another segment's voxels: each writes the one segment it was given (and those
it makes itself), past masks and overwrite modes. ``editorLogic`` is what saves the state for undo:
a ``vtkSlicerSegmentEditorLogic``, a segment editor effect, or None where nothing is to be undone.
Slices are counted along the volume's own axial axis, as in the review list. All raise ``Failure``
if the segment is missing or does not lie on the volume's voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .automatic import AUTOMATIC, BEFORE_FILL, copy_of, keep_copy
from .curve import new_curve, write_curve
from .messages import Failure
from .refinement import refined
from .segmentation import (
    EDITABLE_TAG,
    Mask,
    add_segment,
    mask_of,
    segments_of,
    tag_of,
    write_mask,
)
from .undone import hide_others, mask_editing, mask_editing_while_there, show, show_hidden
from .volume import grid_of

SEED_TAG = "SpinalCordSeg.Seed"

# Key slices about so far apart: the contour interpolator keeps 0.95 Dice to about five slices.
_KEY_DISTANCE_MM = 10.0
_KEY_SLICES = 5
_RING_MM = 3.0
# Warnings that fit into a line of the panel.
_TOLD = 2
_BACKGROUND_COLOUR = (0.35, 0.45, 0.6)
_SEED_COLOUR = (0.3, 0.75, 0.35)


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
        told = f"{_slices(self.slices)} interpolated from the good slices beside"
        if self.skipped:
            told += f"; {_slices(self.skipped)} left: there is no good slice on one side"
        return f"{told}."


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


@dataclass(frozen=True)
class Locked:
    """Slices that can no longer be edited, those that can, and the hidden segment that says so."""

    lockedSlices: tuple[int, ...]
    openSlices: tuple[int, ...]
    maskSegmentID: str

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return f"Only {_slices(self.openSlices).lower()} can be edited now."


@dataclass(frozen=True)
class Restored:
    """Voxels of the segment before and after."""

    voxelsBefore: int
    voxelsAfter: int

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return f"The segment is as it was: {self.voxelsAfter} voxels."


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


def repair_slices(
    editorLogic: Any, segmentationNode: Any, segmentID: str, volumeNode: Any, slices: Sequence[int]
) -> Repaired:
    """Interpolate the given slices from their good neighbours; all others stay as they are.

    Locked slices stay too.
    """
    from SpinalCordSegLib.correction.repair import repair_array

    mask = mask_of(segmentationNode, segmentID, volumeNode)
    grid = grid_of(volumeNode)
    bad = _within(slices, mask.shape[grid.axialAxis])
    if not bad:
        raise Failure("input", "no slice is marked", "mark the bad ones in the review list")
    locked = set(locked_slices(segmentationNode, volumeNode))
    repaired, done, skipped = repair_array(
        mask, [k for k in bad if k not in locked], grid.axialAxis, grid.spacing[grid.axialAxis]
    )
    if done:
        _save(editorLogic)
        write_mask(segmentationNode, segmentID, volumeNode, repaired)
    skipped = tuple(sorted({*skipped, *(locked & set(bad))}))
    return Repaired(done, skipped, int(mask.sum()), int(repaired.sum()))


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
        asked = range(mask.shape[axis]) if slices is None else _within(slices, mask.shape[axis])
        slices = [k for k in asked if k not in locked and _present(mask, axis)[k]]
        if not slices:
            raise Failure("input", "no such slice can be refined", "choose one with some cord")
    found, warnings = refined(volumeNode, mask, slices, method)
    _save(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, found)
    return Refined(int(mask.sum()), int(found.sum()), warnings)


def centerline_from_segment(segmentationNode: Any, segmentID: str, volumeNode: Any) -> Any:
    """Return a new curve node through the middle of a segment on each slice."""
    mask = mask_of(segmentationNode, segmentID, volumeNode)
    axis = grid_of(volumeNode).axialAxis
    slices = np.flatnonzero(_present(mask, axis))
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

    The full segment is kept for :func:`restore_automatic_result`.
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
    thinned = _only(mask, keys, axis)
    keep_copy(segmentationNode, segmentID, volumeNode, mask, BEFORE_FILL)
    _save(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, thinned)
    hidden = hide_others(segmentationNode, segmentID, {segmentID})
    _set_in_progress(segmentationNode, segmentID)
    _allow_overlap(editorNode)
    return Prepared(tuple(keys), hidden, int(mask.sum()), int(thinned.sum()))


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
    opened = _within(openSlices, mask.shape[axis])
    if not opened:
        raise Failure("input", "no slice is left to edit", "leave at least one unlocked")
    _save(editorLogic)
    editable = _tagged(segmentationNode, EDITABLE_TAG)
    if editable is None:
        editable = add_segment(segmentationNode, "Editable slices", (0.9, 0.9, 0.4))
        segmentationNode.GetSegmentation().GetSegment(editable).SetTag(EDITABLE_TAG, "1")
        mask_editing_while_there(segmentationNode, editable, editorNode)
    write_mask(
        segmentationNode, editable, volumeNode, _only(np.ones(mask.shape, dtype=bool), opened, axis)
    )
    show(segmentationNode, editable, False)
    mask_editing(editorNode, editable)
    _allow_overlap(editorNode)
    locked = tuple(k for k in range(mask.shape[axis]) if k not in set(opened))
    return Locked(locked, tuple(opened), editable)


def unlock_slices(editorLogic: Any, segmentationNode: Any, editorNode: Any) -> None:
    """Undo :func:`lock_good_slices`: every slice can be edited again."""
    editable = _tagged(segmentationNode, EDITABLE_TAG)
    if editorNode is not None and (editable is None or editorNode.GetMaskSegmentID() == editable):
        mask_editing(editorNode, None)
    if editable is not None:
        _save(editorLogic)
        segmentationNode.GetSegmentation().RemoveSegment(editable)


def locked_slices(segmentationNode: Any, volumeNode: Any) -> tuple[int, ...]:
    """Return the slices that :func:`lock_good_slices` closed to editing."""
    editable = _tagged(segmentationNode, EDITABLE_TAG)
    if editable is None:
        return ()
    mask = mask_of(segmentationNode, editable, volumeNode)
    return tuple(np.flatnonzero(~_present(mask, grid_of(volumeNode).axialAxis)).tolist())


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
    _save(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, kept)
    show_hidden(segmentationNode, segmentID)
    return Restored(int(mask.sum()), int(kept.sum()))


def restore_before_fill(
    editorLogic: Any, segmentationNode: Any, segmentID: str, volumeNode: Any
) -> Restored:
    """Put back the full segment that :func:`prepare_fill_between_slices` thinned.

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
    _save(editorLogic)
    write_mask(segmentationNode, segmentID, volumeNode, kept)
    show_hidden(segmentationNode, segmentID)
    return Restored(int(mask.sum()), int(kept.sum()))


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
    _save(editorLogic)
    ids = []
    for role, name, colour, seed in (
        ("cord", "Cord seed", _SEED_COLOUR, inside),
        ("background", "Background seed", _BACKGROUND_COLOUR, ring),
    ):
        found = _tagged(segmentationNode, SEED_TAG, role)
        if found is None:
            found = add_segment(segmentationNode, name, colour)
            segmentationNode.GetSegmentation().GetSegment(found).SetTag(SEED_TAG, role)
        write_mask(segmentationNode, found, volumeNode, seed)
        show(segmentationNode, found, True)
        ids.append(found)
    hidden = hide_others(segmentationNode, segmentID, set(ids))
    return Seeds(ids[0], ids[1], int(inside.sum()), int(ring.sum()), hidden)


def show_segments(segmentationNode: Any, segmentIDs: Sequence[str]) -> None:
    """Show segments again that a command hid."""
    for segmentID in segmentIDs:
        show(segmentationNode, segmentID, True)


def _save(editorLogic: Any) -> None:
    if editorLogic is None:
        return
    save = getattr(editorLogic, "SaveStateForUndo", None) or editorLogic.saveStateForUndo
    save()


def _within(slices: Sequence[int], count: int) -> list[int]:
    return sorted({int(k) for k in slices if 0 <= k < count})


def _present(mask: Mask, axis: int) -> Mask:
    return np.asarray(mask.any(axis=tuple(other for other in range(3) if other != axis)))


def _only(mask: Mask, slices: Sequence[int], axis: int) -> Mask:
    kept = np.zeros_like(mask)
    np.moveaxis(kept, axis, 0)[list(slices)] = np.moveaxis(mask, axis, 0)[list(slices)]
    return kept


def _key_slices(mask: Mask, axis: int, every: int, bad: set[int]) -> list[int]:
    """Return good slices about `every` apart, the first and the last among them."""
    good = [k for k in np.flatnonzero(_present(mask, axis)).tolist() if k not in bad]
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


def _seeds(
    mask: Mask, axis: int, spacing: tuple[float, ...], shrinkMm: float, distanceMm: float
) -> tuple[Mask, Mask]:
    from scipy import ndimage

    inside, ring = np.zeros_like(mask), np.zeros_like(mask)
    step = [spacing[other] for other in range(3) if other != axis]
    layers = np.moveaxis(mask, axis, 0)
    for k in np.flatnonzero(_present(mask, axis)):
        depth = ndimage.distance_transform_edt(layers[k], sampling=step)
        away = ndimage.distance_transform_edt(~layers[k], sampling=step)
        # Of a cord thinner than twice the margin its middle is left.
        np.moveaxis(inside, axis, 0)[k] = depth > min(shrinkMm, depth.max() * 0.99)
        np.moveaxis(ring, axis, 0)[k] = (away >= distanceMm) & (away < distanceMm + _RING_MM)
    return inside, ring


def _tagged(segmentationNode: Any, tag: str, value: str = "1") -> str | None:
    for segmentID, segment in segments_of(segmentationNode):
        if tag_of(segment, tag) == value:
            return segmentID
    return None


def _allow_overlap(editorNode: Any) -> None:
    # The default mode erases what is drawn over from hidden segments too.
    if editorNode is not None:
        editorNode.SetOverwriteMode(editorNode.OverwriteNone)


def _set_in_progress(segmentationNode: Any, segmentID: str) -> None:
    import slicer

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    logic.SetSegmentStatus(segment, logic.InProgress)


def _slices(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers)) or "none"
    return f"{'Slice' if len(numbers) == 1 else 'Slices'} {listed}"
