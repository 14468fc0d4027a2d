# SPDX-License-Identifier: Apache-2.0
"""One segmentation under way: its process, its folder, and what becomes of it."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .curve import write_centerline_file
from .messages import Failure, as_failure, cancelled, crashed, from_worker
from .private_folder import PrivateFolder
from .results import Results, read_results
from .volume import Grid, write_volume
from .worker import Worker, WorkerEnd

STEM = "image"
# What the command line calls the structures.
_WORDS = {"cord": "cord", "gray_matter": "gm", "white_matter": "wm", "lesion": "lesion"}

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Request:
    """What to segment, and how; as ``SpinalCordSegLogic.segment`` takes it."""

    volumeNode: Any
    structures: tuple[str, ...] = ("cord",)
    contrast: str = "auto"
    centerline: Any = None
    refine: str | None = None
    weights: tuple[str, ...] = ()
    device: str = "auto"


@dataclass(frozen=True)
class Finding:
    """What the process found, before anything of it is in the scene."""

    results: Results
    grid: Grid
    seconds: float
    warnings: list[str] = field(default_factory=list)


class Run:
    """A segmentation in another process; ask it by :meth:`poll` about every 100 ms.

    Parameters
    ----------
    request : Request
        Its volume has been checked.
    deliver : callable
        ``deliver(finding)`` puts the result into the scene and returns the outcome.
    progress, finished : callable, optional
        ``progress(fraction, message)``; ``finished(outcome, failure)``, once, one of them None.
    command : sequence of str, optional
        Starts the command line; for tests.
    """

    def __init__(
        self,
        request: Request,
        deliver: Callable[[Finding], Any],
        progress: Progress | None = None,
        finished: Callable[[Any, Failure | None], None] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._request, self._deliver, self._command = request, deliver, command
        self._progress = progress or (lambda fraction, message: None)
        self._finished = finished or (lambda outcome, failure: None)
        self._start, self._seconds = time.monotonic(), 0.0
        self._earlier, self._notes = "", list[str]()
        self._device = request.device
        self.isRunning = True
        self.outcome: Any = None
        self.failure: Failure | None = None
        self._folder = PrivateFolder()
        try:
            self._grid = write_volume(request.volumeNode, self._folder.path / f"{STEM}.nrrd")
            if request.centerline is not None:
                write_centerline_file(
                    request.centerline, request.volumeNode, self._grid, self._curve_file
                )
            self._worker = self._start_worker()
        except BaseException:
            self._folder.remove()
            raise

    @property
    def log(self) -> str:
        """What the process said, for a person who asks why."""
        return self._earlier + self._worker.log

    @property
    def secondsElapsed(self) -> float:
        """How long the run has taken, or took."""
        return time.monotonic() - self._start if self.isRunning else self._seconds

    def poll(self) -> None:
        """Deliver progress and, once, the end. Waits for nothing but the scene."""
        if not self.isRunning:
            return
        for fraction, message in self._worker.progress():
            self._progress(fraction, message)
            if not self.isRunning:
                # The progress callback cancelled.
                return
        end = self._worker.end()
        if end is not None:
            self._conclude(end)

    def cancel(self) -> None:
        """End the process and everything it started; the scene stays as it was."""
        if self.isRunning:
            self._worker.kill(atOnce=True)
            self._worker.progress()
            self._end(None, cancelled())

    def wait(self) -> Any:
        """Block until the run has ended, and return its outcome.

        Raises
        ------
        Failure
            As ``finished`` would get it.
        """
        try:
            while self.isRunning:
                self.poll()
                time.sleep(0.02)
        except BaseException:
            # Ctrl-C, or a progress callback that raised.
            with contextlib.suppress(Exception):
                self.cancel()
            raise
        if self.failure is not None:
            raise self.failure
        return self.outcome

    @property
    def _curve_file(self) -> Path:
        return self._folder.path / "centerline.csv"

    def _start_worker(self) -> Worker:
        request, folder = self._request, self._folder.path
        arguments = ["segment", str(folder / f"{STEM}.nrrd"), "-o", str(folder / "result")]
        arguments += settings_arguments(
            request.structures, request.contrast, request.refine, request.weights, self._device
        )
        if request.centerline is not None:
            arguments += ["--centerline", str(self._curve_file)]
        return Worker(arguments, self._command)

    def _conclude(self, end: WorkerEnd) -> None:
        self._worker.kill(atOnce=True)
        if end.files is None:
            failure = from_worker(end.error) if end.error else crashed(end.status)
            if failure.kind == "gpu_memory" and self._device != "cpu":
                self._retry_on_cpu()
            else:
                self._end(None, failure)
            return
        try:
            results = read_results(
                self._folder.path / "result", STEM, self._request.structures, self._grid
            )
            self._seconds = time.monotonic() - self._start
            outcome = self._deliver(
                Finding(results, self._grid, self._seconds, [*self._notes, *end.warnings])
            )
        except Exception as error:
            self._earlier += f"{traceback.format_exc()}\n"
            self._end(None, as_failure(error))
        else:
            self._end(outcome, None)

    def _retry_on_cpu(self) -> None:
        note = "the graphics card ran out of memory: running again on the processor"
        self._notes.append(note)
        self._earlier = f"{self.log}\n{note}\n"
        self._device = "cpu"
        self._progress(0.0, note)
        try:
            self._worker = self._start_worker()
        except Failure as failure:
            self._end(None, failure)

    def _end(self, outcome: Any, failure: Failure | None) -> None:
        self._folder.remove()
        self._seconds = time.monotonic() - self._start
        self.isRunning = False
        self.outcome, self.failure = outcome, failure
        self._finished(outcome, failure)


def settings_arguments(
    structures: Sequence[str],
    contrast: str,
    refine: str | None,
    weights: Sequence[str],
    device: str,
) -> list[str]:
    """Return what the command line is told of the settings that one scan and many have."""
    arguments = ["--structures", ",".join(_WORDS[name] for name in structures)]
    arguments += ["--contrast", contrast, "--device", device]
    if weights:
        arguments += ["--weights", *weights]
    if refine is not None:
        arguments += ["--refine", refine]
    return arguments
