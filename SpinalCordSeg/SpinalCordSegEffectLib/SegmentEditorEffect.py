# SPDX-License-Identifier: Apache-2.0
"""The Segment Editor effect "Spinal cord": segment the source volume, correct the result.

Slicer imports this file under the name of its folder, so nothing else may live here.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import qt
import slicer
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

_MODULE = Path(__file__).resolve().parents[1]
if str(_MODULE) not in sys.path:  # loaded without its module, in a checkout
    sys.path.append(str(_MODULE))

from SpinalCordSegCore import correction  # noqa: E402
from SpinalCordSegCore.logic import SpinalCordSegLogic  # noqa: E402
from SpinalCordSegCore.messages import Failure  # noqa: E402
from SpinalCordSegCore.segmentation import mask_of, structure_of  # noqa: E402
from SpinalCordSegGui.consent import when_all_is_there  # noqa: E402
from SpinalCordSegGui.correction_section import CorrectionSection  # noqa: E402
from SpinalCordSegGui.editor_write import save_state, write_through_editor  # noqa: E402
from SpinalCordSegGui.run_progress import RunProgress  # noqa: E402
from SpinalCordSegGui.status_line import StatusLine  # noqa: E402

_STRUCTURES = {
    "Cord": "cord",
    "GrayMatter": "gray_matter",
    "WhiteMatter": "white_matter",
    "Lesion": "lesion",
}


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Choices live on the segment editor node; the work is done by SpinalCordSegCore."""

    def __init__(self, scriptedEffect: Any) -> None:
        scriptedEffect.name = "Spinal cord"  # key of the stored parameters: never translated
        scriptedEffect.title = _("Spinal cord")
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = False  # makes its own
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self._run: RunProgress | None = None

    def clone(self) -> Any:
        """Return another effect like this one: every editor has its own."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        cloned = effects.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(Path(__file__).as_posix())
        return cloned

    def icon(self) -> Any:
        """Return the icon on the effect's button."""
        return qt.QIcon(str(Path(__file__).with_suffix(".png")))

    def helpText(self) -> str:
        """Return what the editor shows above the options."""
        return _(
            "Segment the spinal cord automatically, then correct the slices that need it."
            "<p><b>Apply</b> segments the source volume beside Slicer: go on working. "
            "<b>Repair slices</b> replaces bad slices by a shape between their good neighbours. "
            "<b>Lock all others</b> keeps good slices safe while you paint. "
            "<b>Prepare for Fill between slices</b> keeps isolated good slices and opens that "
            "effect. No command changes gray matter, white matter or lesions unless they are "
            "selected."
        )

    def setupOptionsFrame(self) -> None:
        """Build the options."""
        panel = slicer.util.loadUI(str(_MODULE / "Resources" / "UI" / "SegmentEditorEffect.ui"))
        self.scriptedEffect.addOptionsWidget(panel)
        self.ui = ui = slicer.util.childWidgetVariables(panel)
        ui.centerlineComboBox.addItem(_("Automatic"), "automatic")
        ui.centerlineComboBox.addItem(_("Along the selected segment"), "segment")
        self._boxes = {
            "Cord": ui.cordCheckBox,
            "GrayMatter": ui.grayMatterCheckBox,
            "WhiteMatter": ui.whiteMatterCheckBox,
            "Lesion": ui.lesionCheckBox,
        }
        for box in self._boxes.values():
            box.connect("toggled(bool)", self.updateMRMLFromGUI)
        ui.centerlineComboBox.connect("currentIndexChanged(int)", self.updateMRMLFromGUI)
        ui.applyButton.connect("clicked(bool)", self.onApply)
        ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self._status = StatusLine(ui)
        self._run = RunProgress(ui.progressBar, self._status, self.updateGUIFromMRML)
        self._corrections = CorrectionSection(self.scriptedEffect, ui, self._status)

    def setMRMLDefaults(self) -> None:
        """Give every parameter that has no value yet its default."""
        for name in _STRUCTURES:
            self.scriptedEffect.setParameterDefault(name, 1 if name == "Cord" else 0)
        self.scriptedEffect.setParameterDefault("Centerline", "automatic")
        self._corrections.setDefaults()

    def updateGUIFromMRML(self) -> None:
        """Show the parameters, and what can be done now."""
        if self.scriptedEffect.parameterSetNode() is None:
            return
        effect, ui = self.scriptedEffect, self.ui
        for name, box in self._boxes.items():
            wasBlocked = box.blockSignals(True)
            box.setChecked(effect.integerParameter(name) != 0)
            box.blockSignals(wasBlocked)
        wasBlocked = ui.centerlineComboBox.blockSignals(True)
        index = ui.centerlineComboBox.findData(effect.parameter("Centerline"))
        ui.centerlineComboBox.setCurrentIndex(max(index, 0))
        ui.centerlineComboBox.blockSignals(wasBlocked)
        running, node = self._run.isRunning, effect.parameterSetNode()
        ready = not running and node.GetSourceVolumeNode() is not None
        ui.applyButton.setEnabled(ready and bool(self._structures()))
        ui.cancelButton.setEnabled(running)
        self._corrections.update(enabled=ready and bool(node.GetSelectedSegmentID()))

    def updateMRMLFromGUI(self, *_changed: Any) -> None:
        """Keep the parameters."""
        for name, box in self._boxes.items():
            self.scriptedEffect.setParameter(name, 1 if box.checked else 0)
        self.scriptedEffect.setParameter("Centerline", self.ui.centerlineComboBox.currentData)
        self.updateGUIFromMRML()

    def sourceVolumeNodeChanged(self) -> None:
        """Slicer calls this when another volume is to be edited on."""
        self.updateGUIFromMRML()

    def cleanup(self) -> None:
        """Let go of everything; Slicer calls this before the effect is deleted."""
        if self._run is not None:
            self._run.stop()
            self._corrections.stop()

    def onApply(self, _checked: bool = False) -> None:
        """Segment, after what is missing was installed with the user's consent."""
        when_all_is_there(self._run, self._status, published=False, then=self._segment)

    def onCancel(self, _checked: bool = False) -> None:
        """End the run; the segmentation stays as it was."""
        self._run.cancel()

    def _segment(self) -> None:
        """Segment the source volume in another process."""
        node = self.scriptedEffect.parameterSetNode()
        volume, segmentation = node.GetSourceVolumeNode(), node.GetSegmentationNode()
        centerline = None
        if self.scriptedEffect.parameter("Centerline") == "segment":
            selected = node.GetSelectedSegmentID() or ""
            centerline = correction.centerline_from_segment(segmentation, selected, volume)
        run = SpinalCordSegLogic().segment(
            volume,
            structures=self._structures(),
            centerline=centerline,
            segmentationNode=segmentation,
            wait=False,
            progress=self._run.show,
            finished=self._finished,
            saveState=functools.partial(save_state, self.scriptedEffect, segmentation),
            segmentIDs=self._into_selected(),
            writeMask=functools.partial(write_through_editor, self.scriptedEffect),
        )
        self._run.follow(run)

    def _finished(self, outcome: Any, failure: Failure | None) -> None:
        if failure is not None:
            self._status.fail(failure)
            return
        count = len(outcome.reviewRows)
        text = _("Segmented in {seconds:.0f} s. Slices to review: {count}.")
        text = text.format(seconds=outcome.seconds, count=count)
        self._status.succeed(text, outcome.warnings)

    def _into_selected(self) -> dict[str, str]:
        """Return which structure goes into the selected segment: only an empty one is taken."""
        node = self.scriptedEffect.parameterSetNode()
        selected, segmentation = node.GetSelectedSegmentID(), node.GetSegmentationNode()
        segment = segmentation.GetSegmentation().GetSegment(selected or "")
        if segment is None or structure_of(segment) is not None:
            return {}
        mask = mask_of(segmentation, selected, node.GetSourceVolumeNode())
        return {} if mask.any() else {self._structures()[0]: selected}

    def _structures(self) -> tuple[str, ...]:
        integer = self.scriptedEffect.integerParameter
        return tuple(structure for name, structure in _STRUCTURES.items() if integer(name))
