# SPDX-License-Identifier: Apache-2.0
"""The library's command line in a process of its own: started, followed and ended.

Slicer stays responsive while it runs, and as it was if it crashes. Two threads read what the
process says, so that asking never waits; nothing here touches the scene.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import library_folder
from .messages import not_started

# How long a process that is asked to end may take to clean up, before it is killed.
_GRACE_SECONDS = 0.4


@dataclass(frozen=True)
class WorkerEnd:
    """How the process ended.

    Attributes
    ----------
    status : int
        Exit status; negative if a signal ended it.
    files : tuple of Path or None
        What it wrote; None if it did not say that it was done.
    error : mapping or None
        ``{"error": status, "message": ..., "remedy": ...}`` if it said what went wrong.
    warnings : tuple of str
    """

    status: int
    files: tuple[Path, ...] | None
    error: Mapping[str, Any] | None
    warnings: tuple[str, ...]


class Worker:
    """A process that runs one command of the library.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line, without ``--progress json``.
    command : sequence of str, optional
        What to start instead of Python on the library.

    Raises
    ------
    Failure
        ``crash`` if it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], command: Sequence[str] | None = None) -> None:
        start = [*(command or python_command()), *arguments, "--progress", "json"]
        self._lines: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._log: list[str] = ["$ " + subprocess.list2cmdline(start)]
        self._warnings: list[str] = []
        self._files: tuple[Path, ...] | None = None
        self._error: Mapping[str, Any] | None = None
        own_group: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        try:
            self._process = subprocess.Popen(
                start,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                cwd=library_folder(),
                env=_environment(),
                **own_group,
            )
        except OSError as error:
            raise not_started(error.strerror or str(error)) from error
        self._threads = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything the process said on standard error, and its command."""
        return "\n".join(self._log)

    def progress(self) -> list[tuple[float, str]]:
        """Return fraction and message of each step since the last call; never waits."""
        steps = []
        while not self._lines.empty():
            source, line = self._lines.get()
            if source == "err":
                self._heard(line)
                continue
            step = self._told(line)
            if step is not None:
                steps.append(step)
        return steps

    def end(self) -> WorkerEnd | None:
        """Return how the process ended, or None while it runs; never waits.

        Its files are whole once it has named them: how long it takes to close down is no matter.
        """
        if self._files is not None:
            return WorkerEnd(0, self._files, None, tuple(self._warnings))
        status = self._process.poll()
        if status is None or any(thread.is_alive() for thread in self._threads):
            return None
        if not self._lines.empty():
            return None
        return WorkerEnd(status, self._files, self._error, tuple(self._warnings))

    def kill(self, atOnce: bool = False) -> None:
        """End the process and all it started, within a second.

        Parameters
        ----------
        atOnce : bool
            Leave it no time to clean up, where all it writes lies in a folder that is removed.
        """
        _end_tree(self._process, 0.0 if atOnce else _GRACE_SECONDS)
        for thread in self._threads:
            thread.join(0.1)

    def _read(self, name: str, stream: IO[str]) -> None:
        with contextlib.suppress(ValueError, OSError), stream:
            for line in stream:
                self._lines.put((name, line.rstrip("\n")))

    def _heard(self, line: str) -> None:
        self._log.append(line)
        if line.startswith("warning: "):
            self._warnings.append(line.removeprefix("warning: "))

    def _told(self, line: str) -> tuple[float, str] | None:
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            # A library below ours that prints.
            self._log.append(line)
            return None
        if "result" in told:
            self._files = tuple(Path(name) for name in told["result"])
        if "error" in told:
            self._error = told
            self._log.append(line)
        if "fraction" not in told:
            return None
        step = float(told["fraction"]), str(told.get("message", ""))
        self._log.append(f"{step[0]:4.0%} {step[1]}")
        return step


def python_command() -> list[str]:
    """Return what starts the library's command line: PythonSlicer, or this very Python."""
    if hasattr(sys.modules.get("slicer"), "app"):
        # sys.executable is the application there, and starting it would open a second window.
        python = shutil.which("PythonSlicer")
        if python is None:
            raise not_started("PythonSlicer is not on the path")
        return [python, "-m", "SpinalCordSegLib"]
    return [sys.executable, "-m", "SpinalCordSegLib"]


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    if hasattr(sys.modules.get("slicer"), "app"):
        from slicer.util import startupEnvironment

        # PythonSlicer sets up the rest itself, and must not find it there already.
        environment = dict(startupEnvironment())
    return environment | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def _end_tree(process: subprocess.Popen[str], grace: float) -> None:
    if sys.platform == "win32":
        # Ending the launcher alone would leave Python running.
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
            check=False,
        )
        process.wait()
        return
    if grace:
        _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while _group_lives(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(process: subprocess.Popen[str]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except OSError:
        return False
    return True


def _signal_group(group: int, number: int) -> None:
    # The process leads its group, and keeps its number even after it ended until it is waited for.
    with contextlib.suppress(OSError):
        os.killpg(group, number)
