# SPDX-License-Identifier: Apache-2.0
"""Checks that all formats share, and what is said when they fail."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InvalidImage

MAX_VOXELS = 2_000_000_000
MAX_VOXELS_PER_AXIS = 32_767
MIN_SPACING_MM, MAX_SPACING_MM = 1e-3, 1e3
MAX_ORIGIN_MM = 1e6

# Image axes may miss right angles by this sine, through rounding.
ANGLE_TOLERANCE = 1e-2

_CHUNK = 1 << 20
# The deflate format cannot expand one byte to more than this.
_BEST_COMPRESSION = 1032


def check_geometry(
    name: str,
    size: Sequence[int],
    spacing: Sequence[float],
    origin: Sequence[float],
    direction: Sequence[float],
) -> None:
    """Refuse an empty or huge grid, and voxel sizes, positions and axes that make no sense.

    Parameters
    ----------
    name : str
        What the error calls the image.
    size, spacing, origin : sequences of length D
        Voxels, mm, mm. D is 2, 3, or 4 with time last; time has no unit to be checked.
    direction : sequence of length D * D
        Direction cosines, row by row; columns are the axes of the grid.

    Raises
    ------
    InvalidImage
    """
    check_size(name, size)
    if not all(MIN_SPACING_MM <= value <= MAX_SPACING_MM for value in spacing[:3]):
        raise InvalidImage(
            f"{name} has an impossible voxel size ({times(spacing[:3])} mm)",
            "set the right spacing in its header",
        )
    if not all(abs(value) <= MAX_ORIGIN_MM for value in origin[:3]):
        raise InvalidImage(
            f"{name} has an impossible origin ({', '.join(f'{v:g}' for v in origin[:3])} mm)",
            "set the right origin in its header",
        )
    axes = np.reshape(direction, (len(size), len(size)))[:3, :3]
    if not (np.isfinite(axes).all() and _orthonormal(axes)):
        raise InvalidImage(
            f"{name} has image axes that are not at right angles to each other",
            "set the right orientation in its header, or resample it to a rectangular grid",
        )


def check_size(name: str, size: Sequence[int]) -> None:
    """Refuse a grid without voxels, or with more than any scan has.

    Raises
    ------
    InvalidImage
    """
    if any(count < 1 for count in size):
        raise InvalidImage(
            f"{name} has no voxels (size {times(size)})", "give an image that has some"
        )
    if math.prod(size) > MAX_VOXELS or max(size) > MAX_VOXELS_PER_AXIS:
        raise InvalidImage(
            f"{name} claims {times(size)} voxels, more than a scan has",
            "check its header, or crop the image",
        )


def check_length(
    path: Path, start: int, wanted: int, compressed: bool, stored: int | None = None
) -> None:
    """Refuse a file that has fewer bytes of voxels than its header says.

    Parameters
    ----------
    path : Path
        The file with the voxels.
    start : int
        Where in the file they begin.
    wanted : int
        How many bytes they are, inflated.
    compressed : bool
        Whether they are stored as gzip or zlib data.
    stored : int, optional
        How many bytes of compressed data there are; up to the end of the file by default.

    Raises
    ------
    InvalidImage
        Also if compressed data are damaged.
    """
    available = max(0, path.stat().st_size - start)
    if available * (_BEST_COMPRESSION if compressed else 1) < wanted:
        raise truncated(path)
    if compressed:
        with path.open("rb") as file:
            file.seek(start)
            if not _inflates_to(file, wanted, available if stored is None else stored):
                raise truncated(path)


def inflated_start(path: Path, count: int) -> tuple[bytes, bool]:
    """Return the first bytes of a file, inflated if it is gzip data, and whether it is.

    Raises
    ------
    InvalidImage
        If it is damaged gzip data.
    """
    with path.open("rb") as file:
        raw = file.read(_CHUNK)
    if raw[:2] != b"\x1f\x8b":
        return raw[:count], False
    try:
        return zlib.decompressobj(wbits=31).decompress(raw, count), True
    except zlib.error as error:
        raise truncated(path) from error


def numbers(text: str, damaged: InvalidImage, count: int | None = None) -> list[float]:
    """Return the numbers in a text, of which there must be `count`; raise `damaged` otherwise."""
    try:
        values = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise damaged from error
    if count is not None and len(values) != count:
        raise damaged
    return values


def integers(text: str, damaged: InvalidImage, count: int | None = None) -> list[int]:
    """Return the integers in a text, of which there must be `count`; raise `damaged` otherwise."""
    words = text.split()
    if not all(re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII) for word in words):
        raise damaged
    if count is not None and len(words) != count:
        raise damaged
    return [int(word) for word in words]


def damaged_header(path: Path, kind: str) -> InvalidImage:
    """Return the error for a header that cannot be understood."""
    return InvalidImage(
        f"{path.name} is not a {kind} image, or its header is damaged",
        "get the file again from its source",
    )


def truncated(path: Path) -> InvalidImage:
    """Return the error for a file that ends too early, or whose compressed data are damaged."""
    return InvalidImage(
        f"{path.name} is truncated or damaged: it holds less than its header says",
        "get the file again from its source",
    )


def not_scalar(name: str, content: str) -> InvalidImage:
    """Return the error for an image of colours, vectors or complex numbers."""
    return InvalidImage(
        f"{name} holds {content}, not one value per voxel", "give a gray-scale image"
    )


def missing_part(path: Path, part: str) -> InvalidImage:
    """Return the error for an image of two files one of which is not there."""
    return InvalidImage(
        f"{part}, which belongs to {path.name}, does not exist", "copy both files together"
    )


def times(values: Sequence[float]) -> str:
    """Return numbers as ``a x b x c``."""
    return " x ".join(f"{value:g}" for value in values)


def _orthonormal(axes: np.ndarray) -> bool:
    return bool(np.abs(axes.T @ axes - np.eye(len(axes))).max() <= ANGLE_TOLERANCE)


def _inflates_to(file: BinaryIO, wanted: int, stored: int) -> bool:
    """Tell whether the next bytes of a file are intact compressed data of `wanted` bytes or more.

    The data are thrown away as they come; the check sum at their end is verified.
    """
    pieces = _pieces(file, stored)
    count, stream, pending = 0, zlib.decompressobj(wbits=47), next(pieces, b"")
    try:
        while pending:
            count += len(stream.decompress(pending, _CHUNK))
            if count > wanted + _CHUNK:
                return True
            if not stream.eof:
                pending = stream.unconsumed_tail or next(pieces, b"")
            elif count >= wanted:
                return True
            else:  # another gzip member may follow
                pending = stream.unused_data or next(pieces, b"")
                stream = zlib.decompressobj(wbits=47)
    except zlib.error:
        return False
    return False


def _pieces(file: BinaryIO, count: int) -> Iterator[bytes]:
    while count > 0 and (piece := file.read(min(count, _CHUNK))):
        count -= len(piece)
        yield piece
