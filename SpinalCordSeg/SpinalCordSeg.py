# SPDX-License-Identifier: Apache-2.0
"""The module "Spinal Cord Segmentation" of 3D Slicer: registration, panel, self-test."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin
from SpinalCordSegCore import dependencies
from SpinalCordSegCore import logic as core
from SpinalCordSegCore.messages import Failure
from SpinalCordSegGui.batch_section import BatchSection
from SpinalCordSegGui.consent import when_all_is_there
from SpinalCordSegGui.log_view import LogView
from SpinalCordSegGui.parameters import (
    CenterlineSource,
    SpinalCordSegParameters,
    Weights,
    missing_input,
    needs_published,
    settings_of,
)
from SpinalCordSegGui.results_section import ResultsSection
from SpinalCordSegGui.run_progress import RunProgress
from SpinalCordSegGui.status_line import StatusLine
from SpinalCordSegGui.weights_section import WeightsSection

_FOLDER = Path(__file__).resolve().parent


class SpinalCordSeg(ScriptedLoadableModule):
    """What Slicer knows of the module before anyone opens it."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Spinal Cord Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Terminologies", "Markups", "Tables", "Plots"]
        parent.contributors = ["SpinalCordSeg contributors"]
        parent.helpText = _(
            "Segments the spinal cord on MRI of any contrast: choose a scan, press Apply, look at "
            "the slices in the review list. Correct what is wrong in the Segment Editor, with the "
            'effect "Spinal cord".<p>For research, not a medical device: look at every result.'
        )
        parent.acknowledgementText = _(
            "The methods are those of Gros et al. 2019 (NeuroImage 184:901-915) and Gros et al. "
            "2018 (Medical Image Analysis 44:215-227): please cite them."
        )
        slicer.app.connect("startupCompleted()", registerWithApplication)


def registerWithApplication() -> None:
    """Register what other modules show of this one; also for a module loaded by hand."""
    registerEditorEffect()
    registerTerminology()
    registerSampleData()


def registerEditorEffect() -> None:
    """Add the effect "Spinal cord" to the Segment Editor."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects

    # Slicer imports this file under the name of its folder: it must be alone there.
    source = _FOLDER / "SpinalCordSegEffectLib" / "SegmentEditorEffect.py"
    effect = effects.qSlicerSegmentEditorScriptedEffect(None)
    effect.setPythonSource(source.as_posix())
    effect.self().register()


def registerTerminology() -> None:
    """Let Slicer know names and colours of the structures by their codes."""
    terminologies = slicer.modules.terminologies.logic()
    kinds = "SegmentationCategoryTypeModifier", "AnatomicRegionAndModifier"
    types, regions = (
        (_FOLDER / "Resources" / f"{kind}-SpinalCordSeg.term.json").as_posix() for kind in kinds
    )
    terminologies.LoadTerminologyFromFile(types)
    terminologies.LoadAnatomicContextFromFile(regions)


def registerSampleData() -> None:
    """Offer a scan in the module Sample Data, fetched on a click and checked by its hash."""
    import SampleData

    from SpinalCordSegLib.sample import REAL_NAME, REAL_SHA256, REAL_URL

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_("Spinal cord"),
        sampleName="SpinalCordT2w",
        thumbnailFileName=str(_FOLDER / "Resources" / "Icons" / "SpinalCordSeg.png"),
        uris=REAL_URL,
        fileNames=REAL_NAME,
        nodeNames="SpinalCordT2w",
        checksums=f"SHA256:{REAL_SHA256}",
    )


class SpinalCordSegLogic(core.SpinalCordSegLogic, ScriptedLoadableModuleLogic):
    """Segments volumes of a scene; ``segment()`` is what scripts call."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        core.SpinalCordSegLogic.__init__(self)

    def getParameterNode(self) -> SpinalCordSegParameters:
        """Return the panel's parameters, which are kept with the scene."""
        return SpinalCordSegParameters(ScriptedLoadableModuleLogic.getParameterNode(self))


class SpinalCordSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: moves choices into a run and its outcome into the results."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self._parameters: SpinalCordSegParameters | None = None
        self._guiTag: Any = None

    def setup(self) -> None:
        """Build the panel; Slicer calls this when the module is opened first."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/SpinalCordSeg.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = SpinalCordSegLogic()
        self._setUpPlaceWidgets()

        self._status = StatusLine(self.ui)
        log = LogView(self.ui)
        self._run = RunProgress(self.ui.progressBar, self._status, self._updateGui, log.part())
        WeightsSection(self.ui, self._run, self._status)
        self._results = ResultsSection(self.ui)
        self._batch = BatchSection(self.ui, self.logic, log.part())
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self.ui.weightsPathLineEdit.connect("currentPathChanged(QString)", self._onWeightsFile)

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneClosed)
        self._useParameters(self.logic.getParameterNode())
        self._chooseFirstVolume()

    def cleanup(self) -> None:
        """Let go of everything; Slicer calls this when the application closes."""
        self._run.stop()
        self._batch.stop()
        self._useParameters(None)
        self.removeObservers()

    def enter(self) -> None:
        """Take up the parameters of the scene; Slicer calls this each time the panel opens."""
        self._useParameters(self.logic.getParameterNode())
        self._chooseFirstVolume()

    def exit(self) -> None:
        """Stop listening to the parameters; a run goes on."""
        if not self._run.isRunning:
            self._useParameters(None)

    def onReload(self) -> None:
        """Reload the module and the packages behind it (developer mode)."""
        own = ("SpinalCordSegCore", "SpinalCordSegGui", "SpinalCordSegLib")
        for name in [name for name in sys.modules if name.split(".")[0] in own]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onApply(self, _checked: bool = False) -> None:
        """Segment, after what is missing was installed with the user's consent."""
        published = needs_published(self._parameters)
        when_all_is_there(self._run, self._status, published, self._segment)

    def onCancel(self, _checked: bool = False) -> None:
        """End the run; the scene stays as it was."""
        self._run.cancel()

    def _segment(self) -> None:
        parameters = self._parameters
        volume = parameters.inputVolume

        def finished(outcome: Any, failure: Failure | None) -> None:
            if failure is not None:
                self._status.fail(failure)
                return
            self._results.keep(parameters, outcome, volume)
            self._status.succeed(_("Done: see the results below."), outcome.warnings)

        try:
            run = self.logic.segment(
                volume,
                centerline=_centerline_of(parameters),
                **settings_of(parameters),
                wait=False,
                progress=self._run.show,
                finished=finished,
            )
        except Failure as failure:
            self._status.fail(failure)
        else:
            self._run.follow(run)

    def _useParameters(self, parameters: SpinalCordSegParameters | None) -> None:
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
            self.removeObservers(self._onParametersModified)
            self.removeObservers(self._onPointsModified)
        self._parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
            modified = vtk.vtkCommand.ModifiedEvent
            self.addObserver(parameters.parameterNode, modified, self._onParametersModified)
        self._updateGui()

    def _chooseFirstVolume(self) -> None:
        if self._parameters.inputVolume is None:
            volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volume is not None:
                self._parameters.inputVolume = volume

    def _setUpPlaceWidgets(self) -> None:
        for place in (self.ui.pointsPlaceWidget, self.ui.landmarksPlaceWidget):
            place.buttonsVisible = False
            place.placeButton().setVisible(True)
            place.deleteButton().setVisible(True)

    def _updateGui(self) -> None:
        parameters, ui, running = self._parameters, self.ui, self._run.isRunning
        missing = missing_input(parameters) if parameters else _("The panel is closed.")
        ui.applyButton.setEnabled(not running and not missing)
        ui.applyButton.setToolTip(missing or _("Segment the input volume."))
        if parameters is not None and not running:
            self._status.hint(missing)
        ui.cancelButton.setEnabled(running)
        ui.cancelButton.setToolTip(
            _("End the run; the scene stays as it was.") if running else _("Nothing is running.")
        )
        ui.inputsCollapsibleButton.setEnabled(not running)
        ui.advancedCollapsibleButton.setEnabled(not running)
        self._results.update(parameters, running)
        self._batch.update(parameters)
        if parameters is None:
            return
        curve = parameters.centerline is CenterlineSource.CURVE
        points = parameters.centerline is CenterlineSource.POINTS
        file = parameters.weights is Weights.FILE
        _show((ui.curveLabel, ui.curveSelector), curve)
        _show((ui.pointsLabel, ui.pointsSelector, ui.pointsPlaceWidget), points)
        _show((ui.weightsFileLabel, ui.weightsPathLineEdit), file)
        if ui.weightsPathLineEdit.currentPath != parameters.weightsFile:
            ui.weightsPathLineEdit.currentPath = parameters.weightsFile
        for node in (parameters.centerlinePoints, parameters.landmarks):
            event = slicer.vtkMRMLMarkupsNode.PointModifiedEvent
            if node is not None and not self.hasObserver(node, event, self._onPointsModified):
                self.addObserver(node, event, self._onPointsModified)
                for other in (node.PointPositionDefinedEvent, node.PointRemovedEvent):
                    self.addObserver(node, other, self._onPointsModified)

    def _onParametersModified(self, _caller: Any = None, _event: Any = None) -> None:
        self._updateGui()

    def _onPointsModified(self, _caller: Any = None, _event: Any = None) -> None:
        self._updateGui()

    def _onWeightsFile(self, path: str) -> None:
        if self._parameters is not None and self._parameters.weightsFile != path:
            self._parameters.weightsFile = path

    def _onSceneClose(self, _caller: Any, _event: Any) -> None:
        self._run.cancel()
        self._useParameters(None)

    def _onSceneClosed(self, _caller: Any, _event: Any) -> None:
        self._useParameters(self.logic.getParameterNode())


