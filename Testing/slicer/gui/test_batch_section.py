# SPDX-License-Identifier: Apache-2.0
"""The section "Many scans": what can be pressed when, what is told, the report; two real batches.

The real scans are a piece of the phantom that ships, 45 mm high, and an image of nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from PySide6 import QtGui
from SpinalCordSegCore import dependencies
from SpinalCordSegCore.batch import BatchOutcome
from SpinalCordSegCore.messages import Failure

from Testing.slicer.gui.desk import SAMPLE, Desk, settle, wait_until
from Testing.slicer.gui.fake_run import FakeRun
from Testing.slicer.mrml import scene as scenes

NOTHING_MISSING = dependencies.InstallPlan(False, (), ())
NOTE = "1 of 3 scans failed: status.csv says why"


@pytest.fixture
def panel(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel with its section unfolded, and no scan in the scene; all packages are there."""
    monkeypatch.setattr(dependencies, "install_plan", lambda published: NOTHING_MISSING)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    opened = desk.panel()
    opened.ui.batchCollapsibleButton.collapsed = False
    settle()
    return opened


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, panel: Any) -> list[FakeRun]:
    """The batches that were started, which the test drives."""
    started: list[FakeRun] = []

    def segmentFolder(scans: str, results: str, **asked: Any) -> FakeRun:
        started.append(FakeRun(scans=scans, results=results, **asked))
        return started[-1]

    monkeypatch.setattr(panel.logic, "segmentFolder", segmentFolder)
    return started


@pytest.fixture
def ready(panel: Any, tmp_path: Path) -> Any:
    """The panel with both folders chosen."""
    (tmp_path / "scans").mkdir()
    choose_folders(panel.ui, tmp_path)
    return panel


def test_the_section_is_folded_and_asks_for_its_folders(desk: Desk, tmp_path: Path) -> None:
    ui = desk.panel().ui
    assert ui.batchCollapsibleButton.collapsed
    assert ui.batchStatusLabel.text == "Select the folder of the scans first."
    assert not ui.batchRunButton.enabled
    ui.scansPathLineEdit.currentPath = str(tmp_path)
    assert ui.batchRunButton.toolTip == "Select a folder for the results first."
    ui.batchResultsPathLineEdit.currentPath = str(tmp_path / "results")
    assert ui.batchRunButton.enabled
    assert not ui.batchCancelButton.enabled
    assert not shown(ui.batchStatusLabel)
    # No volume is needed for it.
    assert not ui.applyButton.enabled
    ui.cordCheckBox.setChecked(False)
    assert not ui.batchRunButton.enabled
    assert ui.batchStatusLabel.text == "Tick at least one structure first."


def test_a_batch_gets_what_was_chosen(ready: Any, runs: list[FakeRun], tmp_path: Path) -> None:
    ui = ready.ui
    ui.grayMatterCheckBox.setChecked(True)
    ui.refinementComboBox.setCurrentIndex(2)
    ui.retryFailedCheckBox.setChecked(True)
    press(ui.batchRunButton)
    asked = runs[0].asked
    assert asked["scans"] == str(tmp_path / "scans")
    assert asked["results"] == str(tmp_path / "results")
    assert asked["structures"] == ("cord", "gray_matter")
    assert (asked["contrast"], asked["refine"], asked["weights"]) == ("auto", "grlse", "default")
    assert (asked["device"], asked["retryFailed"]) == ("auto", True)


def test_the_folders_of_a_batch_are_there_again_in_the_next_session(
    ready: Any, runs: list[FakeRun], desk: Desk, tmp_path: Path
) -> None:
    assert desk.panel().ui.scansPathLineEdit.currentPath == ""
    press(ready.ui.batchRunButton)
    ui = desk.panel().ui
    assert ui.scansPathLineEdit.currentPath == str(tmp_path / "scans")
    assert ui.batchResultsPathLineEdit.currentPath == str(tmp_path / "results")


