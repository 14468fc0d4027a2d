# SPDX-License-Identifier: Apache-2.0
"""Scores as CSV files, for whoever wants to count otherwise than a page does."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_csv(path: Path, rows: Sequence[DataclassInstance]) -> None:
    """Write dataclasses of one kind: a column a field, four digits after the point."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([field.name for field in fields(rows[0])])
        for row in rows:
            writer.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in astuple(row)])
