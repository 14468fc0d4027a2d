# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 and NIfTI-2 headers, as a single file or as a pair (https://nifti.nimh.nih.gov)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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

_BYTES_PER_VOXEL = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8}
_COLOUR, _COMPLEX = (128, 2304), (32, 1792, 2048)

Field = tuple[int, str]
Reader = Callable[[Field], tuple[float, ...]]


@dataclass(frozen=True)
class _Layout:
    """Where a version keeps what is checked: offset, and format in the words of `struct`."""

    bytes: int
    magic: int
    dim: Field
    datatype: Field
    pixdim: Field
    voxel_offset: Field
    form_codes: Field
    quaternion_and_offset: Field
    rows: Field


_VERSIONS = (
    _Layout(
        bytes=348,
        magic=344,
        dim=(40, "8h"),
        datatype=(70, "h"),
        pixdim=(76, "8f"),
        voxel_offset=(108, "f"),
        form_codes=(252, "2h"),
        quaternion_and_offset=(256, "6f"),
        rows=(280, "12f"),
    ),
    _Layout(
        bytes=540,
        magic=4,
        dim=(16, "8q"),
        datatype=(12, "h"),
        pixdim=(104, "8d"),
        voxel_offset=(168, "q"),
        form_codes=(344, "2i"),
        quaternion_and_offset=(352, "6d"),
        rows=(400, "12d"),
    ),
)


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file whose header makes no sense or that lacks voxels.

    Raises
    ------
    InvalidImage
    """
    header_path, voxels_path = _parts(path)
    raw, _ = inflated_start(header_path, _VERSIONS[-1].bytes)
    layout, order = _version(header_path, raw)
    if raw[layout.magic : layout.magic + 3] not in (b"n+1", b"ni1", b"n+2", b"ni2"):
        raise _not_nifti(path)

    def read(field: Field) -> tuple[float, ...]:
        return struct.unpack_from(order + field[1], raw, field[0])

    size = _size(path, [int(value) for value in read(layout.dim)])
    spacing = read(layout.pixdim)[1 : 1 + len(size)]
    check_geometry(path.name, size, spacing, [0.0], np.eye(len(size)).ravel().tolist())
    _check_orientation(path, layout, read)
    wanted = math.prod(size) * _bytes_per_voxel(path, int(read(layout.datatype)[0]))
    _, compressed = inflated_start(voxels_path, 1)
    start = _start_of_voxels(path, layout, read, header_path == voxels_path)
    if compressed:
        check_length(voxels_path, 0, start + wanted, compressed)
    else:
        check_length(voxels_path, start, wanted, compressed)


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


def _version(path: Path, raw: bytes) -> tuple[_Layout, str]:
    """Return the version and the byte order, told by the header's own length at its start."""
    for order in "<>":
        for layout in _VERSIONS:
            if raw[:4] == struct.pack(order + "i", layout.bytes):
                if len(raw) < layout.bytes:
                    raise truncated(path)
                return layout, order
    raise damaged_header(path, "NIfTI")


def _not_nifti(path: Path) -> InvalidImage:
    if path.suffix.lower() in (".hdr", ".img"):
        return InvalidImage(
            f"{path.name} is an Analyze image, which does not tell left from right",
            "convert it from its source to NIfTI",
        )
    return damaged_header(path, "NIfTI")


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


def _check_orientation(path: Path, layout: _Layout, read: Reader) -> None:
    """Refuse an orientation that is declared but unusable; readers make one up in silence."""
    qform, sform = read(layout.form_codes)
    if (qform > 0 and not _quaternion_is_usable(read(layout.quaternion_and_offset))) or (
        sform > 0 and not _rows_are_usable(read(layout.rows))
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


def _bytes_per_voxel(path: Path, code: int) -> int:
    if code in _COLOUR:
        raise not_scalar(path.name, "colours")
    if code in _COMPLEX:
        raise not_scalar(path.name, "complex numbers")
    if code not in _BYTES_PER_VOXEL:
        raise InvalidImage(
            f"{path.name} has voxels of an unsupported type (NIfTI code {code})",
            "save it with 16-bit integer or 32-bit float voxels",
        )
    return _BYTES_PER_VOXEL[code]


def _start_of_voxels(path: Path, layout: _Layout, read: Reader, single_file: bool) -> int:
    (offset,) = read(layout.voxel_offset)
    if not 0 <= offset < 1e9:
        raise damaged_header(path, "NIfTI")
    return max(int(offset), layout.bytes + 4) if single_file else int(offset)
