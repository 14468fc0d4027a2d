# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV text that a spreadsheet opens as what it is."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A spreadsheet takes a cell that begins like this for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_DIGITS = 4


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table as CSV text.

    Parameters
    ----------
    columns : sequence of str
        The header; a unit belongs to the end of a name, such as ``area_mm2``.
    rows : iterable of mapping
        By column; what a row lacks stays empty. Numbers are rounded to 4 digits after the point,
        those that are not finite and None stay empty, true and false are 1 and 0. Text that a
        spreadsheet would take for a formula gets an apostrophe in front.

    Returns
    -------
    str
        Lines end with a line feed.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([_cell(name) for name in columns])
    table.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str | int | float | None:
    if value is None:
        return None
    if isinstance(value, str):
        # Blanks in front do not keep it from being a formula.
        risky = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
        return f"'{value}" if risky else value
    if not math.isfinite(value):
        return None
    rounded = round(float(value), _DIGITS)
    return int(rounded) if rounded.is_integer() else rounded
