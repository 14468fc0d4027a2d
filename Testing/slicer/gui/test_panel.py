# SPDX-License-Identifier: Apache-2.0
"""The panel: what can be pressed when, what the scene remembers, how a run is shown.

A volume of 10 x 10 x 6 voxels stands for the scan; runs are driven by the tests, but for one that
segments the phantom for real.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtCore, QtTest, QtWidgets
from SpinalCordSegCore import dependencies, review, weights
from SpinalCordSegCore.logic import Outcome
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.review import ReviewRow

from Testing.slicer.gui.desk import SAMPLE, Desk, click, settle, wait_until
from Testing.slicer.gui.fake_run import FakeRun
from Testing.slicer.mrml import scene as scenes

NOTHING_MISSING = dependencies.InstallPlan(False, (), ())
ROWS = [
    ReviewRow(4, (1.0, 2.0, 3.0), "the area jumps against its neighbours", 0.9),
    ReviewRow(1, (1.0, 2.0, -3.0), "the network is unsure of the outline", 0.3),
]


@pytest.fixture
def volume(desk: Desk) -> Any:
    """A scan in the scene."""
    return scenes.add_array(desk.scene, np.zeros((10, 10, 6), np.float32), np.eye(4), "scan")


@pytest.fixture
def panel(desk: Desk, volume: Any) -> Any:
    """The panel, opened with a scan in the scene."""
    return desk.panel()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, panel: Any) -> list[FakeRun]:
    """The runs that were started, which the test drives; nothing has to be installed."""
    started: list[FakeRun] = []

    def segment(volumeNode: Any, **asked: Any) -> FakeRun:
        started.append(FakeRun(volume=volumeNode, **asked))
        return started[-1]

    monkeypatch.setattr(panel.logic, "segment", segment)
    monkeypatch.setattr(dependencies, "install_plan", lambda published: NOTHING_MISSING)
    return started


@pytest.fixture
def outcome(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What a run might have made."""
    scene = desk.scene
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "scan spinal cord")
    segmentation.CreateDefaultDisplayNodes()
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "scan cord area")
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "scan centerline")
    monkeypatch.setattr(review, "rows_of", lambda node: ROWS)
    return Outcome(segmentation, curve, table, ROWS, 9.6, "cpu", "t2", [])


def test_without_a_scan_the_panel_says_what_is_missing(desk: Desk) -> None:
    ui = desk.panel().ui
    assert not ui.applyButton.enabled
    assert ui.applyButton.toolTip == "Select an input volume first."
    assert not ui.cancelButton.enabled
    assert not ui.editButton.enabled
    assert not ui.progressBar.visible
    assert ui.resultsCollapsibleButton.collapsed


def test_the_first_scan_is_chosen(panel: Any, volume: Any) -> None:
    assert panel.ui.inputVolumeSelector.currentNode() is volume
    assert panel.ui.applyButton.enabled


def test_a_scan_that_is_removed_can_not_be_segmented(panel: Any, desk: Desk, volume: Any) -> None:
    desk.scene.RemoveNode(volume)
    settle()
    assert not panel.ui.applyButton.enabled


def test_only_scans_can_be_chosen(panel: Any, desk: Desk) -> None:
    desk.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "a label map")
    settle()
    selector = panel.ui.inputVolumeSelector
    assert [selector.itemText(n) for n in range(selector.count)] == ["None", "scan"]


def test_at_least_one_structure_is_needed(panel: Any) -> None:
    click_box(panel.ui.cordCheckBox)
    assert panel.ui.applyButton.toolTip == "Tick at least one structure first."
    click_box(panel.ui.grayMatterCheckBox)
    assert panel.ui.applyButton.enabled


def test_a_centerline_of_points_needs_two(panel: Any, desk: Desk) -> None:
    ui = panel.ui
    choose(ui.centerlineComboBox, "Points that I click")
    assert shown(ui.pointsSelector)
    assert not shown(ui.curveSelector)
    points = desk.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "clicks")
    ui.pointsSelector.setCurrentNode(points)
    assert ui.pointsPlaceWidget.currentNode() is points
    points.AddControlPoint(0, 0, 0)
    assert "two or more points" in ui.applyButton.toolTip
    points.AddControlPoint(0, 0, 5)
    assert ui.applyButton.enabled


def test_a_centerline_of_mine_needs_a_curve(panel: Any, desk: Desk) -> None:
    ui = panel.ui
    choose(ui.centerlineComboBox, "My curve")
    assert not ui.applyButton.enabled
    curve = desk.scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "mine")
    ui.curveSelector.setCurrentNode(curve)
    assert ui.applyButton.enabled


