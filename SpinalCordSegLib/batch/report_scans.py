# SPDX-License-Identifier: Apache-2.0
"""What the report tells of each scan, read from a folder that ``batch`` or ``segment`` wrote."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ..centerline.curve import read_centerline
from ..contrasts import CONTRASTS
from ..errors import InvalidArgument, SpinalCordSegError
from ..images import read_image
from ..measurement.cord import measure_cord
from .report_pictures import MOST_BYTES, jpeg

BATCH_FORMAT = 1
STATUSES = ("done", "failed", "excluded")

_SEG = "_seg.json"
# An overview of a scan without other pictures is made this wide, pixels.
_OVERVIEW_WIDTH = 1100
# Text files of a result are small; what is larger is none.
_MOST_TEXT = 50_000_000


@dataclass(frozen=True)
class SliceArea:
    """The cord on one axial slice, as :class:`~SpinalCordSegLib.measurement.cord.CordSlice`."""

    slice: int
    position_mm: float
    area_mm2: float
    whole: bool


@dataclass(frozen=True)
class ReportScan:
    """One scan as the report shows it.

    Attributes
    ----------
    id : str
        As in ``batch.json``; without one, where the result lies.
    status : str
        One of ``STATUSES``.
    reason, remedy : str
        Why there is no result and what to do.
    seconds : float or None
    contrast, weights : str
        What the image was taken for, and the names of the weights.
    warnings : tuple of str
    review : tuple of mapping
        ``slice`` (int), ``reason`` (str), ``severity`` (0 to 1), worst first.
    measures : mapping of str to float
        The scan's row of ``measurements.csv``.
    areas : tuple of SliceArea
        From the top down.
    places : mapping
        As ``STEM_qc.json``; empty where there is none.
    pictures : mapping of str to bytes
        JPEG files: ``sagittal``, ``axial``, or else ``overview``.
    """

    id: str
    status: str = "done"
    reason: str = ""
    remedy: str = ""
    seconds: float | None = None
    contrast: str = ""
    weights: str = ""
    warnings: tuple[str, ...] = ()
    review: tuple[Mapping[str, Any], ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    areas: tuple[SliceArea, ...] = ()
    places: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def find_scans(folder: Path) -> list[dict[str, Any]]:
    """Return what ``batch.json`` says of each scan, or the same of results without one.

    Parameters
    ----------
    folder : Path
        Written by ``batch``; or by ``segment``, results in folders below included.

    Returns
    -------
    list of dict
        ``id``, ``status``, ``files`` (by kind, relative to the folder) and what else is known.

    Raises
    ------
    InvalidArgument
        If it is no folder, holds no results, or its ``batch.json`` is damaged.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is no folder", "give a folder that batch or segment wrote")
    if (folder / "batch.json").is_file():
        return _scans_of_batch(folder)
    found = sorted(
        path
        for path in folder.rglob(f"*{_SEG}")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InvalidArgument(
            f"{folder} holds no results", "give a folder that batch or segment wrote"
        )
    return [_scan_of_segment(folder, path) for path in found]


def read_measures(folder: Path) -> dict[str, dict[str, float]]:
    """Return the rows of ``measurements.csv`` by scan: what of them is a number."""
    path = folder / "measurements.csv"
    rows: dict[str, dict[str, float]] = {}
    for row in _table(path):
        scan = str(row.get("id") or row.get("scan") or next(iter(row.values()), ""))
        rows[_as_written(scan)] = {
            str(name): number
            for name, number in ((name, _number(cell)) for name, cell in row.items())
            if number is not None and name not in ("id", "scan")
        }
    return rows


def read_scan(
    folder: Path, entry: Mapping[str, Any], measures: Mapping[str, float] | None = None
) -> ReportScan:
    """Return what the report tells of a scan.

    Parameters
    ----------
    folder : Path
    entry : mapping
        As :func:`find_scans`.
    measures : mapping of str to float, optional
        The scan's row of the table; without it some are taken from the mask.

    Returns
    -------
    ReportScan
        What is missing or damaged is left out: a report of what there is serves best.
    """
    files = _files(folder, entry.get("files"))
    result = _json(files.get("json"))
    provenance = _mapping(result.get("provenance"))
    contrast = _mapping(provenance.get("contrast"))
    known = contrast.get("found") or contrast.get("asked")
    areas = _areas(files)
    own = dict(measures or {})
    if not own and areas:
        own = _summary(areas)
    places = _json(files.get("qc"))
    pictures = _pictures(files, places)
    return ReportScan(
        id=str(entry["id"]),
        status=str(entry.get("status", "done")),
        reason=str(entry.get("reason") or ""),
        remedy=str(entry.get("remedy") or ""),
        seconds=_finite(entry.get("seconds", _total_seconds(provenance))),
        contrast=CONTRASTS.get(str(known), ""),
        weights=", ".join(_names(provenance.get("weights"))),
        warnings=tuple(str(text) for text in _sequence(entry.get("warnings"))),
        review=tuple(_review(result)),
        measures=own,
        areas=tuple(areas),
        places=places if "axial" in pictures else {},
        pictures=pictures,
    )


def _scans_of_batch(folder: Path) -> list[dict[str, Any]]:
    damaged = InvalidArgument(
        f"batch.json in {folder} is damaged", "run the batch again: what is done is kept"
    )
    try:
        content = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged from error
    scans = content.get("scans") if isinstance(content, dict) else None
    if not isinstance(scans, list) or content.get("format") != BATCH_FORMAT:
        raise damaged
    for scan in scans:
        if not isinstance(scan, dict) or "id" not in scan or scan.get("status") not in STATUSES:
            raise damaged
    return scans


def _scan_of_segment(folder: Path, path: Path) -> dict[str, Any]:
    beginning = path.name.removesuffix(_SEG)
    names = {
        "json": path.name,
        "overview": f"{beginning}_overview.png",
        "cord": f"{beginning}_label-SC_mask.nii.gz",
        "centerline_csv": f"{beginning}_centerline.csv",
        "slices": f"{beginning}_slices.csv",
        "qc": f"{beginning}_qc.json",
        "qc_axial": f"{beginning}_qc_axial.jpg",
        "qc_sagittal": f"{beginning}_qc_sagittal.jpg",
    }
    below = path.parent.relative_to(folder)
    return {
        "id": (below / beginning).as_posix(),
        "status": "done",
        "files": {kind: (below / name).as_posix() for kind, name in names.items()},
    }


def _files(folder: Path, named: object) -> dict[str, Path]:
    """Return the files that are there; none outside the folder, whatever is written in it."""
    found = {}
    root = folder.resolve()
    for kind, name in _mapping(named).items():
        path = (root / str(name)).resolve()
        if path.is_relative_to(root) and path.is_file():
            found[kind] = path
    return found


def _areas(files: Mapping[str, Path]) -> list[SliceArea]:
    if "slices" in files:
        rows = [
            SliceArea(int(number), position, area, row.get("whole") != "0")
            for row in _table(files["slices"])
            for number, position, area in [
                [_number(row.get(name)) for name in ("slice", "position_mm", "area_mm2")]
            ]
            if number is not None and position is not None and area is not None
        ]
        if rows:
            return rows
    if "cord" not in files or "centerline_csv" not in files:
        return []
    try:
        mask = read_image(files["cord"], allow_constant=True)
        measured = measure_cord(mask, centerline=read_centerline(files["centerline_csv"]))
    except (SpinalCordSegError, OSError, ValueError):
        return []
    return [
        SliceArea(row.slice, row.position_mm, row.area_mm2, row.whole) for row in measured.slices
    ]


def _summary(areas: Iterable[SliceArea]) -> dict[str, float]:
    whole = [row.area_mm2 for row in areas if row.whole] or [row.area_mm2 for row in areas]
    mean = math.fsum(whole) / len(whole)
    spread = math.sqrt(math.fsum((area - mean) ** 2 for area in whole) / len(whole))
    return {
        "area_mm2_mean": mean,
        "area_mm2_sd": spread,
        "area_mm2_min": min(whole),
        "area_mm2_max": max(whole),
    }


def _pictures(files: Mapping[str, Path], places: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures that outlines can be laid over, or else the overview."""
    found = {
        name: data
        for name in ("sagittal", "axial")
        if isinstance(places.get(name), dict) and (data := _jpeg_file(files.get(f"qc_{name}")))
    }
    if "axial" in found or "overview" not in files:
        return found
    try:
        with Image.open(files["overview"]) as picture:
            small = picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return {}
    small.thumbnail((_OVERVIEW_WIDTH, _OVERVIEW_WIDTH))
    encoded = (jpeg(small, quality) for quality in (78, 65, 50, 35))
    return {"overview": next((data for data in encoded if len(data) <= MOST_BYTES), b"")}


def _jpeg_file(path: Path | None) -> bytes:
    if path is None or path.stat().st_size > 2 * MOST_BYTES:
        return b""
    data = path.read_bytes()
    return data if data.startswith(b"\xff\xd8\xff") else b""


def _review(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "slice": int(item["slice_index"]),
            "reason": str(item.get("reason", "")),
            "severity": _finite(item.get("severity")) or 0.0,
        }
        for item in _sequence(result.get("review"))
        if isinstance(item, dict) and isinstance(item.get("slice_index"), int)
    ]


def _names(weights: object) -> list[str]:
    return [str(each["name"]) for each in _sequence(weights) if "name" in _mapping(each)]


def _total_seconds(provenance: Mapping[str, Any]) -> float | None:
    parts = [_finite(part) for part in _mapping(provenance.get("seconds")).values()]
    return math.fsum(part for part in parts if part is not None) if parts else None


def _table(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(io.StringIO(_text(path), newline="")))
    except (OSError, ValueError, csv.Error):
        return []


def _json(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = json.loads(_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_TEXT:
        raise ValueError(f"{path.name} is too large")
    return path.read_text(encoding="utf-8-sig")


def _as_written(cell: str) -> str:
    """Take away the apostrophe that keeps a cell from being a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip()[:1] in "=+-@" else cell


def _number(cell: object) -> float | None:
    try:
        return _finite(float(str(cell)))
    except ValueError:
        return None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
