# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 headers, in one file with the voxels or beside them (https://nifti.nimh.nih.gov)."""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidImage
from .checks import (
    check_geometry,
    check_length,
    damaged_header,
    inflated_start,
    missing_part,
    not_scalar,
    times,
    truncated,
)

_HEADER_BYTES, _NIFTI2_HEADER_BYTES = 348, 540
_VOXELS_AT_ONCE = 1 << 20

# Fields of the header: where, and in which format in the words of `struct`.
_DIM, _DATATYPE, _PIXDIM, _VOXEL_OFFSET = (40, "8h"), (70, "h"), (76, "8f"), (108, "f")
_FORM_CODES, _QUATERNION_AND_OFFSET, _ROWS = (252, "2h"), (256, "6f"), (280, "12f")
_MAGIC = (344, "3s")

_COLOUR, _COMPLEX = (128, 2304), (32, 1792, 2048)
_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}


@dataclass(frozen=True)
class _Voxels:
    """Where the voxels are, and what they are."""

    path: Path
    start: int
    size: tuple[int, ...]
    dtype: np.dtype[Any]
    compressed: bool


@dataclass(frozen=True)
class _Header:
    raw: bytes
    byte_order: str

    def __getitem__(self, field: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(self.byte_order + field[1], self.raw, field[0])


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file whose header makes no sense or that lacks voxels.

    Raises
    ------
    InvalidImage
    """
    voxels = _find_voxels(path)
    wanted = math.prod(voxels.size) * voxels.dtype.itemsize
    if voxels.compressed:
        check_length(voxels.path, 0, voxels.start + wanted, compressed=True)
    else:
        check_length(voxels.path, voxels.start, wanted, compressed=False)


def count_non_finite(path: Path, volume: int | None = None) -> tuple[int, int]:
    """Count the voxels that are NaN or infinite, which the NIfTI library reads as 0 in silence.

    Parameters
    ----------
    path : Path
        A file that `check_nifti` has accepted.
    volume : int, optional
        Count in this volume of a 4D image only.

    Returns
    -------
    tuple of int
        How many are not finite, of how many.
    """
    voxels = _find_voxels(path)
    count = math.prod(voxels.size if volume is None else voxels.size[:3])
    if voxels.dtype.kind != "f":
        return 0, count
    bad, left = 0, count
    with gzip.open(voxels.path) if voxels.compressed else voxels.path.open("rb") as file:
        file.seek(voxels.start + (volume or 0) * count * voxels.dtype.itemsize)
        while left:
            raw = file.read(min(left, _VOXELS_AT_ONCE) * voxels.dtype.itemsize)
            values = np.frombuffer(raw, voxels.dtype)
            bad += values.size - int(np.isfinite(values).sum())
            left -= values.size
    return bad, count


def _find_voxels(path: Path) -> _Voxels:
    """Read and check the header."""
    header_path, voxels_path = _parts(path)
    header = _read_header(path, header_path)
    size = _size(path, list(header[_DIM]))
    spacing = header[_PIXDIM][1 : 1 + len(size)]
    check_geometry(path.name, size, spacing, [0.0], np.eye(len(size)).ravel().tolist())
    _check_orientation(path, header)
    _, compressed = inflated_start(voxels_path, 1)
    return _Voxels(
        path=voxels_path,
        start=_start_of_voxels(path, header, header_path == voxels_path),
        size=tuple(size),
        dtype=_dtype(path, header),
        compressed=compressed,
    )


def _parts(path: Path) -> tuple[Path, Path]:
    """Return the files with the header and with the voxels; one and the same for .nii."""
    name = path.name.lower()
    suffix = ".img.gz" if name.endswith(".img.gz") else path.suffix
    if not name.endswith((".hdr", ".img", ".img.gz")):
        return path, path
    stem = path.name[: -len(suffix)]
    parts = []
    for endings in ((".hdr", ".hdr.gz"), (".img", ".img.gz")):
        candidates = [path.with_name(stem + ending) for ending in endings]
        found = [candidate for candidate in candidates if candidate.is_file()]
        if not found:
            raise missing_part(path, candidates[0].name)
        parts.append(found[0])
    return parts[0], parts[1]


def _read_header(path: Path, header_path: Path) -> _Header:
    """Return the header; its own length at its start tells version and byte order."""
    raw, _ = inflated_start(header_path, _HEADER_BYTES)
    for order in "<>":
        if raw[:4] == struct.pack(order + "i", _NIFTI2_HEADER_BYTES):
            raise InvalidImage(
                f"{path.name} is in the rare format NIfTI-2", "save it as NIfTI-1 or NRRD"
            )
        if raw[:4] != struct.pack(order + "i", _HEADER_BYTES):
            continue
        if len(raw) < _HEADER_BYTES:
            raise truncated(path)
        header = _Header(raw, order)
        if header[_MAGIC][0] in (b"n+1", b"ni1"):
            return header
        if header_path.suffix.lower() == ".hdr":
            raise InvalidImage(
                f"{path.name} is an Analyze image, which does not tell left from right",
                "convert it from its source to NIfTI",
            )
    raise damaged_header(path, "NIfTI")


def _size(path: Path, dim: list[int]) -> list[int]:
    if not 1 <= dim[0] <= 7:
        raise damaged_header(path, "NIfTI")
    size = dim[1 : dim[0] + 1]
    if len(size) < 2 or any(count != 1 for count in size[4:]):
        raise InvalidImage(
            f"{path.name} has {len(size)} dimensions (size {times(size)})",
            "give a 3D image with one value per voxel",
        )
    return size[:4]


def _check_orientation(path: Path, header: _Header) -> None:
    """Refuse an orientation that is declared but unusable; readers make one up in silence."""
    qform, sform = header[_FORM_CODES]
    if (qform > 0 and not _quaternion_is_usable(header[_QUATERNION_AND_OFFSET])) or (
        sform > 0 and not _rows_are_usable(header[_ROWS])
    ):
        raise InvalidImage(
            f"{path.name} has no usable orientation in its header (qform or sform)",
            "set the right orientation, or convert the image again from DICOM",
        )


def _quaternion_is_usable(values: tuple[float, ...]) -> bool:
    quaternion = np.array(values[:3])
    return bool(np.isfinite(values).all() and (quaternion**2).sum() <= 1.01)


def _rows_are_usable(values: tuple[float, ...]) -> bool:
    axes = np.reshape(values, (3, 4))[:, :3].astype(np.float64)
    lengths = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(values).all() and np.isfinite(lengths).all() and (lengths > 0).all()):
        return False
    return bool(abs(np.linalg.det(axes / lengths)) > 0.1)


def _dtype(path: Path, header: _Header) -> np.dtype[Any]:
    (code,) = header[_DATATYPE]
    if code in _COLOUR:
        raise not_scalar(path.name, "colours")
    if code in _COMPLEX:
        raise not_scalar(path.name, "complex numbers")
    if code not in _DTYPES:
        raise InvalidImage(
            f"{path.name} has voxels of an unsupported type (NIfTI code {code})",
            "save it with 16-bit integer or 32-bit float voxels",
        )
    return np.dtype(header.byte_order + _DTYPES[code])


def _start_of_voxels(path: Path, header: _Header, single_file: bool) -> int:
    (offset,) = header[_VOXEL_OFFSET]
    if not 0 <= offset < 1e9:
        raise damaged_header(path, "NIfTI")
    return max(int(offset), _HEADER_BYTES + 4) if single_file else int(offset)
