# SPDX-License-Identifier: Apache-2.0
"""Writing several files into a folder: all of them, or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import OutOfResources, OutputExists, OutputNotWritable
from .failures import user_error


def check_output(
    directory: str | os.PathLike[str], paths: Iterable[Path], overwrite: bool = False
) -> None:
    """Make sure, before any work, that results can be written.

    Raises
    ------
    OutputNotWritable
        If the folder cannot be made or written to.
    OutputExists
        If one of `paths` exists and `overwrite` is false.
    OutOfResources
        If the disk is full.
    """
    directory = Path(directory)
    existing = next(
        folder for folder in (directory, *directory.absolute().parents) if _there(folder)
    )
    if not existing.is_dir():
        raise OutputNotWritable(
            f"{existing} is a file, not a folder", "choose another output folder with -o"
        )
    try:
        # Permission bits do not tell the truth on network disks and on Windows: try it.
        with tempfile.TemporaryDirectory(prefix=".spinalcordseg-", dir=existing):
            pass
    except OSError as error:
        raise _write_error(error, existing) from error
    if overwrite:
        return
    for path in paths:
        if _there(path):
            raise OutputExists(f"{path} exists already", "use --overwrite to replace it")


@contextmanager
def all_or_none(
    directory: str | os.PathLike[str],
    paths: Sequence[Path],
    overwrite: bool = False,
    stale: Sequence[Path] = (),
) -> Iterator[Path]:
    """Give a private folder to write to; move its files into place when all are written.

    On any failure, an interrupt included, the folders made here are removed and files already
    moved go back.

    Parameters
    ----------
    directory : path
        Made if it does not exist.
    paths : sequence of Path
        Where the files go, in `directory`; the body writes them all, under the same names, into
        the folder it is given.
    overwrite : bool
        Replace files that exist.
    stale : sequence of Path
        Files of an earlier run that make no sense beside the new ones: removed if they exist.

    Raises
    ------
    OutputExists, OutputNotWritable, OutOfResources
        As :func:`check_output`; also if writing fails.
    """
    directory = Path(directory)
    check_output(directory, (*paths, *stale), overwrite)
    made = _missing_folders(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".spinalcordseg-", dir=directory) as private:
            folder, replaced = Path(private, "new"), Path(private, "old")
            folder.mkdir()
            replaced.mkdir()
            yield folder
            _move_into_place([folder / path.name for path in paths], stale, directory, replaced)
    except BaseException as error:
        for created in made:
            _remove_if_empty(created)
        if isinstance(error, OSError):
            raise _write_error(error, directory) from error
        raise


def _there(path: Path) -> bool:
    # A dangling link is there too: writing would replace it.
    return os.path.lexists(path)


def _move_into_place(
    files: Sequence[Path], stale: Sequence[Path], directory: Path, replaced: Path
) -> None:
    targets = [directory / file.name for file in files]
    new = [target for target in targets if not _there(target)]
    try:
        for old in (*targets, *stale):
            if _there(old):
                os.replace(old, replaced / old.name)
        for file, target in zip(files, targets, strict=True):
            os.replace(file, target)
    except BaseException:
        for target in new:
            target.unlink(missing_ok=True)
        for backup in replaced.iterdir():
            os.replace(backup, directory / backup.name)
        raise


def _missing_folders(directory: Path) -> list[Path]:
    """Return the folders that making `directory` will make, innermost first."""
    return [folder for folder in (directory, *directory.parents) if not _there(folder)]


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _write_error(error: OSError, directory: Path) -> Exception:
    friendly = user_error(error)
    if isinstance(friendly, OutOfResources):
        return OutOfResources(
            f"the disk that holds {directory} is full", "free some space or choose another folder"
        )
    return OutputNotWritable(
        f"{directory} cannot be written to ({error.strerror or error})",
        "choose another output folder with -o",
    )
