# SPDX-License-Identifier: Apache-2.0
"""Putting published weights into the user's folder: with consent, converted, or not at all."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..errors import (
    Cancelled,
    OutOfResources,
    OutputNotWritable,
    SpinalCordSegError,
    WeightsCorrupt,
    WeightsMissing,
)
from ..failures import user_error
from ..progress import Progress, part_of
from ..version import __version__
from .keras_import import SUPPORTED, import_content
from .registry import PublishedWeights
from .store import FOLDER_VARIABLE, SUFFIX, save_weights, verify_weights_file, weights_folder

Consent = Callable[[str], bool]
"""Shown what is offered (several lines), says whether the user wants it."""

_LOCK = ".lock"
_LOCK_POLL_S = 0.3


def ask_consent(entries: Iterable[PublishedWeights], consent: Consent) -> None:
    """Show a person what is about to be installed, and on what terms.

    Raises
    ------
    Cancelled
        If the answer is no.
    """
    if not consent(offer(entries)):
        raise Cancelled("no consent was given", "nothing was fetched or installed")


def offer(entries: Iterable[PublishedWeights]) -> str:
    """Return what a person should know before weights of others are installed.

    Returns
    -------
    str
        Several lines: origin, names, sizes, licence and citation.
    """
    collections: dict[str, list[PublishedWeights]] = {}
    for entry in entries:
        collections.setdefault(entry.collection, []).append(entry)
    lines: list[str] = []
    for members in collections.values():
        first = members[0]
        lines += [f"Published by others at {first.homepage}:"]
        lines += [f"  {entry.name:<16} {size_text(entry.size_bytes)}" for entry in members]
        lines += [f"  Licence: {licence_text(first.licence)}", f"  Please cite: {first.citation}"]
    lines.append(f"They are checked, converted and kept in {weights_folder()}.")
    return "\n".join(lines)


def licence_text(licence: str) -> str:
    """Return a licence as a sentence for people, also where there is none."""
    if licence == "none stated":
        return "none stated. Their authors have granted no rights; ask them if you need any."
    return licence


def size_text(size_bytes: int | None) -> str:
    """Return a size for people; sizes of files that were never seen are not known."""
    return "size not known" if size_bytes is None else f"{size_bytes / 1e6:.1f} MB"


def is_supported(entry: PublishedWeights) -> bool:
    """Tell whether this version has the architecture of a set."""
    return entry.architecture in SUPPORTED


def installed_path(name: str) -> Path:
    """Return where a set of that name is installed, or would be."""
    return weights_folder() / f"{name}{SUFFIX}"


def is_installed(entry: PublishedWeights) -> bool:
    """Tell whether a set is in the user's folder and undamaged."""
    try:
        verify_weights_file(installed_path(entry.name))
    except (WeightsMissing, WeightsCorrupt):
        return False
    return True


def install(content: bytes, path: Path, origin: str, like: str | None = None) -> Path:
    """Verify and convert a Keras file, and put it into the user's folder.

    Parameters
    ----------
    content : bytes
    path : Path
        What to call the file in messages.
    origin : str
        How it came here, for the record; a clause.
    like : str, optional
        See :func:`~.keras_import.import_weights`.

    Returns
    -------
    Path
        The safetensors file.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, UnsupportedWeights
        As :func:`~.keras_import.import_weights`.
    OutputNotWritable, OutOfResources
        If it cannot be written; nothing of it remains.
    """
    loaded = import_content(content, path, like)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = f"{loaded.specification.source}, {origin} on {now} by SpinalCordSeg {__version__}"
    specification = replace(loaded.specification, source=source)
    target = installed_path(specification.name)
    save_weights(loaded.network, specification, target)
    return target


@contextlib.contextmanager
def locked_folder(report: Progress) -> Iterator[Path]:
    """Give the user's folder of weights to this process alone.

    It is made if it does not exist. Another process that installs weights is waited for; the
    operating system frees the folder when a process ends, however it ends.

    Raises
    ------
    OutputNotWritable, OutOfResources
        If it cannot be made or written to.
    """
    from filelock import FileLock, Timeout

    folder = weights_folder()
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits do not tell the truth on network disks and on Windows: try it.
        with tempfile.TemporaryDirectory(prefix=".check-", dir=folder):
            pass
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_LOCK_POLL_S)
            except Timeout:
                report(0.0, "waiting for another process that installs weights")
    except OSError as error:
        raise folder_error(error) from error
    try:
        # What a process that was killed left half-written.
        for stale in folder.glob(f".*{SUFFIX}.*.part"):
            stale.unlink(missing_ok=True)
        yield folder
    finally:
        lock.release()


def folder_error(error: OSError) -> SpinalCordSegError:
    """Return what to tell the user when the folder of weights cannot be written."""
    folder = weights_folder()
    if isinstance(user_error(error), OutOfResources):
        return OutOfResources(
            f"the disk that holds {folder} is full",
            f"free some space, or set {FOLDER_VARIABLE} to a folder on another disk",
        )
    return OutputNotWritable(
        f"the folder of weights {folder} cannot be written to ({error.strerror or error})",
        f"set {FOLDER_VARIABLE} to a folder that you may write to",
    )


def share(report: Progress | None, index: int, count: int) -> Progress:
    """Return the progress of one of several equal pieces of work."""
    report = report or (lambda fraction, message: None)
    return part_of(report, index / max(count, 1), (index + 1) / max(count, 1))


def named_list(entries: Sequence[PublishedWeights]) -> str:
    """Return the names of sets, for a sentence."""
    return ", ".join(entry.name for entry in entries)
