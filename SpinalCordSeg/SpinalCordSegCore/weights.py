# SPDX-License-Identifier: Apache-2.0
"""Published weights: what a person should know of them, getting them, getting rid of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from SpinalCordSegLib.errors import SpinalCordSegError

from .messages import Failure, cancelled, crashed, from_worker
from .worker import Worker

Progress = Callable[[float, str], None]
Finished = Callable[[Any, "Failure | None"], None]


class WeightsRun:
    """Weights being fetched or imported in another process; polled like any run.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line.
    progress, finished : callable, optional
        ``progress(fraction, message)``; ``finished(files, failure)``, once, one of them None.
    command : sequence of str, optional
        Starts the command line; for tests.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        progress: Progress | None = None,
        finished: Finished | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._progress = progress or (lambda fraction, message: None)
        self._finished = finished or (lambda files, failure: None)
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
        end = self._worker.end()
        if end is None:
            return
        self._worker.kill()
        if end.files is not None:
            self._end(end.files, None)
        else:
            self._end(None, from_worker(end.error) if end.error else crashed(end.status))

    def cancel(self) -> None:
        """End the process; what was installed already stays."""
        if self.isRunning:
            self._worker.kill()
            self._worker.progress()
            self._end(None, cancelled())

    def _end(self, files: Any, failure: Failure | None) -> None:
        self._seconds = time.monotonic() - self._start
        self.isRunning = False
        self._finished(files, failure)


def offer(name: str = "sct") -> str | None:
    """Return what a person should know before published weights are fetched.

    Parameters
    ----------
    name : str
        Of a set, a collection, or ``sct`` for all.

    Returns
    -------
    str or None
        Origin, size, licence and citation of what is not on this computer; None if all of it is.
    """
    with _as_failures():
        from SpinalCordSegLib.weights import install
        from SpinalCordSegLib.weights.registry import published_group

        entries = [entry for entry in published_group(name) if install.is_supported(entry)]
        missing = [entry for entry in entries if not install.is_installed(entry)]
        return install.offer(missing) if missing else None


def fetch(
    name: str = "sct",
    progress: Progress | None = None,
    finished: Finished | None = None,
    command: Sequence[str] | None = None,
) -> WeightsRun:
    """Start to download published weights; ask the user before, with :func:`offer`."""
    return WeightsRun(["weights", "fetch", name, "--yes"], progress, finished, command)


def import_offer(path: str) -> str:
    """Return what a person should know before the published weights in a file are installed.

    Raises
    ------
    Failure
        ``weights`` if the file holds none, or is damaged.
    """
    with _as_failures():
        from SpinalCordSegLib.weights.archives import find_published_files
        from SpinalCordSegLib.weights.install import offer as text

        return text(found.entry for found in find_published_files(Path(path)))


def import_files(
    path: str,
    progress: Progress | None = None,
    finished: Finished | None = None,
    command: Sequence[str] | None = None,
) -> WeightsRun:
    """Start to install published weights from a file; ask the user before."""
    return WeightsRun(["weights", "import", path, "--yes"], progress, finished, command)


def cached_bytes() -> int:
    """Return how much the user's weights take on disk."""
    with _as_failures():
        return sum(path.stat().st_size for path in _cached())


def clear() -> int:
    """Delete the user's weights, and only these, and return how many bytes that freed.

    Raises
    ------
    Failure
        ``weights`` if a file cannot be deleted.
    """
    with _as_failures():
        freed = 0
        for path in _cached():
            size = path.stat().st_size
            try:
                path.unlink()
            except OSError as error:
                raise Failure(
                    "weights",
                    f"{path} cannot be deleted ({error.strerror})",
                    "close other programs that use it and try again",
                ) from error
            freed += size
        return freed


def _cached() -> list[Path]:
    """Return the weights and broken downloads in the user's folder, which may hold more."""
    from SpinalCordSegLib.weights.store import SUFFIX, weights_folder

    folder = weights_folder()
    return sorted({*folder.glob(f"*{SUFFIX}"), *folder.glob(".*.part")})


@contextlib.contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except Failure:
        raise
    except SpinalCordSegError as error:
        raise from_worker(
            {"error": error.exit_status, "message": error.message, "remedy": error.remedy}
        ) from error
    except ModuleNotFoundError as error:
        raise from_worker({"error": 1, "message": str(error), "remedy": ""}) from error