def test_weights_from_a_file_need_one(panel: Any) -> None:
    ui = panel.ui
    assert not shown(ui.weightsPathLineEdit)
    choose(ui.weightsComboBox, "From a file")
    assert shown(ui.weightsPathLineEdit)
    assert not ui.applyButton.enabled
    ui.weightsPathLineEdit.currentPath = "mine.h5"
    assert ui.applyButton.enabled


@pytest.mark.parametrize(
    ("name", "value", "widget", "text"),
    [
        ("contrast", "T2_STAR", "contrastComboBox", "T2*-weighted"),
        ("refinement", "GRLSE", "refinementComboBox", "GRLSE: to the edge between two regions"),
        ("weights", "PUBLISHED", "weightsComboBox", "Published, by contrast (download)"),
        ("device", "CPU", "deviceComboBox", "Processor (CPU)"),
    ],
)
def test_choices_move_between_panel_and_scene(
    panel: Any, name: str, value: str, widget: str, text: str
) -> None:
    parameters = panel.logic.getParameterNode()
    wanted = type(getattr(parameters, name))[value]
    before = getattr(parameters, name)
    choose(getattr(panel.ui, widget), text)
    assert getattr(parameters, name) is wanted
    setattr(parameters, name, before)
    assert getattr(panel.ui, widget).currentText == before.label()


def test_a_panel_opened_again_shows_what_was_chosen(panel: Any) -> None:
    click_box(panel.ui.lesionCheckBox)
    choose(panel.ui.contrastComboBox, "T1-weighted")
    panel.exit()
    panel.logic.getParameterNode().device = type(panel.logic.getParameterNode().device).CUDA
    panel.enter()
    assert panel.ui.lesionCheckBox.checked
    assert panel.ui.contrastComboBox.currentText == "T1-weighted"
    assert panel.ui.deviceComboBox.currentText == "NVIDIA graphics card (CUDA)"


def test_a_run_gets_what_was_chosen(panel: Any, runs: list[FakeRun], volume: Any) -> None:
    click_box(panel.ui.grayMatterCheckBox)
    choose(panel.ui.contrastComboBox, "T2*-weighted")
    choose(panel.ui.refinementComboBox, "DRLSE: to the nearest edge")
    click(panel.ui.applyButton)
    asked = runs[0].asked
    assert asked["volume"] is volume
    assert asked["structures"] == ("cord", "gray_matter")
    assert (asked["contrast"], asked["refine"], asked["weights"]) == ("t2s", "drlse", "default")
    assert asked["device"] == "auto"
    assert asked["centerline"] is None
    assert asked["wait"] is False


def test_a_run_gets_files_and_points_that_were_chosen(
    panel: Any, runs: list[FakeRun], desk: Desk
) -> None:
    choose(panel.ui.weightsComboBox, "From a file")
    panel.ui.weightsPathLineEdit.currentPath = "mine.h5"
    choose(panel.ui.centerlineComboBox, "Points that I click")
    points = desk.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "clicks")
    points.AddControlPoint(0, 0, 0)
    points.AddControlPoint(0, 0, 5)
    panel.ui.pointsSelector.setCurrentNode(points)
    click(panel.ui.applyButton)
    assert runs[0].asked["weights"] == "mine.h5"
    assert runs[0].asked["centerline"] is points


def test_a_closed_panel_hears_nothing(panel: Any) -> None:
    node = panel.logic.getParameterNode().parameterNode
    assert node.HasObserver("ModifiedEvent")
    panel.exit()
    assert not node.HasObserver("ModifiedEvent")
    assert not panel.ui.applyButton.enabled


def test_a_run_is_shown_while_it_goes_on(panel: Any, runs: list[FakeRun]) -> None:
    ui = panel.ui
    click(ui.applyButton)
    assert not ui.applyButton.enabled
    assert ui.cancelButton.enabled
    assert not ui.inputVolumeSelector.enabled
    runs[0].step(0.42, "outlining the cord")
    wait_until(lambda: ui.progressBar.value == 42, 5)
    assert shown(ui.progressBar)
    assert ui.statusLabel.text == "Outlining the cord – 3 s"
    assert "42% outlining the cord" in ui.logTextEdit.toPlainText()
    click_hidden(ui.copyLogButton)
    assert QtWidgets.QApplication.clipboard().text() == runs[0].log


