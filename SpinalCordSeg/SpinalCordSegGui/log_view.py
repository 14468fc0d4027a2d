# SPDX-License-Identifier: Apache-2.0
"""The log of a run, and a button that copies it."""

from __future__ import annotations

from typing import Any

import qt


class LogView:
    """Shows a growing log.

    Parameters
    ----------
    ui : namespace
        With ``logTextEdit`` and ``copyLogButton``.
    """

    def __init__(self, ui: Any) -> None:
        self._text = ui.logTextEdit
        self._shown = ""
        ui.copyLogButton.connect("clicked(bool)", self._copy)

    def show(self, log: str) -> None:
        """Show the whole log, its end in sight."""
        if log == self._shown:
            return
        self._shown = log
        self._text.setPlainText(log)
        self._text.moveCursor(qt.QTextCursor.End)

    def _copy(self, _checked: bool = False) -> None:
        qt.QApplication.clipboard().setText(self._shown)
