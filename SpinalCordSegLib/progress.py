# SPDX-License-Identifier: Apache-2.0
"""Showing how far a run is: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TextIO

from .errors import Cancelled, SpinalCordSegError

STYLES = ("bar", "json", "none")

Progress = Callable[[float, str], None]
"""Called with the fraction done and a message; what it raises stops the run."""


class Reporter(Protocol):
    """What a command tells the world while it runs and when it ends."""

    def __call__(self, fraction: float, message: str) -> None:
        """Say how far the run is (0 to 1) and what it is doing."""

    def warning(self, text: str) -> None:
        """Say on standard error what a person should know."""

    def notice(self, text: str) -> None:
        """Show a person at a terminal some lines they should have seen."""

    def answer(self, text: str) -> None:
        """Write on standard output the lines that were asked for."""

    def ask(self, text: str, question: str) -> bool | None:
        """Show a person some lines and ask for a yes; None if nobody is there to ask."""

    def result(self, paths: Iterable[Path]) -> None:
        """Say which files were written."""

    def error(self, error: SpinalCordSegError) -> None:
        """Say on standard output what went wrong, for a program that reads it."""


def reporter(style: str, stdout: TextIO, stderr: TextIO) -> Reporter:
    """Return the reporter of a style.

    Parameters
    ----------
    style : {"bar", "json", "none"}
        A bar on standard error (only where that is a terminal) and the paths of the result on
        standard output; one JSON object a line on standard output; or nothing but warnings.
    stdout, stderr : TextIO
        Where to write.
    """
    kind = {"bar": BarReporter, "json": JsonReporter, "none": QuietReporter}[style]
    return kind(stdout, stderr)


def part_of(report: Progress, start: float, end: float) -> Progress:
    """Return a report of a step that takes a run from one fraction done to another."""

    def report_step(fraction: float, message: str) -> None:
        report(start + (end - start) * min(max(fraction, 0.0), 1.0), message)

    return report_step


class QuietReporter:
    """Says nothing but warnings."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr

    def __call__(self, fraction: float, message: str) -> None:
        """Say nothing."""

    def warning(self, text: str) -> None:
        """Write one line on standard error."""
        print(f"warning: {text}", file=self._stderr)

    def notice(self, text: str) -> None:
        """Say nothing."""

    def answer(self, text: str) -> None:
        """Write the lines."""
        _write_line(self._stdout, text)

    def ask(self, text: str, question: str) -> bool | None:
        """Ask on the terminal, if that is where input comes from and messages go."""
        terminal = sys.stdin is not None and sys.stdin.isatty() and self._stderr.isatty()
        if not terminal:
            return None
        print(f"{text}\n{question} [y/N] ", end="", file=self._stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def result(self, paths: Iterable[Path]) -> None:
        """Say nothing."""

    def error(self, error: SpinalCordSegError) -> None:
        """Say nothing; the sentence itself goes to standard error."""


class JsonReporter(QuietReporter):
    """One JSON object a line, each flushed, so that a program can follow a run through a pipe."""

    def __call__(self, fraction: float, message: str) -> None:
        """Write ``{"fraction": ..., "message": ...}``.

        Raises
        ------
        Cancelled
            If nobody reads any more: the program that started the run has gone.
        """
        fraction = round(min(max(float(fraction), 0.0), 1.0), 4)
        if not _write_line(self._stdout, json.dumps({"fraction": fraction, "message": message})):
            raise Cancelled("the program that followed this run has gone")

    def ask(self, text: str, question: str) -> bool | None:
        """Ask nobody: a program follows the run."""
        return None

    def result(self, paths: Iterable[Path]) -> None:
        """Write ``{"result": [paths]}``."""
        _write_line(self._stdout, json.dumps({"result": [str(path) for path in paths]}))

    def error(self, error: SpinalCordSegError) -> None:
        """Write ``{"error": exit status, "message": ..., "remedy": ...}``."""
        line = {"error": error.exit_status, "message": error.message, "remedy": error.remedy}
        _write_line(self._stdout, json.dumps(line))


class BarReporter(QuietReporter):
    """A bar that fills while the run goes on; the paths of the result at its end."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        from tqdm import tqdm

        super().__init__(stdout, stderr)
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

    def warning(self, text: str) -> None:
        """Write one line above the bar."""
        self._bar.clear()
        super().warning(text)

    def notice(self, text: str) -> None:
        """Write the lines above the bar; a file or a pipe gets nothing but what goes wrong."""
        if self._stderr.isatty():
            self._bar.clear()
            print(text, file=self._stderr)

    def ask(self, text: str, question: str) -> bool | None:
        """Ask with the bar out of the way."""
        self._bar.clear()
        return super().ask(text, question)

    def result(self, paths: Iterable[Path]) -> None:
        """Clear the bar and print the paths, one a line."""
        self._bar.close()
        for path in paths:
            _write_line(self._stdout, str(path))

    def error(self, error: SpinalCordSegError) -> None:
        """Clear the bar."""
        self._bar.close()


def _write_line(stream: TextIO, line: str) -> bool:
    """Write and flush a line; tell whether anybody still reads the stream."""
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # What is left in the stream would fail again when Python exits, and change its status.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return False
    return True
