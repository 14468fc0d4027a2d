# SPDX-License-Identifier: Apache-2.0
"""What a person said of the results in the QC report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidArgument

MARKS = ("pass", "fail", "artefact")


def read_marks(path: Path) -> Mapping[str, str]:
    """Return the mark of each scan, by its id; the notes stay in the file.

    Raises
    ------
    InvalidArgument
        If the file cannot be read or is not one that the report has saved.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        marks = {scan: entry["mark"] for scan, entry in content["marks"].items()}
        known = content["format"] == 1 and set(marks.values()) <= {*MARKS, "", None}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        known = False
    if not known:
        raise InvalidArgument(
            f"{path.name} is not a file of marks", "give the file that the QC report has saved"
        )
    return {scan: mark for scan, mark in marks.items() if mark}
