# SPDX-License-Identifier: Apache-2.0
"""The correction commands of the effect: which slices, which command, what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore import correction, review
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.segmentation import EDITABLE_TAG, segments_of, tag_of

from .shown_slice import shown_slice
from .slice_list import slice_numbers, slice_text
from .status_line import StatusLine

FILL = "Fill between slices"


class CorrectionSection:
    """Runs a command on the selected segment of an effect's editor.

    Parameters
    ----------
    effect : qSlicerSegmentEditorScriptedEffect
    ui : namespace
        The widgets of the effect's options.
    status : StatusLine
    """

    def __init__(self, effect: Any, ui: Any, status: StatusLine) -> None:
        self._effect, self._ui, self._status = effect, ui, status
        commands = {
            ui.addSliceButton: self._addShownSlice,
            ui.fromReviewButton: self._takeReviewList,
            ui.repairButton: self._repair,
            ui.lockButton: self._lock,
            ui.refineSliceButton: self._refineSlice,
            ui.refineAllButton: self._refineAll,
            ui.prepareButton: self._prepare,
            ui.seedsButton: self._makeSeeds,
            ui.showAllButton: self._showAll,
            ui.restoreFullButton: self._restoreFull,
            ui.restoreButton: self._restore,
        }
        for button, command in commands.items():
            button.connect("clicked(bool)", self._guarded(command))
        ui.slicesLineEdit.connect("editingFinished()", self._keep)
        ui.everySpinBox.connect("valueChanged(int)", self._keep)
        self._observed: tuple[Any, list[int]] = (None, [])

    def setDefaults(self) -> None:
        """Give every parameter that has no value yet its default."""
        self._effect.setParameterDefault("Slices", "")
        self._effect.setParameterDefault("KeepEvery", 0)

    def update(self, enabled: bool) -> None:
        """Show the parameters."""
        effect, ui = self._effect, self._ui
        widgets = (ui.slicesLineEdit, ui.everySpinBox)
        blocked = [(widget, widget.blockSignals(True)) for widget in widgets]
        ui.slicesLineEdit.setText(effect.parameter("Slices"))
        ui.everySpinBox.setValue(effect.integerParameter("KeepEvery"))
        self._observe(self._node().GetSegmentationNode())
        self._showLock()
        for widget, wasBlocked in blocked:
            widget.blockSignals(wasBlocked)
        ui.correctCollapsibleButton.setEnabled(enabled)

    def stop(self) -> None:
        """Hear of no change any more."""
        self._observe(None)

    def _observe(self, segmentationNode: Any) -> None:
        """Hear of undo and redo of a lock, which change the segmentation and not the editor."""
        node, tags = self._observed
        if node is segmentationNode:
            return
        for tag in tags:
            node.RemoveObserver(tag)
        kinds = slicer.vtkSegmentation
        events = (kinds.SegmentAdded, kinds.SegmentRemoved) if segmentationNode else ()
        tags = [segmentationNode.AddObserver(event, self._showLock) for event in events]
        self._observed = (segmentationNode, tags)

    def _showLock(self, *_changed: Any) -> None:
        node, button = self._observed[0], self._ui.lockButton
        locked = node is not None and _is_locked(node)
        wasBlocked = button.blockSignals(True)
        button.setChecked(locked)
        button.setText(_("Unlock all") if locked else _("Lock all others"))
        button.blockSignals(wasBlocked)

    def _keep(self, *_changed: Any) -> None:
        self._effect.setParameter("Slices", self._ui.slicesLineEdit.text)
        self._effect.setParameter("KeepEvery", self._ui.everySpinBox.value)

    def _guarded(self, command: Callable[[], str]) -> Callable[[bool], None]:
        """Return a slot that runs a command and says what it did, or why it could not."""

        def run(_checked: bool = False) -> None:
            try:
                self._status.say(command())
            except Failure as failure:
                self._status.fail(failure)
            self.update(enabled=True)

        return run

    def _addShownSlice(self) -> str:
        shown = shown_slice(self._node().GetSourceVolumeNode())
        self._list([*self._listed(), shown])
        return _("Slice {number} added.").format(number=shown)

    def _takeReviewList(self) -> str:
        rows = review.rows_of(self._node().GetSegmentationNode())
        self._list(row.sliceIndex for row in rows)
        if not rows:
            return _("The review list is empty.")
        return _("{count} slices taken from the review list.").format(count=len(rows))

    def _repair(self) -> str:
        return correction.repair_slices(*self._target(), self._wanted()).message

    def _lock(self) -> str:
        node = self._node()
        if _is_locked(node.GetSegmentationNode()):
            correction.unlock_slices(self._effect, node.GetSegmentationNode(), node)
            return _("Every slice can be edited again.")
        return correction.lock_good_slices(*self._target(), self._wanted(), node).message

    def _refineSlice(self) -> str:
        shown = shown_slice(self._node().GetSourceVolumeNode())
        return correction.refine_segment(*self._target(), [shown]).message

    def _refineAll(self) -> str:
        return correction.refine_segment(*self._target(), None).message

    def _prepare(self) -> str:
        every = self._ui.everySpinBox.value or None
        done = correction.prepare_fill_between_slices(
            *self._target(), every, self._listed(), self._node()
        )
        self._effect.selectEffect(FILL)
        return done.message

    def _makeSeeds(self) -> str:
        return correction.make_seeds(*self._target()).message

    def _showAll(self) -> str:
        segmentationNode = self._node().GetSegmentationNode()
        correction.show_segments(
            segmentationNode,
            [
                segmentID
                for segmentID, segment in segments_of(segmentationNode)
                if not tag_of(segment, EDITABLE_TAG)
            ],
        )
        return _("All segments are shown.")

    def _restoreFull(self) -> str:
        return correction.restore_before_fill(*self._target()).message

    def _restore(self) -> str:
        return correction.restore_automatic_result(*self._target()).message

    def _node(self) -> Any:
        return self._effect.parameterSetNode()

    def _target(self) -> tuple[Any, Any, str, Any]:
        """Return what every command takes first: who saves the state, and what to work on."""
        node = self._node()
        segmentID = node.GetSelectedSegmentID() or ""
        return self._effect, node.GetSegmentationNode(), segmentID, node.GetSourceVolumeNode()

    def _listed(self) -> list[int]:
        return slice_numbers(self._ui.slicesLineEdit.text)

    def _wanted(self) -> list[int]:
        numbers = self._listed()
        if not numbers:
            remedy = _("write their numbers, or press Add shown or Review list")
            raise Failure("input", _("no slices are listed"), remedy)
        return numbers

    def _list(self, numbers: Iterable[int]) -> None:
        self._ui.slicesLineEdit.setText(slice_text(numbers))
        self._keep()


def _is_locked(segmentationNode: Any) -> bool:
    segments = [segment for _id, segment in segments_of(segmentationNode)]
    return any(tag_of(segment, EDITABLE_TAG) for segment in segments)
