# SPDX-License-Identifier: Apache-2.0
"""NRRD headers: lines of ``field: value`` up to an empty line (https://teem.sourceforge.net)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ..errors import InvalidImage
from .checks import (
    check_geometry,
    check_length,
    check_size,
    damaged_header,
    integers,
    missing_part,
    not_scalar,
    numbers,
)

_HEADER_LIMIT = 1 << 20
_SPATIAL_KINDS = ("domain", "space", "time", "???", "none")
_TYPES = (
    (1, r"(un)?signed char|uchar|u?int8(_t)?"),
    (2, r"((un)?signed )?short( int)?|ushort|u?int16(_t)?"),
    (4, r"((un)?signed )?int|uint|u?int32(_t)?|float"),
    (8, r"((un)?signed )?long long( int)?|u?longlong|u?int64(_t)?|double"),
)


def check_nrrd(path: Path, layers: bool = False) -> None:
    """Refuse an NRRD file whose header makes no sense or that lacks voxels.

    Parameters
    ----------
    path : Path
    layers : bool
        Accept several values per voxel, as a segmentation with overlapping segments has.

    Raises
    ------
    InvalidImage
    """
    damaged = damaged_header(path, "NRRD")
    fields, header_end = _read_fields(path)
    (dimensions,) = integers(fields.get("dimension", ""), damaged, 1)
    if not 1 <= dimensions <= 16:
        raise damaged
    size = integers(fields.get("sizes", ""), damaged, dimensions)
    check_size(path.name, size)
    kinds = fields.get("kinds", "domain " * dimensions).lower().split()
    if len(kinds) != dimensions:
        raise damaged
    spatial = [axis for axis, kind in enumerate(kinds) if kind in _SPATIAL_KINDS]
    if not layers and math.prod(size) != math.prod(size[axis] for axis in spatial):
        raise not_scalar(path.name, "several values per voxel")
    if len(spatial) not in (2, 3, 4):
        raise damaged
    _check_axes(path, fields, [size[axis] for axis in spatial], spatial, damaged)
    wanted = math.prod(size) * _bytes_per_voxel(fields.get("type", ""), damaged)
    _check_voxels(path, fields, header_end, wanted, damaged)


def _read_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the header as a mapping, and where it ends in the file."""
    with path.open("rb") as file:
        raw = file.read(_HEADER_LIMIT)
    if not re.match(rb"NRRD000[1-5]\r?\n", raw):
        raise damaged_header(path, "NRRD")
    match = re.search(rb"\r?\n\r?\n", raw)
    end = match.end() if match else len(raw)
    fields: dict[str, str] = {}
    for line in raw[:end].decode("latin-1").splitlines()[1:]:
        field = re.match(r"([^#:=]+?): *(.*?)\s*$", line)
        if field:
            name = field[1].lower().replace("datafile", "data file")
            fields[re.sub(r"(line|byte)skip", r"\1 skip", name)] = field[2]
    return fields, end


def _check_axes(
    path: Path, fields: dict[str, str], size: list[int], spatial: list[int], damaged: InvalidImage
) -> None:
    count = len(size)
    spacing, axes = np.ones(count), np.eye(count)
    if "space directions" in fields:
        vectors = _vectors(fields["space directions"], damaged)
        if len(vectors) not in (3, count) or any(len(v) != len(vectors) for v in vectors):
            raise damaged
        matrix = np.array(vectors).T
        known = len(vectors)
        spacing[:known] = np.linalg.norm(matrix, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            axes[:known, :known] = matrix / spacing[:known]
    elif "spacings" in fields:
        values = numbers(fields["spacings"], damaged)
        if len(values) <= spatial[-1]:
            raise damaged
        spacing = np.array([values[axis] for axis in spatial])
    origin = _vectors(fields.get("space origin", ""), damaged) or [[0.0]]
    check_geometry(path.name, size, spacing.tolist(), origin[0], axes.ravel().tolist())


def _vectors(text: str, damaged: InvalidImage) -> list[list[float]]:
    """Return the vectors ``(a,b,c)`` in a text; axes that are not spatial have ``none``."""
    return [numbers(vector, damaged) for vector in re.findall(r"\(([^()]*)\)", text)]


def _bytes_per_voxel(name: str, damaged: InvalidImage) -> int:
    for count, pattern in _TYPES:
        if re.fullmatch(pattern, name.strip()):
            return count
    raise damaged


def _check_voxels(
    path: Path, fields: dict[str, str], header_end: int, wanted: int, damaged: InvalidImage
) -> None:
    voxels, start = path, header_end
    if "data file" in fields:
        name = fields["data file"]
        if name.upper().startswith("LIST") or "%" in name:
            return
        voxels, start = path.parent / name, 0
        if not voxels.is_file():
            raise missing_part(path, name)
    (skip,) = integers(fields.get("byte skip", "0"), damaged, 1)
    encoding = fields.get("encoding", "").lower()
    if encoding in ("gzip", "gz"):
        check_length(voxels, start, max(skip, 0) + wanted, compressed=True)
    elif encoding == "raw":
        check_length(voxels, start, max(skip, 0) + wanted, compressed=False)
