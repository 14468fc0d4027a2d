# SPDX-License-Identifier: Apache-2.0
"""What became of each scan: one small file a scan, so that any process can be killed any time.

A worker writes a record when it starts to move the files of a result into place and again when
all are there; a later run believes nothing else. ``batch.json`` and the tables are made from the
records.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..tables import csv_text

STATE_FOLDER = ".spinalcordseg-batch"
REPORT_NAME = "report.html"
FORMAT = 1
STATUSES = ("done", "failed", "excluded", "writing")


@dataclass(frozen=True)
class Record:
    """What is known of one scan.

    Attributes
    ----------
    id, input : str
        As ``Scan.id`` and ``Scan.source``.
    sha256 : str
        Of the input's content.
    key : str
        Of the settings, as ``settings_key``.
    status : str
        ``done``, ``failed``, ``excluded``, or ``writing``: a run ended while it moved files.
    reason, remedy : str
        Why it failed or is excluded and what to do; of a scan that is done, why its results are
        those of an earlier run with another input or other settings.
    seconds : float
        From reading to the last file, wall-clock time.
    files : mapping of str to str
        By kind, relative to the output folder; those that this project has written, also if a
        later run failed.
    warnings : tuple of str
    measurements : mapping of str to Any
        The row of the table.
    """

    id: str
    input: str
    sha256: str = ""
    key: str = ""
    status: str = "failed"
    reason: str = ""
    remedy: str = ""
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)

    def excluded(self, reason: str) -> Record:
        """Return the record of the scan as one that is not to count."""
        return replace(self, status="excluded", reason=reason, remedy="")


def read_record(output: Path, scan_id: str) -> Record | None:
    """Return the record of a scan, None if there is none or it cannot be read."""
    return _read(_path(output, scan_id))


def read_records(output: Path) -> list[Record]:
    """Return the records of all scans that a folder has results or failures of, sorted by id."""
    folder = output / STATE_FOLDER / "records"
    found = [_read(path) for path in folder.glob("*.json")] if folder.is_dir() else []
    return sorted((record for record in found if record), key=lambda record: record.id)


def write_record(output: Path, record: Record) -> None:
    """Write the record of a scan, whole or not at all."""
    write_text(_path(output, record.id), json.dumps(asdict(record), indent=1) + "\n")


def write_tables(
    output: Path, records: Sequence[Record], settings: Mapping[str, Any]
) -> list[Path]:
    """Write ``batch.json``, ``status.csv`` and ``measurements.csv``.

    Parameters
    ----------
    output : Path
    records : sequence of Record
    settings : mapping
        For ``batch.json``.

    Returns
    -------
    list of Path
    """
    content = {
        "format": FORMAT,
        "scans": [_entry(record) for record in records],
        "settings": dict(settings),
    }
    status = [
        {**_entry(record), "files": None, "warnings": " | ".join(record.warnings)}
        for record in records
    ]
    columns = ("id", "status", "reason", "remedy", "warnings", "seconds", "input", "sha256")
    rows = [{"id": r.id, **r.measurements} for r in records if r.status == "done"]
    texts = {
        "batch.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
        "status.csv": csv_text(columns, status),
        "measurements.csv": csv_text(_columns(rows), rows),
    }
    for name, text in texts.items():
        write_text(output / name, text)
    return [output / name for name in texts]


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; its folder is made if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _path(output: Path, scan_id: str) -> Path:
    # Ids hold slashes, and may differ in nothing but what a file system does not tell apart.
    name = hashlib.sha256(scan_id.casefold().encode()).hexdigest()[:32]
    return output / STATE_FOLDER / "records" / f"{name}.json"


def _read(path: Path) -> Record | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**content | {"warnings": tuple(content["warnings"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if record.status in STATUSES else None


def _entry(record: Record) -> dict[str, Any]:
    interrupted = record.status == "writing"
    return {
        "id": record.id,
        "input": record.input,
        "sha256": record.sha256,
        "status": "failed" if interrupted else record.status,
        "reason": "the run was ended before its results were complete"
        if interrupted
        else record.reason,
        "remedy": "run the same command again" if interrupted else record.remedy,
        "seconds": round(record.seconds, 3),
        "files": dict(record.files) if record.status in ("done", "excluded") else {},
        "warnings": list(record.warnings),
    }


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the columns of all rows, in the order of the longest one first."""
    ordered = sorted(rows, key=len, reverse=True)
    return list(dict.fromkeys(["id", *(name for row in ordered for name in row)]))
