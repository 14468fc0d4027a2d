# SPDX-License-Identifier: Apache-2.0
"""Which weights there are, and whether those on this computer are undamaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from ..errors import SpinalCordSegError, WeightsCorrupt
from .install import is_supported, size_text
from .registry import published_named, published_weights, shipped_folder, shipped_weights
from .store import SUFFIX, read_specification, verify_weights_file, weights_folder

STATES = ("shipped", "installed", "available", "unsupported", "damaged")


@dataclass(frozen=True)
class WeightsRecord:
    """A set of weights as a person sees it in a list.

    Attributes
    ----------
    name, task, contrast : str
        As in ``WeightsSpecification``.
    state : str
        One of :data:`STATES`: part of this project, in the user's folder, to be fetched, of a
        network that this version does not have, or unreadable.
    size_bytes : int or None
        On disk, or of the file to fetch; None where that was never seen.
    licence : str
    """

    name: str
    task: str
    contrast: str
    state: str
    size_bytes: int | None
    licence: str


def list_weights() -> tuple[WeightsRecord, ...]:
    """Return every set: those that ship, those in the user's folder, those to be fetched."""
    records = {
        path.stem: _record(path, state)
        for state, folder in (("installed", weights_folder()), ("shipped", shipped_folder()))
        for path in _files(folder)
    }
    for entry in published_weights():
        state = "available" if is_supported(entry) else "unsupported"
        records.setdefault(
            entry.name,
            WeightsRecord(
                entry.name, entry.task, entry.contrast, state, entry.size_bytes, entry.licence
            ),
        )
    order = {state: number for number, state in enumerate(STATES)}
    return tuple(sorted(records.values(), key=lambda record: order[record.state]))


def table(records: Iterable[WeightsRecord]) -> str:
    """Return records as lines of aligned columns under a heading."""
    rows = [("NAME", "TASK", "CONTRAST", "STATE", "SIZE", "LICENCE")]
    for record in records:
        name, task, contrast, state, size_bytes, licence = astuple(record)
        rows.append((name, task, contrast, state, size_text(size_bytes), licence))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def verify_weights() -> list[Path]:
    """Read every file of weights on this computer and compare it with its hash.

    Returns
    -------
    list of Path
        The files, all of them undamaged.

    Raises
    ------
    WeightsCorrupt
        If one is not, or one that ships is missing; says which and what to do.
    """
    expected = {shipped_folder() / f"{name}{SUFFIX}" for name in shipped_weights()}
    paths = sorted(expected.union(_files(shipped_folder()))) + _files(weights_folder())
    problems: dict[Path, SpinalCordSegError] = {}
    for path in paths:
        try:
            verify_weights_file(path)
        except SpinalCordSegError as error:
            problems[path] = error
    if problems:
        raise WeightsCorrupt(
            "; ".join(error.message for error in problems.values()),
            "; ".join(dict.fromkeys(_remedy(path) for path in problems)),
        )
    return paths


def _record(path: Path, state: str) -> WeightsRecord:
    try:
        found = read_specification(path)
    except WeightsCorrupt:
        return WeightsRecord(path.stem, "?", "?", "damaged", path.stat().st_size, "?")
    return WeightsRecord(
        path.stem, found.task, found.contrast, state, path.stat().st_size, found.licence
    )


def _remedy(path: Path) -> str:
    if path.parent == shipped_folder():
        return "install SpinalCordSeg again"
    if published_named(path.stem) is not None:
        return f"get it again with `spinalcordseg weights fetch {path.stem}`"
    return f"delete {path}, or make it again"


def _files(folder: Path) -> list[Path]:
    """Return the weights in a folder, which need not exist; half-written files have a dot."""
    return sorted(
        path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and path.name[0] != "."
    )
