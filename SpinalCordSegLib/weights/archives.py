# SPDX-License-Identifier: Apache-2.0
"""Finding published weights in files, folders and zip archives, by their content alone."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import WeightsCorrupt, WeightsMissing
from .keras_import import recognise
from .registry import PublishedWeights, identify, published_weights
from .store import KERAS_SUFFIXES

# The largest published file has about 10 MB, the largest archive about 60 MB.
MOST_BYTES_OF_A_FILE = 64 * 2**20
MOST_BYTES_OF_AN_ARCHIVE = 256 * 2**20
_MOST_ENTRIES = 10_000
_ZIP_MAGIC = b"PK\x03\x04"
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class FoundFile:
    """A published file that was found.

    Attributes
    ----------
    entry : PublishedWeights
    content : bytes
        Of the Keras file; its hash is the one on record.
    origin : str
        Where it was found; a clause without the folders of this computer.
    """

    entry: PublishedWeights
    content: bytes
    origin: str


def find_published_files(path: Path) -> list[FoundFile]:
    """Return the published files that are at a path, each set once.

    Parameters
    ----------
    path : Path
        A Keras file of any name, a folder (searched with all that is in it, links to folders
        aside), or a zip archive.

    Raises
    ------
    WeightsMissing
        If there is nothing at `path`, it cannot be read, or it holds no published weights.
    WeightsCorrupt
        If a file has the name of published weights and another content, or the archive is
        damaged or unreasonably large.
    """
    if path.is_dir():
        found = [
            FoundFile(entry, content, f"imported from {file.name}")
            for file, content in _keras_files(path)
            if (entry := _published(content, file)) is not None
        ]
    elif is_zip(path):
        found = published_files_of_zip(path)
    else:
        content = read_file(path)
        found = [FoundFile(recognise(content, path), content, f"imported from {path.name}")]
    if not found:
        raise WeightsMissing(
            f"{path} holds none of the published weights",
            "give the Keras files (.h5, .hdf5) of 2018 or their zip archives; the ONNX files of "
            "later releases are others",
        )
    return list({file.entry.name: file for file in found}.values())


def published_files_of_zip(path: Path) -> list[FoundFile]:
    """Return the published files in a zip archive.

    Members are read into memory and known by their content. Their names lead nowhere: nothing is
    ever written by them.

    Raises
    ------
    WeightsMissing
        If it cannot be opened.
    WeightsCorrupt
        If it is damaged, encrypted, or would unpack to more than any real one.
    """
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_ENTRIES:
                raise _too_large(path)
            total = 0
            for member in members:
                name = PurePosixPath(member.filename.replace("\\", "/")).name
                if member.is_dir() or not name.lower().endswith(KERAS_SUFFIXES):
                    continue
                content = _member(archive, member, path)
                total += len(content)
                if total > MOST_BYTES_OF_AN_ARCHIVE:
                    raise _too_large(path)
                entry = _published(content, path / name)
                if entry is not None:
                    found.append(FoundFile(entry, content, f"imported from {name} in {path.name}"))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise WeightsCorrupt(
            f"{path} is not a zip archive that can be read ({error})",
            "get it again from where it was published",
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return found


def is_zip(path: Path) -> bool:
    """Tell whether a file begins as a zip archive does.

    Raises
    ------
    WeightsMissing
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError as error:
        raise _unreadable(path, error) from error


def read_file(path: Path) -> bytes:
    """Return the content of a file that may be published weights.

    Raises
    ------
    WeightsMissing
        If it cannot be read.
    WeightsCorrupt
        If it is far larger than any.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES_OF_A_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(content) > MOST_BYTES_OF_A_FILE:
        raise WeightsCorrupt(
            f"{path} is far larger than any published weights", "check that it is the file meant"
        )
    return content


def _keras_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files of a folder that may be published weights, in a fixed order."""
    seen = 0
    for where, folders, names in os.walk(folder):
        folders.sort()
        seen += len(names)
        if seen > _MOST_ENTRIES:
            raise WeightsMissing(
                f"{folder} holds more than {_MOST_ENTRIES} files", "give the folder of the weights"
            )
        for name in sorted(names):
            path = Path(where, name)
            if name.lower().endswith(KERAS_SUFFIXES) and path.is_file():
                yield path, read_file(path)


def _published(content: bytes, path: Path) -> PublishedWeights | None:
    """Return the set that a file is; None for a file that does not even claim to be one."""
    if any(entry.file == path.name for entry in published_weights()):
        return recognise(content, path)
    return identify(content)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    """Return a member's content; what its header says of its size is not relied upon."""
    if member.file_size > MOST_BYTES_OF_A_FILE:
        raise _too_large(path)
    chunks: list[bytes] = []
    size = 0
    with archive.open(member) as file:
        while chunk := file.read(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES_OF_A_FILE:
                raise _too_large(path)
    return b"".join(chunks)


def _too_large(path: Path) -> WeightsCorrupt:
    return WeightsCorrupt(
        f"{path} would unpack to far more than any published archive",
        "get it again from where it was published",
    )


def _unreadable(path: Path, error: OSError) -> WeightsMissing:
    return WeightsMissing(
        f"{path} cannot be read ({error.strerror or error})",
        "check its name, and that you may read it",
    )
