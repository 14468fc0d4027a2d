# SPDX-License-Identifier: Apache-2.0
"""The table of slices that a person should look at: a click shows the slice in all views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

_WORDS = ((0.66, "high"), (0.33, "medium"), (0.0, "low"))


class ReviewList:
    """Shows review rows in a table, worst first.

    Parameters
    ----------
    table : QTableWidget
    jump : callable
        Called with the row that was selected, by mouse or keyboard.
    """

    def __init__(self, table: Any, jump: Callable[[Any], None]) -> None:
        self._table = table
        self._jump = jump
        self._rows: list[Any] = []
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(2, qt.QHeaderView.ResizeToContents)
        header.setHighlightSections(False)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.connect("itemSelectionChanged()", self._onSelection)
        # A second click on the selected row brings the views back to it.
        table.connect("cellClicked(int,int)", self._onClick)

    def show(self, rows: Sequence[Any]) -> None:
        """Fill the table."""
        wasBlocked = self._table.blockSignals(True)
        self._rows = list(rows)
        self._table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            tip = _("Severity {severity:.2f} of 1. Click to see the slice in all views.").format(
                severity=row.severity
            )
            reason = row.reason[:1].upper() + row.reason[1:]
            for column, text in enumerate((str(row.sliceIndex), reason, _severity(row.severity))):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                self._table.setItem(number, column, item)
        self._table.clearSelection()
        self._table.blockSignals(wasBlocked)

    def _onSelection(self) -> None:
        self._jumpTo(self._table.currentRow())

    def _onClick(self, row: int, _column: int) -> None:
        self._jumpTo(row)

    def _jumpTo(self, number: int) -> None:
        if 0 <= number < len(self._rows):
            self._jump(self._rows[number])


def _severity(severity: float) -> str:
    translated = {"high": _("high"), "medium": _("medium"), "low": _("low")}
    return translated[next(word for least, word in _WORDS if severity >= least)]