class SpinalCordSegTest(ScriptedLoadableModuleTest):
    """Runs in a real Slicer: what the tests outside cannot prove. Needs torch installed."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every check."""
        for check in (self.test_effect, self.test_panel, self.test_segment):
            self.setUp()
            check()

    def test_effect(self) -> None:
        """The Segment Editor knows the effect, and the library is still a package after that."""
        factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        names = [effect.name for effect in factory.registeredEffects()]
        self.assertIn("Spinal cord", names)
        self.assertIsNotNone(importlib.import_module("SpinalCordSegLib.labels"))

    def test_panel(self) -> None:
        """Without a volume there is nothing to apply; with one there is."""
        slicer.util.selectModule("SpinalCordSeg")
        widget = slicer.modules.SpinalCordSegWidget
        self.assertFalse(widget.ui.applyButton.enabled)
        self._loadSample()
        widget.enter()
        self.assertTrue(widget.ui.applyButton.enabled)

    def test_segment(self) -> None:
        """The sample scan that ships becomes a segmentation with one segment."""
        plan = dependencies.install_plan()
        if not plan.isEmpty:
            self.skipTest("the packages of SpinalCordSeg are not installed")
        outcome = SpinalCordSegLogic().segment(self._loadSample(), wait=True)
        segmentation = outcome.segmentationNode.GetSegmentation()
        self.assertEqual(segmentation.GetNumberOfSegments(), 1)
        self.assertGreater(outcome.tableNode.GetNumberOfRows(), 10)

    def _loadSample(self) -> Any:
        from SpinalCordSegLib.resources import resources_folder
        from SpinalCordSegLib.sample import PHANTOM_NAME

        return slicer.util.loadVolume(str(resources_folder() / "sample" / PHANTOM_NAME))


def _centerline_of(parameters: SpinalCordSegParameters) -> Any:
    return {
        CenterlineSource.AUTOMATIC: None,
        CenterlineSource.CURVE: parameters.centerlineCurve,
        CenterlineSource.POINTS: parameters.centerlinePoints,
    }[parameters.centerline]


def _show(widgets: tuple[Any, ...], visible: bool) -> None:
    for widget in widgets:
        widget.setVisible(visible)
