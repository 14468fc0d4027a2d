# SPDX-License-Identifier: Apache-2.0
"""Many scans of a folder, segmented by the command line's ``batch``; the scene has no part in it.

The same folders again go on where an earlier run ended, however that ended.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .command_run import CommandRun, Finished, Progress
from .messages import batch_crashed, from_batch
from .run import settings_arguments
from .worker import WorkerEnd


@dataclass(frozen=True)
class BatchOutcome:
    """How a batch ended.

    Attributes
    ----------
    done : int
        Scans of which the folder has results, those of earlier runs included.
    report : Path or None
        The page to look at them; None where there is no result to show.
    notes : tuple of str
        What a person should know: how many scans failed, and where the reasons are.
    """

    done: int
    report: Path | None
    notes: tuple[str, ...]


def start_batch(
    scans: str | Path,
    results: str | Path,
    structures: Sequence[str] = ("cord",),
    contrast: str = "auto",
    refine: str | None = None,
    weights: Sequence[str] = (),
    device: str = "auto",
    retryFailed: bool = False,
    progress: Progress | None = None,
    finished: Finished | None = None,
    command: Sequence[str] | None = None,
) -> CommandRun:
    """Start a batch in another process.

    Parameters
    ----------
    scans : path
        A folder of scans or of DICOM series, searched below; a BIDS dataset; an image file.
    results : path
        The folder for the results; made if it does not exist.
    structures, contrast, refine, weights, device
        As ``Request`` has them.
    retryFailed : bool
        Try again what failed before with the same settings.
    progress : callable, optional
        ``progress(fraction, message)``; the message counts scans done and failed, and tells the
        time left.
    finished : callable, optional
        ``finished(outcome, failure)``, once: a :class:`BatchOutcome`, also if scans failed, or
        what stopped the batch as a whole.
    command : sequence of str, optional
        Starts the command line; for tests.
    """
    # The process works in another folder.
    folder = _absolute(results)
    arguments = ["batch", str(_absolute(scans)), "-o", str(folder)]
    arguments += settings_arguments(structures, contrast, refine, weights, device)
    if retryFailed:
        arguments.append("--retry-failed")
    conclude = functools.partial(_outcome, folder)
    return CommandRun(arguments, conclude, progress, finished, command)


def report_of(results: str | Path) -> Path | None:
    """Return the report that a folder of results holds, of whatever run; None if there is none."""
    from SpinalCordSegLib.batch.records import REPORT_NAME

    path = _absolute(results) / REPORT_NAME
    return path if str(results) and path.is_file() else None


def _outcome(results: Path, end: WorkerEnd) -> BatchOutcome:
    if end.files is None:
        raise from_batch(end.error) if end.error else batch_crashed(end.status)
    scans = json.loads((results / "batch.json").read_text(encoding="utf-8"))["scans"]
    done = sum(scan["status"] == "done" for scan in scans)
    return BatchOutcome(done, report_of(results), end.warnings)


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()
