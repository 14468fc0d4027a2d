# SPDX-License-Identifier: Apache-2.0
"""What a person thought of each scan: the file that the report's page downloads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgument

FORMAT = 1
MARKS = ("pass", "fail", "artefact")
# No cohort has marks as large; anything else must not fill the memory.
_MOST_BYTES = 100_000_000


@dataclass(frozen=True)
class QualityMark:
    """A person's verdict on a scan.

    Attributes
    ----------
    mark : str or None
        ``pass``, ``fail`` (the outline is wrong) or ``artefact`` (the scan itself is not fit to
        be measured); None where there is only a note.
    note : str
    """

    mark: str | None
    note: str = ""


def read_marks(path: Path) -> dict[str, QualityMark]:
    """Read marks that the report's page has downloaded.

    Parameters
    ----------
    path : Path
        ``{"format": 1, "marks": {ID: {"mark": "pass" | "fail" | "artefact", "note": TEXT}}}``

    Returns
    -------
    dict of str to QualityMark
        By the scan's id as in ``batch.json``.

    Raises
    ------
    InvalidArgument
        If the file is not there or is no such file.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _not_marks(path, "it is too large")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidArgument(
            f"{path.name} cannot be read ({error.strerror or error})",
            "give the file that the report's page has downloaded",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _not_marks(path, "it is not JSON") from error
    if not isinstance(content, dict) or not isinstance(content.get("marks"), dict):
        raise _not_marks(path, "it has no marks")
    if content.get("format") != FORMAT:
        raise _not_marks(path, f"its format is not {FORMAT}")
    return {scan: _mark(path, scan, given) for scan, given in content["marks"].items()}


def _mark(path: Path, scan: str, given: object) -> QualityMark:
    if not isinstance(given, dict):
        raise _not_marks(path, f"its mark of {scan!r} is none")
    mark, note = given.get("mark"), given.get("note", "")
    if (mark is not None and mark not in MARKS) or not isinstance(note, str):
        raise _not_marks(path, f"its mark of {scan!r} is none of {', '.join(MARKS)}")
    return QualityMark(mark, note)


def _not_marks(path: Path, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{path.name} holds no marks of a report: {why}",
        "give the file that the report's page has downloaded",
    )
