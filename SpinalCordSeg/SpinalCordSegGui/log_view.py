# SPDX-License-Identifier: Apache-2.0
"""The log of the runs, and a button that copies it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


class LogView:
    """Shows the growing logs of runs that may go on beside each other, one below the other.

    Parameters
    ----------
    ui : namespace
        With ``logTextEdit`` and ``copyLogButton``.
    """

    def __init__(self, ui: Any) -> None:
        self._text = ui.logTextEdit
        self._logs: list[str] = []
        self._shown = ""
        ui.copyLogButton.connect("clicked(bool)", self._copy)

    def part(self) -> Callable[[str], None]:
        """Return what shows the whole log of one kind of run."""
        number = len(self._logs)
        self._logs.append("")

        def show(log: str) -> None:
            self._logs[number] = log
            self._showAll()

        return show

    def _showAll(self) -> None:
        """Show all logs, their end in sight."""
        log = "\n\n".join(filter(None, self._logs))
        if log == self._shown:
            return
        self._shown = log
        self._text.setPlainText(log)
        self._text.moveCursor(qt.QTextCursor.End)

    def _copy(self, _checked: bool = False) -> None:
        qt.QApplication.clipboard().setText(self._shown)
