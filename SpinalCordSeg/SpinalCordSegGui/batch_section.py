# SPDX-License-Identifier: Apache-2.0
"""Many scans: two folders, a batch that goes on beside everything else, and its report."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _
from SpinalCordSegCore.batch import BatchOutcome, report_of
from SpinalCordSegCore.messages import Failure

from .consent import when_all_is_there
from .parameters import (
    SpinalCordSegParameters,
    missing_settings,
    needs_published,
    settings_of,
)
from .run_progress import RunProgress
from .status_line import StatusLine


class BatchSection:
    """Starts, follows and ends a batch, and opens the report of its results.

    The scene has no part in it; the run of one scan may go on at the same time.

    Parameters
    ----------
    ui : namespace
        The widgets of the section "Many scans".
    logic : SpinalCordSegLogic
    log : callable
        Called with the whole log of the batch whenever it may have grown.
    """

    def __init__(self, ui: Any, logic: Any, log: Callable[[str], None]) -> None:
        self._ui, self._logic = ui, logic
        self._parameters: SpinalCordSegParameters | None = None
        self._status = StatusLine(
            SimpleNamespace(
                statusLabel=ui.batchStatusLabel, statusIconLabel=ui.batchStatusIconLabel
            )
        )
        self._run = RunProgress(ui.batchProgressBar, self._status, self._updateGui, log)
        for folder in (ui.scansPathLineEdit, ui.batchResultsPathLineEdit):
            folder.filters = ctk.ctkPathLineEdit.Dirs
            folder.connect("currentPathChanged(QString)", self._onFolder)
        ui.batchRunButton.connect("clicked(bool)", self._onRun)
        ui.batchCancelButton.connect("clicked(bool)", self._onCancel)
        ui.openReportButton.connect("clicked(bool)", self._onOpenReport)

    def update(self, parameters: SpinalCordSegParameters | None) -> None:
        """Take up the settings that the next batch would have; None while the panel is closed."""
        self._parameters = parameters
        self._updateGui()

    def stop(self) -> None:
        """End the batch, for good: what is done is kept."""
        self._run.stop()

    def _missing(self) -> str:
        if self._parameters is None:
            return _("The panel is closed.")
        if not self._ui.scansPathLineEdit.currentPath.strip():
            return _("Select the folder of the scans first.")
        if not self._results:
            return _("Select a folder for the results first.")
        return missing_settings(self._parameters)

    @property
    def _results(self) -> str:
        return str(self._ui.batchResultsPathLineEdit.currentPath).strip()

    def _updateGui(self) -> None:
        ui, running, missing = self._ui, self._run.isRunning, self._missing()
        ui.batchRunButton.setEnabled(not running and not missing)
        ui.batchRunButton.setToolTip(missing or _("Segment all scans that have no results yet."))
        if self._parameters is not None and not running:
            self._status.hint(missing)
        ui.batchCancelButton.setEnabled(running)
        ui.batchCancelButton.setToolTip(
            _("End the run; what is done is kept, and Run goes on from there.")
            if running
            else _("Nothing is running.")
        )
        for chosen in (ui.scansPathLineEdit, ui.batchResultsPathLineEdit, ui.retryFailedCheckBox):
            chosen.setEnabled(not running)
        there = report_of(self._results) is not None
        ui.openReportButton.setEnabled(there)
        ui.openReportButton.setToolTip(
            _("Look at every scan of the results, in the browser.")
            if there
            else _("The folder for the results holds no report yet.")
        )

    def _onFolder(self, _path: str) -> None:
        self._updateGui()

    def _onRun(self, _checked: bool = False) -> None:
        missing = self._missing()
        if missing:
            # The last character of a path was taken away, which CTK tells nobody.
            self._updateGui()
            return
        start = functools.partial(
            self._start,
            self._ui.scansPathLineEdit.currentPath.strip(),
            self._results,
            retryFailed=self._ui.retryFailedCheckBox.checked,
            **settings_of(self._parameters),
        )
        when_all_is_there(self._run, self._status, needs_published(self._parameters), start)

    def _start(self, scans: str, results: str, **settings: Any) -> None:
        try:
            run = self._logic.segmentFolder(
                scans, results, **settings, progress=self._run.show, finished=self._finished
            )
        except Failure as failure:
            self._status.fail(failure)
        else:
            self._run.follow(run)
            # The next session of Slicer begins with them.
            self._ui.scansPathLineEdit.addCurrentPathToHistory()
            self._ui.batchResultsPathLineEdit.addCurrentPathToHistory()

    def _finished(self, outcome: BatchOutcome | None, failure: Failure | None) -> None:
        if outcome is not None:
            self._status.succeed(_summary(outcome), list(outcome.notes))
        elif failure is not None and failure.kind == "cancelled":
            self._status.say(_("Cancelled. What is done is kept: Run goes on from there."))
        elif failure is not None:
            self._status.fail(failure)

    def _onCancel(self, _checked: bool = False) -> None:
        self._run.cancel()

    def _onOpenReport(self, _checked: bool = False) -> None:
        report = report_of(self._results)
        self._updateGui()
        if report is not None and not qt.QDesktopServices.openUrl(
            qt.QUrl.fromLocalFile(str(report))
        ):
            text = _("No browser could be started. The report is {path}")
            self._status.say(text.format(path=report))


def _summary(outcome: BatchOutcome) -> str:
    """Return how many scans have results, in a sentence."""
    return {
        0: _("Done: no scan has results."),
        1: _("Done: one scan is in the report."),
    }.get(outcome.done, _("Done: {count} scans are in the report.").format(count=outcome.done))
