# SPDX-License-Identifier: Apache-2.0
"""A batch from its inputs to its tables; resumed where an earlier run of it ended."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..dicom_segmentation import check_dicom_input
from ..errors import InvalidArgument
from ..output import check_output
from ..progress import Progress
from . import bids
from .inputs import Found, Scan, find_scans
from .processes import run_on_processes
from .quality_marks import read_marks
from .records import STATE_FOLDER, Record, read_records, write_record, write_tables, write_text
from .report import write_report
from .settings import Settings, settings_key
from .worker import Outcome, Task, describe_weights, process_scan

# The tables of a batch of thousands are not written after each scan.
_SECONDS_BETWEEN_TABLES = 30.0


@dataclass(frozen=True)
class Engine:
    """Where a batch runs: on `jobs` processes here, at a scheduler, or on workers by Slurm.

    Attributes
    ----------
    jobs : int
        Processes on this machine, or jobs of Slurm.
    scheduler : str or None
        Address of a Dask scheduler.
    slurm : bool
    threads : int
        Cores of each Slurm job.
    interface : str or None
        The network that Slurm's nodes reach this machine by.
    """

    jobs: int = 1
    scheduler: str | None = None
    slurm: bool = False
    threads: int = 1
    interface: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which scans to do.

    Attributes
    ----------
    overwrite, retry_failed : bool
        As ``Task``.
    marks : Path or None
        The file of marks that the QC report saves.
    only_failed : bool
        Do those marked as failed again, and no others.
    exclude : bool
        Leave those marked as failed or artefact out, of the run and of the tables.
    """

    overwrite: bool = False
    retry_failed: bool = False
    marks: Path | None = None
    only_failed: bool = False
    exclude: bool = False


@dataclass(frozen=True)
class BatchSummary:
    """How a batch ended.

    Attributes
    ----------
    records : tuple of Record
        Of all scans that the folder knows, sorted by id.
    new, earlier, failed, excluded : int
        Scans of this run that were segmented; whose results stand from an earlier one; that could
        not be segmented; that were left out.
    left_out : tuple of str
        Masks among the inputs, which are no scans.
    paths : tuple of Path
        The tables and the report.
    changed : int
        Of those that stand, how many are of another input or other settings.
    """

    records: tuple[Record, ...]
    new: int
    earlier: int
    failed: int
    excluded: int
    changed: int
    left_out: tuple[str, ...]
    paths: tuple[Path, ...]

    def notes(self) -> list[str]:
        """Return what a person should know at the end, a sentence each."""
        notes = []
        if self.left_out:
            notes.append(f"left out {len(self.left_out)} masks among the inputs")
        if self.changed:
            notes.append(
                f"kept {self.changed} results whose input, settings or software changed since; "
                "use --overwrite to replace them, or choose another output folder"
            )
        if self.failed:
            count = self.new + self.earlier + self.failed
            notes.append(f"{self.failed} of {count} scans failed: status.csv says why")
        return notes


