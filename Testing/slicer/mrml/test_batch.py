# SPDX-License-Identifier: Apache-2.0
"""A batch from inside Slicer: what is started, what it tells, how it ends, what stays."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from SpinalCordSegCore.batch import BatchOutcome, report_of
from SpinalCordSegCore.command_run import CommandRun
from SpinalCordSegCore.logic import SpinalCordSegLogic
from SpinalCordSegCore.messages import KINDS, Failure, from_batch

from SpinalCordSegLib.batch.records import REPORT_NAME
from SpinalCordSegLib.cli import command_parser
from SpinalCordSegLib.errors import OutOfResources, OutputNotWritable

# Tells its arguments, writes what a batch leaves, and ends as it is asked.
FAKE = """
import json, pathlib, sys, time
how, arguments = sys.argv[1], sys.argv[2:]
results = pathlib.Path(arguments[arguments.index("-o") + 1])
print(json.dumps({"fraction": 0.5, "message": " ".join(arguments)}), flush=True)
if how == "stay":
    time.sleep(60)
if how == "die":
    sys.exit(9)
results.mkdir()
scans = [{"status": "done"}, {"status": "failed"}, {"status": "done"}]
(results / "batch.json").write_text(json.dumps({"scans": scans}))
if how == "report":
    (results / "report.html").write_text("<html>")
print("warning: 1 of 3 scans failed: status.csv says why", file=sys.stderr, flush=True)
print(json.dumps({"result": [str(results / "batch.json")]}), flush=True)
"""


class Ending:
    """Keeps what a run told."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []
        self.ends: list[tuple[Any, Failure | None]] = []

    def start(self, how: str, folder: Path, **settings: Any) -> CommandRun:
        """Start a batch of which a script takes the place."""
        return SpinalCordSegLogic([sys.executable, "-c", FAKE, how]).segmentFolder(
            folder / "scans",
            folder / "results",
            progress=lambda *step: self.steps.append(step),
            finished=lambda *end: self.ends.append(end),
            **settings,
        )


def follow(run: CommandRun, ended: bool = True) -> None:
    """Poll until the run has ended, or has told something."""
    end = time.monotonic() + 30
    while run.isRunning and time.monotonic() < end:
        run.poll()
        if not ended and "50%" in run.log:
            return
        time.sleep(0.02)
    assert not run.isRunning


def test_the_command_line_is_that_of_the_terminal(tmp_path: Path) -> None:
    told = Ending()
    follow(
        told.start(
            "report",
            tmp_path,
            structures=("white_matter", "cord"),
            contrast="t2s",
            refine="grlse",
            weights=("a.h5", "b.h5"),
            device="cpu",
            retryFailed=True,
        )
    )
    words = told.steps[0][1].split()
    assert words[-2:] == ["--progress", "json"]
    arguments = command_parser().parse_args(words)
    assert arguments.inputs == [str(tmp_path / "scans")]
    assert arguments.output == tmp_path / "results"
    assert arguments.structures == "cord,wm"
    assert (arguments.contrast, arguments.refine, arguments.device) == ("t2s", "grlse", "cpu")
    assert arguments.weights == ["a.h5", "b.h5"]
    assert arguments.retry_failed
    assert arguments.jobs == 1


def test_scans_that_fail_are_no_failure_of_the_run(tmp_path: Path) -> None:
    told = Ending()
    follow(told.start("report", tmp_path))
    note = "1 of 3 scans failed: status.csv says why"
    report = tmp_path / "results" / REPORT_NAME
    assert told.ends == [(BatchOutcome(2, report, (note,)), None)]
    assert report_of(tmp_path / "results") == report


def test_without_a_result_there_is_no_report(tmp_path: Path) -> None:
    told = Ending()
    follow(told.start("none", tmp_path))
    assert told.ends[0][0].report is None
    assert report_of("") is None


def test_a_process_that_dies_says_what_stays(tmp_path: Path) -> None:
    told = Ending()
    follow(told.start("die", tmp_path))
    ((outcome, failure),) = told.ends
    assert outcome is None
    assert failure is not None
    assert failure.kind == "crash"
    assert str(failure).startswith(
        "the process that segments ended with status 9 before all scans were done; what is done "
        "is kept; close other programs to free memory and press Run"
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_cancelled(tmp_path: Path) -> None:
    told = Ending()
    run = told.start("stay", tmp_path)
    follow(run, ended=False)
    run.cancel()
    with pytest.raises(ProcessLookupError):
        os.killpg(run._worker.pid, 0)
    ((outcome, failure),) = told.ends
    assert outcome is None
    assert failure is not None
    assert failure.kind == "cancelled"
    run.cancel()
    run.poll()
    assert len(told.ends) == 1


def test_structures_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no structure to segment was chosen"):
        Ending().start("report", tmp_path, structures=())


def test_the_real_command_refuses_a_folder_without_scans(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    told = Ending()
    run = SpinalCordSegLogic().segmentFolder(
        tmp_path / "scans",
        tmp_path / "results",
        finished=lambda *end: told.ends.append(end),
    )
    follow(run)
    ((_, failure),) = told.ends
    assert str(failure) == (
        "no scan was found in the input; give image files, folders that hold some, or a BIDS "
        "dataset."
    )
    assert failure is not None
    assert failure.kind == "input"
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OutputNotWritable("results is a file", "choose another output folder with -o"),
            "results is a file; choose another output folder.",
        ),
        (
            OutOfResources("the disk that holds results is full", "choose another folder"),
            "the disk that holds results is full; choose another folder.",
        ),
    ],
)
def test_folders_are_told_about_as_the_batch_does(error: OutputNotWritable, sentence: str) -> None:
    told = json.loads(
        json.dumps({"error": error.exit_status, "message": error.message, "remedy": error.remedy})
    )
    failure = from_batch(told)
    assert str(failure) == sentence
    assert failure.kind in KINDS
