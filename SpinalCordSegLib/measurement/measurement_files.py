# SPDX-License-Identifier: Apache-2.0
"""Measurements on disk: tables as CSV, what they mean as JSON, the area as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..output import all_or_none
from ..tables import csv_text
from ..version import __version__
from .area_plot import area_png
from .cord import CordMeasurements, per_millimetre
from .definitions import (
    DEFINITIONS_VERSION,
    LESION_MEASURES,
    SECTION_MEASURES,
    SLICE_MEASURES,
    SUMMARY_MEASURES,
    Measure,
)
from .lesions import PARTS, Lesion
from .report import MeasurementReport
from .summary import CordSummary

_STATISTICS = {"mean": "mean", "sd": "sd", "min": "minimum", "max": "maximum"}


def measurement_paths(path: Path, lesions: bool = False) -> list[Path]:
    """Return the files that :func:`write_measurements` writes.

    Parameters
    ----------
    path : Path
        The table of slices, ``FILE.csv``; beside it come ``FILE_mm.csv``, ``FILE_summary.csv``,
        with lesions ``FILE_lesions.csv``, then ``FILE.json`` and ``FILE.png``.
    lesions : bool
        Whether there is a mask of lesions.

    Raises
    ------
    InvalidArgument
        If the name does not end with .csv.
    """
    if path.suffix.lower() != ".csv" or path.is_dir():
        raise InvalidArgument(
            f"{path.name} is no name for the tables", "give a file name that ends with .csv"
        )
    tables = ["_mm", "_summary", *(["_lesions"] if lesions else [])]
    beside = [path.with_name(f"{path.stem}{part}.csv") for part in tables]
    return [path, *beside, path.with_suffix(".json"), path.with_suffix(".png")]


def write_measurements(
    report: MeasurementReport, path: Path, overwrite: bool = False
) -> list[Path]:
    """Write the tables, what they mean, and the picture, or none of them.

    Parameters
    ----------
    report : MeasurementReport
    path : Path
        As :func:`measurement_paths`.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path
        As :func:`measurement_paths`.

    Raises
    ------
    InvalidArgument, OutputExists, OutputNotWritable, OutOfResources
        Nothing is written then.
    """
    paths = measurement_paths(path, report.lesions is not None)
    # Lesions of an earlier run would not belong to the new tables.
    stale = [p for p in measurement_paths(path, lesions=True) if p not in paths]
    texts = {
        "": slices_csv(report.cord),
        "_mm": per_millimetre_csv(report.cord),
        "_summary": summary_csv(report.summaries),
        "_lesions": lesions_csv(report.lesions or ()),
    }
    sidecar = json.dumps(measurement_json(report), indent=2, allow_nan=False) + "\n"
    with all_or_none(path.parent, paths, overwrite, stale) as folder:
        for target in paths[:-2]:
            text = texts[target.stem.removeprefix(path.stem)]
            _write(folder / target.name, text)
        _write(folder / paths[-2].name, sidecar)
        picture = area_png(report.cord, report.summaries[0], report.name)
        (folder / paths[-1].name).write_bytes(picture)
    return paths


def slices_csv(cord: CordMeasurements) -> str:
    """Return one row a slice, from the top down; columns as ``SLICE_MEASURES``."""
    return csv_text(list(SLICE_MEASURES), (_row(row) for row in cord.slices))


def per_millimetre_csv(cord: CordMeasurements) -> str:
    """Return one row a millimetre along the cord."""
    table = per_millimetre(cord)
    columns = ["position_mm", "level", *SECTION_MEASURES]
    rows = ({name: table[name][n] for name in columns} for n in range(len(table["level"])))
    return csv_text(columns, (_without_level(row) for row in rows))


def summary_csv(summaries: Sequence[CordSummary]) -> str:
    """Return one row a range, with mean, sd, min and max of each measure."""
    rows = [summary_row(summary) for summary in summaries]
    # A range may know what another does not: gray matter, for instance.
    columns = [
        *("range", "slices", "left_out", "length_mm", "volume_mm3"),
        *(f"{name}_{part}" for name in SECTION_MEASURES for part in _STATISTICS),
    ]
    known = [name for name in columns if any(name in row for row in rows)]
    return csv_text(known, rows)


def summary_row(summary: CordSummary) -> dict[str, Any]:
    """Return a range as a row of a table: ``area_mm2_mean`` and so on."""
    row: dict[str, Any] = {
        name: getattr(summary, name)
        for name in ("range", "slices", "left_out", "length_mm", "volume_mm3")
    }
    for name, found in summary.statistics.items():
        row |= {f"{name}_{part}": getattr(found, full) for part, full in _STATISTICS.items()}
    return row


def lesions_csv(lesions: Sequence[Lesion]) -> str:
    """Return one row a lesion; columns as ``LESION_MEASURES``."""
    columns = [name for name in LESION_MEASURES if name != "share_*"]
    place = columns.index("part") + 1
    columns[place:place] = [f"share_{part}" for part in PARTS]
    return csv_text(columns, (_lesion_row(lesion) for lesion in lesions))


def measurement_json(report: MeasurementReport) -> dict[str, Any]:
    """Return what the tables are, as JSON has it: settings, summaries, lesions, definitions."""
    content: dict[str, Any] = {
        "software": {"name": "spinalcordseg", "version": __version__},
        "definitions_version": DEFINITIONS_VERSION,
        "name": report.name,
        "settings": dict(report.settings),
        "positions_from": report.cord.landmark,
        "slices": len(report.cord.slices),
        "cut_slices": [row.slice for row in report.cord.slices if not row.whole],
        "summaries": [_plain(_without_extent(asdict(s))) for s in report.summaries],
    }
    if report.lesions is not None:
        content["lesions"] = {
            "count": len(report.lesions),
            "volume_mm3": _plain(math.fsum(lesion.volume_mm3 for lesion in report.lesions)),
            "max_axial_damage_ratio": _plain(report.damage_ratio),
            "each": [_plain(asdict(lesion)) for lesion in report.lesions],
        }
    content["definitions"] = {
        "slices": _definitions(SLICE_MEASURES),
        "summary": _definitions(SUMMARY_MEASURES),
        **({} if report.lesions is None else {"lesions": _definitions(LESION_MEASURES)}),
    }
    return content


def _definitions(measures: Mapping[str, Measure]) -> dict[str, dict[str, str]]:
    return {
        name: {key: text for key, text in asdict(measure).items() if text}
        for name, measure in measures.items()
    }


def _row(row: Any) -> dict[str, Any]:
    return _without_level(asdict(row))


def _without_level(row: dict[str, Any]) -> dict[str, Any]:
    """Leave the level out where none is known."""
    return {**row, "level": row["level"] or None}


def _without_extent(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "extent_mm"}


def _lesion_row(lesion: Lesion) -> dict[str, Any]:
    row = asdict(lesion)
    row["lesion"] = row.pop("label")
    row |= dict(zip(("x_mm", "y_mm", "z_mm"), row.pop("centre_mm"), strict=True))
    return row | {f"share_{part}": share for part, share in row.pop("shares").items()}


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it, rounded; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