def run_batch(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    settings: Settings | None = None,
    engine: Engine | None = None,
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> BatchSummary:
    """Segment and measure many scans.

    Results are named and placed as the scans are; those of a BIDS dataset as BIDS derivatives.
    ``batch.json`` and ``status.csv`` say what became of each scan, ``measurements.csv`` has a row
    for each, and ``report.html`` shows them. Scans whose content and settings are those of finished
    results are skipped.

    Parameters
    ----------
    inputs : sequence of path
        Image files, globs, folders, folders of DICOM series, BIDS datasets.
    output : path
        Made if it does not exist.
    settings : Settings, optional
    engine : Engine, optional
        By default one process here.
    selection : Selection, optional
    progress : callable, optional
        ``progress(fraction, message)``; raise ``Cancelled`` in it to stop.

    Raises
    ------
    InvalidArgument, WeightsMissing, WeightsCorrupt, OutputNotWritable, ClusterLost
        What stops the batch as a whole; a scan that fails is recorded, and the others go on.
    """
    output = Path(output).absolute()
    settings, engine = settings or Settings(), engine or Engine()
    selection, report = selection or Selection(), progress or (lambda fraction, message: None)
    if "cord" not in settings.structures:
        settings = replace(settings, structures=("cord", *settings.structures))
    marks = _marks(selection)
    report(0.0, "looking for scans")
    found = find_scans(inputs, output)
    wanted, excluded = _select(found.scans, marks, selection)
    if settings.dicom_seg:
        for scan in wanted:
            check_dicom_input(scan.path, output / scan.folder)
    check_output(output, [])
    output.mkdir(parents=True, exist_ok=True)
    with _alone_in(output), _runner(engine) as run:
        report(0.0, "checking the settings and the weights")
        ((_, weights),) = run(describe_weights, [settings])
        if weights is None:
            raise InvalidArgument(
                "the process that loads the weights was ended", "free some memory and try again"
            )
        key = settings_key(settings, weights)
        again = selection.only_failed
        tasks = [
            Task(scan, output, settings, key, selection.overwrite, selection.retry_failed, again)
            for scan in wanted
        ]
        described = settings.to_json() | {"weights_used": weights}
        outcomes: list[Outcome] = []
        written = time.monotonic()
        for outcome in _with_progress(run(process_scan, tasks), output, len(tasks), report):
            outcomes.append(outcome)
            if time.monotonic() - written > _SECONDS_BETWEEN_TABLES:
                write_tables(output, _records(output, outcomes, excluded), described)
                written = time.monotonic()
        report(1.0, "writing the tables")
        _describe_dataset(found, output)
        records = _records(output, outcomes, excluded)
        paths = write_tables(output, records, described)
        if any(record.files for record in records):
            report(1.0, "writing the report")
            paths.append(write_report(output, overwrite=True))
    done = [outcome for outcome in outcomes if outcome.record.status == "done"]
    return BatchSummary(
        tuple(records),
        sum(not outcome.earlier for outcome in done),
        sum(outcome.earlier for outcome in done),
        len(outcomes) - len(done),
        len(excluded),
        sum(bool(outcome.record.reason) for outcome in done),
        found.left_out,
        tuple(paths),
    )


def _marks(selection: Selection) -> dict[str, str]:
    if selection.marks is None:
        if selection.only_failed or selection.exclude:
            raise InvalidArgument(
                "it is not said which scans were marked", "give the report's file with --qc"
            )
        return {}
    if selection.only_failed == selection.exclude:
        raise InvalidArgument(
            "it is not said what to do with the marks", "give --only-failed or --exclude"
        )
    given = read_marks(selection.marks)
    return {scan: found.mark for scan, found in given.items() if found.mark}


def _select(
    scans: Sequence[Scan], marks: dict[str, str], selection: Selection
) -> tuple[list[Scan], dict[str, str]]:
    """Return the scans to do, and the reason for each id that is left out of the tables."""
    if selection.only_failed:
        failed = {scan for scan, mark in marks.items() if mark == "fail"}
        wanted = [scan for scan in scans if scan.id in failed]
        missing = sorted(failed - {scan.id for scan in wanted})
        if missing or not wanted:
            what = f"{missing[0]}, marked as failed, is not" if missing else "none marked as failed"
            raise InvalidArgument(
                f"{what} among the inputs", "give the inputs of the batch that was reviewed"
            )
        return wanted, {}
    if selection.exclude:
        out = {
            scan: f"marked as {mark} in the QC report"
            for scan, mark in marks.items()
            if mark != "pass"
        }
        return [scan for scan in scans if scan.id not in out], out
    return list(scans), {}


@contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """Keep a second batch out of the folder; the lock of a process that was killed is free."""
    from filelock import FileLock, Timeout

    state = output / STATE_FOLDER
    state.mkdir(exist_ok=True)
    lock = FileLock(state / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InvalidArgument(
            f"another batch is running in {output.name}",
            "wait for its end, or choose another output folder",
        ) from error
    try:
        # What a run that was killed has left half-written.
        shutil.rmtree(state / "staging", ignore_errors=True)
        yield
        shutil.rmtree(state / "staging", ignore_errors=True)
    finally:
        lock.release()


@contextmanager
def _runner(engine: Engine) -> Iterator[Callable[..., Iterator[tuple[Any, Any]]]]:
    """Give what runs a function on tasks."""
    from .cluster import run_on_cluster, scheduler_at, slurm

    if engine.slurm:
        cluster = slurm(engine.jobs, engine.threads, engine.interface)
    elif engine.scheduler is not None:
        cluster = scheduler_at(engine.scheduler)
    else:
        yield lambda function, tasks: run_on_processes(function, tasks, engine.jobs)
        return
    with cluster as client:
        yield lambda function, tasks: run_on_cluster(function, tasks, client)


def _with_progress(
    results: Iterator[tuple[Task, Outcome | None]], output: Path, count: int, report: Progress
) -> Iterator[Outcome]:
    """Pass outcomes on, record what cost a process its life, and say when it will be over."""
    start, new, failed = time.monotonic(), 0, 0
    report(0.0, f"0 of {count} scans")
    for number, (task, outcome) in enumerate(results, 1):
        if outcome is None:
            outcome = Outcome(_killed(task))
            write_record(output, outcome.record)
        new += not outcome.earlier
        failed += outcome.record.status == "failed"
        left = (time.monotonic() - start) / new * (count - number) if new else 0.0
        parts = [f"{number} of {count} scans"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"about {_duration(left)} left"] if new and number < count else []
        report(number / count, ", ".join([*parts, outcome.record.id]))
        yield outcome


def _killed(task: Task) -> Record:
    earlier = next((r for r in read_records(task.output) if r.id == task.scan.id), None)
    return Record(
        task.scan.id,
        task.scan.source,
        key=task.key,
        reason="the process that worked on it was ended twice, by the system or a crash",
        remedy="give it more memory, or crop the image around the spine; then --retry-failed",
        files=earlier.files if earlier else {},
    )


def _records(output: Path, outcomes: Sequence[Outcome], excluded: dict[str, str]) -> list[Record]:
    """Return what is known of all scans; of those of this run, what it has to say of them."""
    told = {outcome.record.id: outcome.record for outcome in outcomes}
    records = [told.get(record.id, record) for record in read_records(output)]
    return [
        record.excluded(excluded[record.id]) if record.id in excluded else record
        for record in records
    ]


def _describe_dataset(found: Found, output: Path) -> None:
    dataset = next((scan.dataset for scan in found.scans if scan.dataset), None)
    if dataset is None:
        return
    description = json.dumps(bids.dataset_description(dataset, output), indent=2) + "\n"
    texts = {
        "dataset_description.json": description,
        "README.md": bids.readme(),
        ".bidsignore": bids.bidsignore(),
    }
    for name, text in texts.items():
        write_text(output / name, text)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
