# SPDX-License-Identifier: Apache-2.0
"""MetaImage headers: lines of ``Key = value``, the voxels behind them or in a second file."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ..errors import InvalidImage
from .checks import (
    check_geometry,
    check_length,
    damaged_header,
    integers,
    missing_part,
    not_scalar,
    numbers,
    truncated,
)

_HEADER_LIMIT = 1 << 16
_LAST_KEY = "ElementDataFile"
_AXES_KEYS = ("TransformMatrix", "Rotation", "Orientation")
_ORIGIN_KEYS = ("Offset", "Position", "Origin")
_BYTES_PER_VOXEL = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}


def check_metaimage(path: Path) -> None:
    """Refuse a MetaImage file whose header makes no sense or that lacks voxels.

    Raises
    ------
    InvalidImage
    """
    damaged = damaged_header(path, "MetaImage")
    fields, header_end = _read_fields(path)
    (dimensions,) = integers(fields.get("NDims", ""), damaged, 1)
    if dimensions not in (2, 3, 4):
        raise damaged
    size = integers(fields.get("DimSize", ""), damaged, dimensions)
    spacing = _vector(fields, ("ElementSpacing", "ElementSize"), np.ones(dimensions), damaged)
    origin = _vector(fields, _ORIGIN_KEYS, np.zeros(dimensions), damaged)
    axes = _vector(fields, _AXES_KEYS, np.eye(dimensions).ravel(), damaged)
    _vector(fields, ("CenterOfRotation",), np.zeros(dimensions), damaged)
    check_geometry(path.name, size, spacing, origin, axes)
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise not_scalar(path.name, "several values per voxel")
    if fields.get("ElementType") not in _BYTES_PER_VOXEL:
        raise damaged
    wanted = math.prod(size) * _BYTES_PER_VOXEL[fields["ElementType"]]
    _check_voxels(path, fields, header_end, wanted, damaged)


def _read_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the header as a mapping, and where it ends in the file."""
    with path.open("rb") as file:
        raw = file.read(_HEADER_LIMIT)
    fields: dict[str, str] = {}
    end = 0
    while _LAST_KEY not in fields:
        line_end = raw.find(b"\n", end)
        line = raw[end:line_end].decode("latin-1")
        match = re.fullmatch(r"\s*([A-Za-z][\w ]*?)\s*[=:]\s*(.*?)\s*", line, re.ASCII)
        # The library's own parser does not survive every header, so nothing is let pass here.
        if line_end < 0 or match is None or match[1] in fields:
            raise damaged_header(path, "MetaImage")
        fields[match[1]] = match[2]
        end = line_end + 1
    return fields, end


def _vector(
    fields: dict[str, str], keys: tuple[str, ...], default: np.ndarray, damaged: InvalidImage
) -> list[float]:
    """Return the first of several fields that is there; all that are there must be good."""
    values = [numbers(fields[key], damaged, default.size) for key in keys if key in fields]
    return values[0] if values else [float(value) for value in default.ravel()]


def _check_voxels(
    path: Path, fields: dict[str, str], header_end: int, wanted: int, damaged: InvalidImage
) -> None:
    if not _is_true(fields, "BinaryData"):
        raise InvalidImage(f"{path.name} stores its voxels as text", "save it in binary form")
    voxels, start = path, header_end
    if fields[_LAST_KEY].upper() != "LOCAL":
        voxels, start = path.parent / fields[_LAST_KEY], 0
        if not voxels.is_file():
            raise missing_part(path, fields[_LAST_KEY])
    (skip,) = integers(fields.get("HeaderSize", "0"), damaged, 1)
    if not -1 <= skip <= voxels.stat().st_size:
        raise damaged
    start = skip if skip > 0 else start
    compressed = _is_true(fields, "CompressedData")
    if compressed:
        rest = max(0, voxels.stat().st_size - start)
        (stored,) = integers(fields.get("CompressedDataSize", ""), damaged, 1)
        if not 0 < stored <= rest:
            raise truncated(path)
        check_length(voxels, start, wanted, compressed=True, stored=stored)
    else:
        check_length(voxels, start, wanted, compressed=False)


def _is_true(fields: dict[str, str], key: str) -> bool:
    return fields.get(key, "")[:1] in ("T", "t", "1")