def test_a_run_that_is_done_fills_the_results(
    panel: Any, runs: list[FakeRun], outcome: Outcome
) -> None:
    ui = panel.ui
    click(ui.applyButton)
    runs[0].end(outcome)
    wait_until(lambda: ui.applyButton.enabled, 5)
    assert not shown(ui.progressBar)
    assert ui.statusLabel.text == "Done: see the results below."
    assert not ui.resultsCollapsibleButton.collapsed
    assert ui.summaryLabel.text == ("scan: segmented in 10 s on CPU. 2 slices are worth a look.")
    assert texts(ui.reviewTable) == [
        ["4", "The area jumps against its neighbours", "high"],
        ["1", "The network is unsure of the outline", "low"],
    ]
    assert ui.editButton.enabled
    assert ui.tableButton.enabled


def test_warnings_are_shown_as_notes(panel: Any, runs: list[FakeRun], outcome: Outcome) -> None:
    click(panel.ui.applyButton)
    outcome.warnings.append("the image hardly shows the gray matter")
    runs[0].end(outcome)
    wait_until(lambda: panel.ui.applyButton.enabled, 5)
    note = "Note: the image hardly shows the gray matter."
    assert panel.ui.statusLabel.text.split("\n")[1] == note
    assert shown(panel.ui.statusIconLabel)


def test_cancel_ends_the_run(panel: Any, runs: list[FakeRun]) -> None:
    click(panel.ui.applyButton)
    click(panel.ui.cancelButton)
    assert not runs[0].isRunning
    assert panel.ui.statusLabel.text == "Cancelled. The scene is as it was."
    assert panel.ui.applyButton.enabled
    assert not panel.ui.cancelButton.enabled


def test_a_failure_says_what_to_do(panel: Any, runs: list[FakeRun]) -> None:
    click(panel.ui.applyButton)
    runs[0].end(failure=Failure("no_cord", "no spinal cord was found", "click points along it"))
    wait_until(lambda: panel.ui.applyButton.enabled, 5)
    assert panel.ui.statusLabel.text == "No spinal cord was found; click points along it."
    assert shown(panel.ui.statusIconLabel)
    assert not panel.ui.editButton.enabled


