# SPDX-License-Identifier: Apache-2.0
"""One command of the library under way in another process: polled, and ended on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from .messages import Failure, as_failure, cancelled
from .worker import Worker, WorkerEnd

Progress = Callable[[float, str], None]
Finished = Callable[[Any, "Failure | None"], None]


class CommandRun:
    """A command that touches no scene; ask it by :meth:`poll` about every 100 ms.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line.
    conclude : callable
        ``conclude(end)`` returns the outcome of a process that ended, or raises a failure.
    progress, finished : callable, optional
        ``progress(fraction, message)``; ``finished(outcome, failure)``, once, one of them None.
    command : sequence of str, optional
        Starts the command line; for tests.

    Raises
    ------
    Failure
        ``crash`` if it cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        conclude: Callable[[WorkerEnd], Any],
        progress: Progress | None = None,
        finished: Finished | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._conclude = conclude
        self._progress = progress or (lambda fraction, message: None)
        self._finished = finished or (lambda outcome, failure: None)
        self._start, self._seconds = time.monotonic(), 0.0
        self._worker = Worker(arguments, command)
        self.isRunning = True

    @property
    def log(self) -> str:
        """What the process said."""
        return self._worker.log

    @property
    def secondsElapsed(self) -> float:
        """How long the run has taken, or took."""
        return time.monotonic() - self._start if self.isRunning else self._seconds

    def poll(self) -> None:
        """Deliver progress and, once, the end; never waits."""
        if not self.isRunning:
            return
        for fraction, message in self._worker.progress():
            self._progress(fraction, message)
            if not self.isRunning:
                # The progress callback cancelled.
                return
        end = self._worker.end()
        if end is None:
            return
        self._worker.kill()
        # A warning may still have been on its way when the result was there.
        self._worker.progress()
        try:
            outcome = self._conclude(self._worker.end() or end)
        except Exception as error:
            self._end(None, as_failure(error))
        else:
            self._end(outcome, None)

    def cancel(self) -> None:
        """End the process and all it started; what it has finished stays."""
        if self.isRunning:
            self._worker.kill()
            self._worker.progress()
            self._end(None, cancelled())

    def _end(self, outcome: Any, failure: Failure | None) -> None:
        self._seconds = time.monotonic() - self._start
        self.isRunning = False
        self._finished(outcome, failure)