def test_a_batch_is_shown_while_it_goes_on_beside_a_scan(
    ready: Any, runs: list[FakeRun], desk: Desk
) -> None:
    ui = ready.ui
    scenes.add_volume(desk.scene, SAMPLE, "phantom_t2w")
    ready.enter()
    press(ui.batchRunButton)
    assert not ui.batchRunButton.enabled
    assert not ui.scansPathLineEdit.enabled
    runs[0].step(0.4, "4 of 10 scans, 1 failed, about 3 min left, sub-04/t2")
    runs[0].secondsElapsed = 610.0
    wait_until(lambda: ui.batchProgressBar.value == 40, 5)
    assert shown(ui.batchProgressBar)
    told = "4 of 10 scans, 1 failed, about 3 min left, sub-04/t2 – 10 min"
    assert ui.batchStatusLabel.text == told
    assert "4 of 10 scans" in ui.logTextEdit.toPlainText()
    # One scan can be segmented meanwhile, and the scene closed.
    assert ui.applyButton.enabled
    assert not shown(ui.progressBar)
    desk.scene.Clear(False)
    settle()
    assert runs[0].isRunning
    press(ui.batchCancelButton)
    assert not runs[0].isRunning
    assert ui.batchStatusLabel.text == "Cancelled. What is done is kept: Run goes on from there."
    assert not ui.batchCancelButton.enabled


def test_failures_of_scans_are_notes(ready: Any, runs: list[FakeRun], tmp_path: Path) -> None:
    ui = ready.ui
    press(ui.batchRunButton)
    report = write_report(tmp_path / "results")
    runs[0].end(BatchOutcome(2, report, (NOTE,)))
    wait_until(lambda: ui.batchRunButton.enabled, 5)
    assert ui.batchStatusLabel.text == f"Done: 2 scans are in the report.\nNote: {NOTE}."
    assert shown(ui.batchStatusIconLabel)
    assert ui.openReportButton.enabled


def test_what_stops_a_batch_is_told(ready: Any, runs: list[FakeRun]) -> None:
    ui = ready.ui
    press(ui.batchRunButton)
    runs[0].end(failure=Failure("input", "another batch is running in results", "wait for its end"))
    wait_until(lambda: ui.batchRunButton.enabled, 5)
    told = "Another batch is running in results; wait for its end."
    assert ui.batchStatusLabel.text == told
    assert not ui.openReportButton.enabled


