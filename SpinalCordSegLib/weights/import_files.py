# SPDX-License-Identifier: Apache-2.0
"""Installing weights from files that the user already has."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from ..errors import InvalidArgument, UnsupportedWeights
from .archives import FoundFile, find_published_files, read_file
from .install import (
    Consent,
    Progress,
    ask_consent,
    install,
    is_supported,
    locked_folder,
    named_list,
    share,
)
from .keras_file import require_h5py
from .keras_import import set_named
from .registry import EVERY_PUBLISHED, published_weights, shipped_weights


def import_published(
    path: str | os.PathLike[str], consent: Consent, progress: Progress | None = None
) -> list[Path]:
    """Install published weights from a file, a folder or a zip archive.

    Files are known by their hash. If one that has the name of published weights is not what was
    published, none is installed.

    Parameters
    ----------
    path : str or path
        A Keras file, a folder with such files, or the archive they were published in.
    consent, progress
        See :func:`~.fetch.fetch_weights`.

    Returns
    -------
    list of Path
        The safetensors files in the user's folder.

    Raises
    ------
    WeightsMissing
        If `path` holds none or cannot be read, or h5py is not installed.
    WeightsCorrupt
        If a file or the archive is damaged, or is not what its name says.
    UnsupportedWeights
        If this version has the architecture of none of them.
    Cancelled
        If no consent was given, or `progress` raised it.
    OutputNotWritable, OutOfResources
        If the folder cannot be written to.
    """
    require_h5py()
    found = _supported(find_published_files(Path(path)))
    ask_consent([file.entry for file in found], consent)
    installed = []
    with locked_folder(share(progress, 0, 1)):
        for index, file in enumerate(found):
            share(progress, index, len(found))(0.0, f"converting {file.entry.name}")
            installed.append(install(file.content, Path(file.entry.file), file.origin))
    return installed


def import_trusted(
    path: str | os.PathLike[str], like: str, progress: Progress | None = None
) -> list[Path]:
    """Install a Keras file that was *not* published, under the name of the file.

    Nothing in it is executed, but the library that reads it can crash on a damaged one, and
    nothing says that its numbers are good: for files whose origin you know.

    Parameters
    ----------
    path : str or path
    like : str
        Name of the published set whose preprocessing and threshold it is used with.
    progress : callable, optional
        See :func:`~.fetch.fetch_weights`.

    Returns
    -------
    list of Path
        The one safetensors file.

    Raises
    ------
    InvalidArgument
        If the name of the file is no name for weights, or that of others.
    WeightsMissing, WeightsCorrupt, UnsupportedWeights, OutputNotWritable, OutOfResources
        As :func:`import_published`.
    """
    path = Path(path)
    require_h5py()
    set_named(like)
    _check_free(path)
    content = read_file(path)
    with locked_folder(share(progress, 0, 1)):
        return [install(content, path, f"imported from {path.name}", like)]


def _check_free(path: Path) -> None:
    """Refuse a name that means something else already, or that would look like a path."""
    taken = {"default", EVERY_PUBLISHED, *shipped_weights()}
    taken |= {entry.name for entry in published_weights()}
    # Some disks do not tell upper from lower case.
    if path.stem.lower() in taken or not re.fullmatch(r"[\w-]+", path.stem):
        raise InvalidArgument(
            f"weights are named after their file, and {path.stem!r} is taken or is no name",
            "give the file another name, of letters, digits, - and _",
        )


def _supported(found: list[FoundFile]) -> list[FoundFile]:
    usable = [file for file in found if is_supported(file.entry)]
    left_out = [file.entry for file in found if not is_supported(file.entry)]
    if not usable:
        raise UnsupportedWeights(
            f"the network of {named_list(left_out)} is not supported yet",
            "choose other weights, or a later version of SpinalCordSeg",
        )
    if left_out:
        warnings.warn(f"not supported yet and left out: {named_list(left_out)}", stacklevel=3)
    return usable
