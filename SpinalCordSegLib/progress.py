# SPDX-License-Identifier: Apache-2.0
"""Showing how far a run is: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, TextIO

from .errors import Cancelled, SpinalCordSegError

STYLES = ("bar", "json", "none")


class Reporter(Protocol):
    """What a command tells the world while it runs and when it ends."""

    def __call__(self, fraction: float, message: str) -> None:
        """Say how far the run is (0 to 1) and what it is doing."""

    def result(self, paths: Iterable[Path]) -> None:
        """Say which files were written."""

    def error(self, error: SpinalCordSegError) -> None:
        """Say on standard output what went wrong, for a program that reads it."""


def reporter(style: str, stdout: TextIO | None = None, stderr: TextIO | None = None) -> Reporter:
    """Return the reporter of a style.

    Parameters
    ----------
    style : {"bar", "json", "none"}
        A bar on standard error (only where that is a terminal) and the paths of the result on
        standard output; one JSON object a line on standard output; or silence.
    stdout, stderr : TextIO, optional
        Where to write instead of the process's own streams.
    """
    stdout = stdout or sys.stdout
    if style == "json":
        return JsonReporter(stdout)
    return BarReporter(stdout, stderr or sys.stderr) if style == "bar" else SilentReporter()


class SilentReporter:
    """Says nothing."""

    def __call__(self, fraction: float, message: str) -> None:
        """Do nothing."""

    def result(self, paths: Iterable[Path]) -> None:
        """Do nothing."""

    def error(self, error: SpinalCordSegError) -> None:
        """Do nothing."""


class JsonReporter:
    """One JSON object a line, each flushed, so that a program can follow a run through a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, fraction: float, message: str) -> None:
        """Write ``{"fraction": ..., "message": ...}``.

        Raises
        ------
        Cancelled
            If nobody reads any more: the program that started the run has gone.
        """
        fraction = round(min(max(float(fraction), 0.0), 1.0), 4)
        try:
            self._write({"fraction": fraction, "message": message})
        except BrokenPipeError as gone:
            raise Cancelled("the program that followed this run has gone") from gone

    def result(self, paths: Iterable[Path]) -> None:
        """Write ``{"result": [paths]}``."""
        self._write_last({"result": [str(path) for path in paths]})

    def error(self, error: SpinalCordSegError) -> None:
        """Write ``{"error": exit status, "message": ..., "remedy": ...}``."""
        self._write_last(
            {"error": error.exit_status, "message": error.message, "remedy": error.remedy}
        )

    def _write_last(self, line: dict[str, Any]) -> None:
        # By now the work is done or has failed: a reader that went away changes nothing.
        try:
            self._write(line)
        except BrokenPipeError:
            return

    def _write(self, line: dict[str, Any]) -> None:
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()


class BarReporter:
    """A bar that fills while the run goes on; the paths of the result at its end."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        from tqdm import tqdm

        self._stdout = stdout
        # disable=None: no bar where standard error is a file or a pipe.
        self._bar = tqdm(
            total=1.0,
            file=stderr,
            disable=None,
            leave=False,
            bar_format="{percentage:3.0f}% |{bar:30}| {elapsed} {desc}",
        )

    def __call__(self, fraction: float, message: str) -> None:
        """Move the bar; it never moves back."""
        self._bar.set_description_str(message, refresh=False)
        self._bar.update(max(min(fraction, 1.0) - self._bar.n, 0.0))
        self._bar.refresh()

    def result(self, paths: Iterable[Path]) -> None:
        """Clear the bar and print the paths, one a line."""
        self._bar.close()
        try:
            for path in paths:
                print(path, file=self._stdout)
            self._stdout.flush()
        except BrokenPipeError:
            return

    def error(self, error: SpinalCordSegError) -> None:
        """Clear the bar; the sentence itself goes to standard error."""
        self._bar.close()