def test_the_logs_of_both_runs_are_kept(
    ready: Any, runs: list[FakeRun], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = ready.ui
    scenes.add_volume(desk.scene, SAMPLE, "phantom_t2w")
    ready.enter()
    one: list[FakeRun] = []

    def segment(volumeNode: Any, **asked: Any) -> FakeRun:
        one.append(FakeRun(**asked))
        return one[-1]

    monkeypatch.setattr(ready.logic, "segment", segment)
    press(ui.batchRunButton)
    press(ui.applyButton)
    one[0].step(0.3, "outlining the cord")
    runs[0].step(0.4, "4 of 10 scans")
    wait_until(lambda: ui.batchProgressBar.value == 40 and ui.progressBar.value == 30, 5)
    text = ui.logTextEdit.toPlainText()
    assert "outlining the cord" in text
    assert "4 of 10 scans" in text


def test_closing_the_panel_ends_the_batch(ready: Any, runs: list[FakeRun], desk: Desk) -> None:
    press(ready.ui.batchRunButton)
    ready.exit()
    assert runs[0].isRunning
    desk.opened.remove(ready)
    ready.cleanup()
    assert not runs[0].isRunning


def test_the_report_of_an_earlier_run_opens(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    answers = [True, False]

    def open_url(url: Any) -> bool:
        opened.append(url.toLocalFile())
        return answers.pop(0)

    monkeypatch.setattr(QtGui.QDesktopServices, "openUrl", staticmethod(open_url))
    ui = panel.ui
    report = write_report(tmp_path / "Ergebnisse #1 ä")
    ui.batchResultsPathLineEdit.currentPath = str(tmp_path)
    assert not ui.openReportButton.enabled
    ui.batchResultsPathLineEdit.currentPath = str(report.parent)
    assert ui.openReportButton.enabled
    press(ui.openReportButton)
    assert opened == [report.as_posix()]
    press(ui.openReportButton)
    assert ui.batchStatusLabel.text == f"No browser could be started. The report is {report}"
    report.unlink()
    press(ui.openReportButton)
    assert len(opened) == 2
    assert not ui.openReportButton.enabled


def test_two_real_scans_one_of_nothing(panel: Any, desk: Desk, tmp_path: Path) -> None:
    """The whole way, with the real command line in a process of its own."""
    ui = panel.ui
    write_scans(tmp_path / "scans")
    choose_folders(ui, tmp_path)
    before = scenes.nodes(desk.scene)
    press(ui.batchRunButton)
    told: list[str] = []

    def ended() -> bool:
        told.append(ui.batchStatusLabel.text)
        return bool(ui.batchRunButton.enabled)

    wait_until(ended, 400)
    assert any("1 of 2 scans" in text for text in told), ui.logTextEdit.toPlainText()
    assert ui.batchStatusLabel.text == (
        "Done: one scan is in the report.\nNote: 1 of 2 scans failed: status.csv says why."
    )
    results = tmp_path / "results"
    assert "nothing,failed," in (results / "status.csv").read_text()
    assert (results / "t2_label-SC_mask.nii.gz").is_file()
    assert (results / "report.html").is_file()
    assert ui.openReportButton.enabled
    assert scenes.nodes(desk.scene) == before


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed by Linux")
def test_cancel_ends_the_real_process(panel: Any, tmp_path: Path) -> None:
    ui = panel.ui
    write_scans(tmp_path / "scans")
    choose_folders(ui, tmp_path)
    press(ui.batchRunButton)
    # Its own processes have been started by then.
    wait_until(lambda: ui.batchStatusLabel.text.startswith("Checking the settings"), 60)
    group = panel._batch._run._run._worker.pid
    assert living(group)
    press(ui.batchCancelButton)
    # The kernel may take a moment to end what was killed.
    wait_until(lambda: not living(group), 5)
    assert ui.batchStatusLabel.text == "Cancelled. What is done is kept: Run goes on from there."
    assert ui.batchRunButton.enabled


def test_a_folder_without_scans_is_refused(ready: Any) -> None:
    ui = ready.ui
    press(ui.batchRunButton)
    wait_until(lambda: ui.batchRunButton.enabled, 60)
    assert ui.batchStatusLabel.text == (
        "No scan was found in the input; give image files, folders that hold some, or a BIDS "
        "dataset."
    )
    assert shown(ui.batchStatusIconLabel)


def choose_folders(ui: Any, folder: Path) -> None:
    ui.scansPathLineEdit.currentPath = str(folder / "scans")
    ui.batchResultsPathLineEdit.currentPath = str(folder / "results")
    settle()


def press(button: Any) -> None:
    assert button.enabled
    button.click()
    settle()


def shown(widget: Any) -> bool:
    return not widget.isHidden()


def living(group: int) -> list[int]:
    """Return the processes of a group, but for those that have ended and wait to be asked."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = path.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(number) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def write_report(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "report.html"
    path.write_text("<html></html>", encoding="utf-8")
    return path


def write_scans(folder: Path) -> None:
    folder.mkdir()
    # Its second axis runs along the cord.
    piece = sitk.ReadImage(str(SAMPLE))[:, 60:105, :]
    sitk.WriteImage(piece, str(folder / "t2.nii.gz"))
    sitk.WriteImage(sitk.Image([16, 16, 8], sitk.sitkInt16), str(folder / "nothing.nii.gz"))