def test_wrong_input_is_told_before_a_run_starts(
    panel: Any, runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise Failure("volume_type", "scan holds 3 values per voxel", "choose another volume")

    monkeypatch.setattr(panel.logic, "segment", refuse)
    click(panel.ui.applyButton)
    assert panel.ui.statusLabel.text == "Scan holds 3 values per voxel; choose another volume."
    assert panel.ui.applyButton.enabled


def test_closing_the_scene_ends_the_run(panel: Any, runs: list[FakeRun], desk: Desk) -> None:
    click(panel.ui.applyButton)
    desk.scene.Clear(False)
    settle()
    assert not runs[0].isRunning
    assert not panel.ui.applyButton.enabled
    scenes.add_array(desk.scene, np.zeros((4, 4, 4), np.float32), np.eye(4), "next")
    panel.enter()
    assert panel.ui.applyButton.enabled


def test_packages_are_installed_with_consent_alone(
    panel: Any, runs: list[FakeRun], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SimpleNamespace(isEmpty=False, text="scikit-image (15 MB) will be installed")
    installed: list[Any] = []
    monkeypatch.setattr(
        dependencies, "install_plan", lambda published: NOTHING_MISSING if installed else plan
    )
    monkeypatch.setattr(dependencies, "install", installed.append)
    desk.dialogs.answer = False
    click(panel.ui.applyButton)
    assert desk.dialogs.said == [plan.text]
    assert not installed
    assert not runs
    desk.dialogs.answer = True
    click(panel.ui.applyButton)
    assert installed == [plan]
    assert len(runs) == 1


def test_published_weights_are_fetched_with_consent_alone(
    panel: Any, runs: list[FakeRun], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[FakeRun] = []

    def fetch(name: str, **asked: Any) -> FakeRun:
        fetched.append(FakeRun(name=name, **asked))
        return fetched[-1]

    monkeypatch.setattr(weights, "offer", lambda name: "t2_ctr 1.6 MB, licence: none stated")
    monkeypatch.setattr(weights, "fetch", fetch)
    choose(panel.ui.weightsComboBox, "Published, by contrast (download)")
    desk.dialogs.answer = False
    click(panel.ui.applyButton)
    assert "t2_ctr 1.6 MB, licence: none stated" in desk.dialogs.said[0]
    assert not fetched
    desk.dialogs.answer = True
    click(panel.ui.applyButton)
    fetched[0].step(0.5, "fetching t2_ctr")
    wait_until(lambda: panel.ui.progressBar.value == 50, 5)
    assert not runs
    fetched[0].end(("t2_ctr.safetensors",))
    wait_until(lambda: bool(runs), 5)
    assert panel.ui.cancelButton.enabled
    assert runs[0].asked["weights"] == "sct"


def test_lesions_need_no_download(panel: Any, runs: list[FakeRun], desk: Desk) -> None:
    click_box(panel.ui.lesionCheckBox)
    click(panel.ui.applyButton)
    assert not desk.dialogs.said
    assert runs[0].asked["weights"] == "default" and "lesion" in runs[0].asked["structures"]


def test_weights_are_imported_with_consent_alone(
    panel: Any, runs: list[FakeRun], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[FakeRun] = []

    def import_files(path: str, **asked: Any) -> FakeRun:
        imported.append(FakeRun(path=path, **asked))
        return imported[-1]

    answer = staticmethod(lambda *_: ("/scans/t2_ctr.h5", "Weights"))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileName", answer)
    monkeypatch.setattr(weights, "import_offer", lambda path: f"{path}, licence: none stated")
    monkeypatch.setattr(weights, "import_files", import_files)
    desk.dialogs.answer = False
    click_hidden(panel.ui.importWeightsButton)
    assert "/scans/t2_ctr.h5, licence: none stated" in desk.dialogs.said[0]
    assert not imported
    desk.dialogs.answer = True
    click_hidden(panel.ui.importWeightsButton)
    imported[0].end(("t2_ctr.safetensors",))
    wait_until(lambda: panel.ui.applyButton.enabled, 5)
    assert panel.ui.statusLabel.text == "The weights are installed."


def test_a_cache_is_cleared_with_consent_alone(
    panel: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path))
    (tmp_path / "t2_ctr.safetensors").write_bytes(b"0" * 2_500_000)
    (tmp_path / "letter.txt").write_text("not ours")
    desk.dialogs.answer = False
    click_hidden(panel.ui.clearWeightsButton)
    assert "2.5 MB" in desk.dialogs.said[0]
    assert (tmp_path / "t2_ctr.safetensors").exists()
    desk.dialogs.answer = True
    click_hidden(panel.ui.clearWeightsButton)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    assert panel.ui.statusLabel.text == "2.5 MB of weights deleted."


@pytest.fixture
def done(panel: Any, runs: list[FakeRun], outcome: Outcome) -> Any:
    """The panel after a run."""
    click(panel.ui.applyButton)
    runs[0].end(outcome)
    wait_until(lambda: panel.ui.applyButton.enabled, 5)
    return panel


def test_a_click_in_the_review_list_shows_the_slice(
    done: Any, outcome: Outcome, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps: list[tuple[Any, ...]] = []
    monkeypatch.setattr(review, "show_row", lambda *where: jumps.append(where))
    table = done.ui.reviewTable
    click_cell(table, 1)
    assert jumps[-1] == (ROWS[1], volume, outcome.curveNode, False)
    click_box(done.ui.perpendicularCheckBox)
    QtTest.QTest.keyClick(table, QtCore.Qt.Key.Key_Up)
    assert jumps[-1] == (ROWS[0], volume, outcome.curveNode, True)
    count = len(jumps)
    click_cell(table, 0)
    assert len(jumps) == count + 1


def test_edit_opens_the_segment_editor_with_the_effect(
    done: Any, desk: Desk, outcome: Outcome, volume: Any
) -> None:
    told: list[Any] = []
    editor = SimpleNamespace(
        setSegmentationNode=told.append,
        setSourceVolumeNode=told.append,
        setActiveEffectByName=told.append,
    )
    slicer.modules.SegmentEditorWidget = SimpleNamespace(editor=editor)
    click(done.ui.editButton)
    assert desk.application.selectedModules == ["SegmentEditor"]
    assert told == [outcome.segmentationNode, volume, "Spinal cord"]


def test_results_are_shown_in_3d(done: Any, outcome: Outcome) -> None:
    display = outcome.segmentationNode.GetDisplayNode()
    for shown_in_3d in (not display.GetVisibility3D(), bool(display.GetVisibility3D())):
        click_box(done.ui.show3DCheckBox)
        assert bool(display.GetVisibility3D()) is shown_in_3d
        done.enter()
        assert done.ui.show3DCheckBox.checked is shown_in_3d


def test_results_are_there_when_the_panel_is_opened_again(done: Any, desk: Desk) -> None:
    again = desk.panel()
    assert again.ui.summaryLabel.text == done.ui.summaryLabel.text
    assert texts(again.ui.reviewTable) == texts(done.ui.reviewTable)
    assert again.ui.editButton.enabled


def test_results_that_were_deleted_are_gone(done: Any, desk: Desk, outcome: Outcome) -> None:
    desk.scene.RemoveNode(outcome.segmentationNode)
    settle()
    assert done.ui.summaryLabel.text == "No results yet."
    assert texts(done.ui.reviewTable) == []
    assert not done.ui.editButton.enabled


def test_table_and_plot_are_put_beside_the_views(done: Any, desk: Desk, outcome: Outcome) -> None:
    fill_areas(outcome.tableNode)
    selection = desk.application.applicationLogic().GetSelectionNode()
    click(done.ui.tableButton)
    assert selection.GetActiveTableID() == outcome.tableNode.GetID()
    click(done.ui.plotButton)
    chart = desk.scene.GetNodeByID(selection.GetActivePlotChartID())
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    assert chart.GetNthPlotSeriesNode(0).GetYColumnName() == "Cord area (mm2)"
    click(done.ui.plotButton)
    assert desk.scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    node = slicer.vtkMRMLLayoutNode
    assert desk.application.layouts[:2] == [
        node.SlicerLayoutFourUpTableView,
        node.SlicerLayoutFourUpPlotView,
    ]


def test_the_mean_area_between_two_landmarks(done: Any, desk: Desk, outcome: Outcome) -> None:
    fill_areas(outcome.tableNode)
    for height in (0.0, 20.0, 40.0):
        outcome.curveNode.AddControlPoint(0, 0, height)
    landmarks = desk.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "C2-C3")
    done.ui.landmarksSelector.setCurrentNode(landmarks)
    landmarks.AddControlPoint(4, 3, 10.2)
    assert done.ui.meanAreaLabel.text == "Click two landmarks; there are 1."
    landmarks.AddControlPoint(4, 3, 30.1)
    # Areas 60, 61, ... 64 mm2 every 10 mm: those at 20 and 30 mm lie between.
    assert done.ui.meanAreaLabel.text == "62.5 mm² over 20 mm (2 slices)"
    fill_areas(outcome.tableNode, cut=3)
    done.enter()
    told = "62.0 mm² over 20 mm (1 slices; cut and left out: 1)"
    assert done.ui.meanAreaLabel.text == told


def test_the_phantom_is_segmented(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with the real command line in a process of its own."""
    monkeypatch.setattr(dependencies, "install_plan", lambda published: NOTHING_MISSING)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    volume = scenes.add_volume(desk.scene, SAMPLE, "phantom_t2w")
    panel = desk.panel()
    click(panel.ui.applyButton)
    fractions: list[int] = []

    def ended() -> bool:
        fractions.append(panel.ui.progressBar.value)
        return bool(panel.ui.applyButton.enabled)

    wait_until(ended, 120)
    assert panel.ui.statusLabel.text.startswith("Done"), panel.ui.logTextEdit.toPlainText()
    assert len(set(fractions)) > 5
    segmentation = panel.logic.getParameterNode().resultSegmentation
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(
        segmentation, segmentation.GetSegmentation().GetNthSegmentID(0), volume
    )
    assert voxels.sum() > 1000
    assert panel.ui.editButton.enabled


def click_box(box: Any) -> None:
    box.setChecked(not box.checked)
    settle()


def click_hidden(button: Any) -> None:
    """Click a button that may lie in a folded part."""
    button.click()
    settle()


def click_cell(table: Any, row: int) -> None:
    rectangle = table.visualItemRect(table.item(row, 1))
    QtTest.QTest.mouseClick(
        table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=rectangle.center()
    )
    settle()


def choose(box: Any, text: str) -> None:
    index = box.findText(text)
    assert index >= 0, text
    box.setCurrentIndex(index)
    settle()


def shown(widget: Any) -> bool:
    """Tell whether a widget is to be seen, once the part it lies in is unfolded."""
    return not widget.isHidden()


def texts(table: Any) -> list[list[str]]:
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def fill_areas(tableNode: Any, cut: int | None = None) -> None:
    """Write areas of 60, 61, ... 64 mm2 every 10 mm into a table; one slice may be cut."""
    from SpinalCordSegCore.areas import SliceAreas, write_table

    number, whole = np.arange(5), np.arange(5) != cut
    write_table(
        tableNode, SliceAreas(number, number * 10.0, number * 0.0, {"cord": 60.0 + number}, whole)
    )
