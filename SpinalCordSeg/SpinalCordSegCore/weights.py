# SPDX-License-Identifier: Apache-2.0
"""Published weights: what a person should know of them, getting them, getting rid of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from SpinalCordSegLib.errors import SpinalCordSegError

from .command_run import CommandRun, Finished, Progress
from .messages import Failure, crashed, from_worker
from .worker import WorkerEnd


def offer(name: str = "sct") -> str | None:
    """Return what a person should know before published weights are fetched.

    Parameters
    ----------
    name : str
        Of a set, a collection, or ``sct`` for all.

    Returns
    -------
    str or None
        Origin, size, licence and citation of what is not on this computer; None if all of it is.
    """
    with _as_failures():
        from SpinalCordSegLib.weights import install
        from SpinalCordSegLib.weights.registry import published_group

        entries = [entry for entry in published_group(name) if install.is_supported(entry)]
        missing = [entry for entry in entries if not install.is_installed(entry)]
        return install.offer(missing) if missing else None


def fetch(
    name: str = "sct",
    progress: Progress | None = None,
    finished: Finished | None = None,
    command: Sequence[str] | None = None,
) -> CommandRun:
    """Start to download published weights; ask the user before, with :func:`offer`."""
    arguments = ["weights", "fetch", name, "--yes"]
    return CommandRun(arguments, _files, progress, finished, command)


def import_offer(path: str) -> str:
    """Return what a person should know before the published weights in a file are installed.

    Raises
    ------
    Failure
        ``weights`` if the file holds none, or is damaged.
    """
    with _as_failures():
        from SpinalCordSegLib.weights.archives import find_published_files
        from SpinalCordSegLib.weights.install import offer as text

        return text(found.entry for found in find_published_files(Path(path)))


def import_files(
    path: str,
    progress: Progress | None = None,
    finished: Finished | None = None,
    command: Sequence[str] | None = None,
) -> CommandRun:
    """Start to install published weights from a file; ask the user before."""
    arguments = ["weights", "import", path, "--yes"]
    return CommandRun(arguments, _files, progress, finished, command)


def cached_bytes() -> int:
    """Return how much the user's weights take on disk."""
    with _as_failures():
        return sum(path.stat().st_size for path in _cached())


def clear() -> int:
    """Delete the user's weights, and only these, and return how many bytes that freed.

    Raises
    ------
    Failure
        ``weights`` if a file cannot be deleted.
    """
    with _as_failures():
        freed = 0
        for path in _cached():
            size = path.stat().st_size
            try:
                path.unlink()
            except OSError as error:
                raise Failure(
                    "weights",
                    f"{path} cannot be deleted ({error.strerror})",
                    "close other programs that use it and try again",
                ) from error
            freed += size
        return freed


def _files(end: WorkerEnd) -> tuple[Path, ...]:
    if end.files is None:
        raise from_worker(end.error) if end.error else crashed(end.status)
    return end.files


def _cached() -> list[Path]:
    """Return the weights and broken downloads in the user's folder, which may hold more."""
    from SpinalCordSegLib.weights.store import SUFFIX, weights_folder

    folder = weights_folder()
    return sorted({*folder.glob(f"*{SUFFIX}"), *folder.glob(".*.part")})


@contextlib.contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except Failure:
        raise
    except SpinalCordSegError as error:
        raise from_worker(
            {"error": error.exit_status, "message": error.message, "remedy": error.remedy}
        ) from error
    except ModuleNotFoundError as error:
        raise from_worker({"error": 1, "message": str(error), "remedy": ""}) from error
