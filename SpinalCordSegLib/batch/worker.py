# SPDX-License-Identifier: Apache-2.0
"""One scan of a batch, from its file to its results; runs in a process of its own.

A process does one scan after the other and keeps the weights. All files of a scan are written
into a private folder and moved into place when they are complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Cancelled, InvalidImage, OutputExists
from ..failures import user_error
from ..headers.dicom import files_of_all_series
from . import bids
from .inputs import Scan
from .private import without_folders
from .records import STATE_FOLDER, Record, read_record, write_record
from .settings import Settings

# A cluster's worker may have several threads, and a scan takes all of the process.
_ONE_AT_A_TIME = threading.Lock()

# What the report shows, as ``report_pictures`` names it.
_PICTURES = ("qc_sagittal.jpg", "qc_axial.jpg", "qc.json")


@dataclass(frozen=True)
class Task:
    """One scan and what to do with it; crosses process borders.

    Attributes
    ----------
    scan : Scan
    output : Path
        Folder of the batch.
    settings : Settings
    key : str
        As ``settings_key``.
    overwrite : bool
        Replace results of another input or of other settings, and files of unknown origin.
    retry_failed : bool
        Try again what failed before with the same input and settings.
    again : bool
        Do it in any case.
    """

    scan: Scan
    output: Path
    settings: Settings
    key: str
    overwrite: bool = False
    retry_failed: bool = False
    again: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a worker did: the scan's record, and whether it is that of an earlier run."""

    record: Record
    earlier: bool = False


def describe_weights(settings: Settings) -> list[dict[str, str]]:
    """Check the settings, and say which weights serve any image: name, task and SHA-256.

    Raises
    ------
    SpinalCordSegError
        As :func:`~SpinalCordSegLib.pipeline.segment`, before any scan is read.
    """
    from ..dicom_segmentation import require_highdicom
    from ..pipeline import check_request
    from ..weights import keep_weights

    if settings.dicom_seg:
        require_highdicom()
    keep_weights()
    used = check_request(
        settings.structures,
        settings.contrast,
        settings.refine,
        settings.weights,
        settings.device,
        settings.threshold,
        settings.method,
    )
    return [
        {"name": w.specification.name, "task": w.specification.task, "sha256": w.sha256}
        for w in used
    ]


def process_scan(task: Task) -> Outcome:
    """Segment and measure one scan, unless that was done before.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Outcome
        A scan that cannot be segmented gives a record with the reason; it raises nothing but
        ``Cancelled``.
    """
    with _ONE_AT_A_TIME:
        return _process(task)


def content_sha256(path: Path) -> str:
    """Return a hash of an image's content, in hexadecimal; of a DICOM folder, of all its series."""
    if not path.is_dir():
        # The voxels of these headers lie in another file.
        if path.suffix.lower() in (".nhdr", ".mhd"):
            beside = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.is_file())
            return _together([_file_sha256(file) for file in beside])
        return _file_sha256(path)
    # Not of what else lies there, such as results. Without names: those of a series mean nothing.
    return _together(sorted(_file_sha256(Path(file)) for file in files_of_all_series(path)))


def _process(task: Task) -> Outcome:
    scan, start = task.scan, time.perf_counter()
    known = read_record(task.output, scan.id)
    caught: list[str] = []
    record = Record(scan.id, scan.source, key=task.key, files=known.files if known else {})
    try:
        record = replace(record, sha256=content_sha256(scan.path))
        if known is not None and not task.again:
            kept = _kept(known, record, task)
            if kept is not None:
                return Outcome(kept, earlier=True)
        with _collected_warnings(caught):
            record = _segment(task, record)
    except (Cancelled, KeyboardInterrupt):
        raise
    except Exception as exception:
        error = user_error(exception)
        latest = read_record(task.output, scan.id)
        record = replace(
            record,
            status="failed",
            files=latest.files if latest else {},
            reason=_harmless(error.message, task),
            remedy=_harmless(error.remedy, task),
        )
    record = replace(
        record,
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(_harmless(text, task) for text in caught)),
    )
    write_record(task.output, record)
    shutil.rmtree(_staging(task), ignore_errors=True)
    return Outcome(record)


def _kept(known: Record, now: Record, task: Task) -> Record | None:
    """Return the record of an earlier run if it stands, None if the scan is to be done."""
    same = (known.sha256, known.key) == (now.sha256, now.key)
    if known.status == "failed" and same and not task.retry_failed:
        return known
    complete = bool(known.files) and all((task.output / f).is_file() for f in known.files.values())
    if known.status != "done" or not complete:
        return None
    if same:
        return known
    if task.overwrite:
        return None
    what = "the input has" if known.sha256 != now.sha256 else "the settings or the software have"
    return replace(
        known,
        reason=f"{what} changed since these results were written",
        remedy="use --overwrite to replace them",
    )


def _segment(task: Task, record: Record) -> Record:
    """Segment, measure and write one scan."""
    from ..dicom_segmentation import source_slices
    from ..measurement.measurement_files import slices_csv, summary_row
    from ..measurement.report import measure_masks
    from ..pipeline import segment
    from ..result_files import write_result
    from ..weights import keep_weights
    from .report_pictures import report_pictures

    keep_weights()
    scan, settings = task.scan, task.settings
    names = _names(task)
    _check_foreign(task, record, names)
    image = _read(scan, settings)
    slices = source_slices(scan.path, image) if settings.dicom_seg else ()
    result = segment(
        image,
        structures=settings.structures,
        contrast=scan.contrast if settings.contrast == "auto" else settings.contrast,
        refine=settings.refine,
        weights=settings.weights,
        device=settings.device,
        threshold=settings.threshold,
        method=settings.method,
    )
    found = measure_masks(result.masks, scan.stem, image, result.centerline)
    staging = _staging(task)
    shutil.rmtree(staging, ignore_errors=True)
    write_result(result, staging, scan.stem, settings.soft, True, image, slices)
    _write(staging / f"{scan.stem}_slices.csv", slices_csv(found.cord))
    report_pictures(image, result, staging, scan.stem)
    # A single slice has no sagittal view.
    names = {name: place for name, place in names.items() if not _is_missing(staging, name)}
    provenance = _add_provenance(staging / f"{scan.stem}_seg.json", task, record)
    for name in names:
        if name.endswith("_mask.json"):
            content = bids.sidecar(scan.source, provenance)
            _write(staging / name, json.dumps(content, indent=2) + "\n")
    record = replace(record, measurements=_row(summary_row(found.summaries[0])))
    return _move_into_place(task, record, names)


def _is_missing(staging: Path, name: str) -> bool:
    return name.endswith(_PICTURES[0]) and not (staging / name).exists()


def _names(task: Task) -> dict[str, str]:
    """Return for each file of a result, by its name without folder, where it goes."""
    from ..result_files import result_paths

    scan, settings = task.scan, task.settings
    paths = result_paths("", scan.stem, settings.structures, settings.soft, settings.dicom_seg)
    names = [path.name for path in paths]
    names += [f"{scan.stem}_{rest}" for rest in ("slices.csv", *_PICTURES)]
    if scan.dataset is not None:
        masks = [name for name in names if name.endswith("_mask.nii.gz")]
        names += [name.replace(".nii.gz", ".json") for name in masks]
    return {name: _final_name(scan, name) for name in names}


def _read(scan: Scan, settings: Settings) -> Any:
    from ..images import read_image
    from ..result_files import stem_of

    if scan.path.is_dir():
        return read_image(scan.path)
    volume: Any = settings.volume
    table = scan.path.with_name(f"{stem_of(scan.path)}.bval")
    if volume is None and table.is_file():
        volume = weighted_volumes(table)
    return read_image(scan.path, volume=volume)


def weighted_volumes(table: Path) -> list[int]:
    """Return the volumes with b > 0 of a ``.bval`` file, counted from 0.

    Scanners write small b values for 0: below 50 s/mm2 counts as none.

    Raises
    ------
    InvalidImage
        If it holds something else than numbers, or no b > 0.
    """
    try:
        values = [float(word) for word in table.read_text(encoding="utf-8").split()]
    except ValueError:
        values = []
    chosen = [index for index, value in enumerate(values) if value > 50]
    if not chosen:
        raise InvalidImage(
            f"{table.name} names no volume with b > 0", "choose a volume with --volume"
        )
    return chosen


def _add_provenance(path: Path, task: Task, record: Record) -> dict[str, Any]:
    """Say in the sidecar of a result what it was made from, and return that."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["provenance"]["input"] = {"name": task.scan.source, "sha256": record.sha256}
    content["provenance"]["settings"] = task.settings.to_json()
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    return dict(content["provenance"])


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "range"}


def _final_name(scan: Scan, name: str) -> str:
    if scan.dataset is not None:
        name = bids.derivative_name(scan.stem, name)
    return f"{scan.folder}/{name}" if scan.folder else name


def _check_foreign(task: Task, record: Record, names: Mapping[str, str]) -> None:
    """Refuse to replace files that this batch has not written."""
    owned = set(record.files.values())
    for name in names.values():
        if name not in owned and os.path.lexists(task.output / name) and not task.overwrite:
            raise OutputExists(
                f"{name} exists already and is not of this batch",
                "use --overwrite to replace it, or choose another output folder",
            )


def _move_into_place(task: Task, record: Record, names: Mapping[str, str]) -> Record:
    """Move complete files to where they belong; the record says first that it is under way."""
    _check_foreign(task, record, names)
    before, after = set(record.files.values()), set(names.values())
    moved = {f"file-{n}": name for n, name in enumerate(sorted(before | after))}
    write_record(task.output, replace(record, status="writing", files=moved))
    for name, place in names.items():
        target = task.output / place
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(_staging(task) / name, target)
    # Of an earlier run with other structures, say: they would not belong to the new files.
    for place in before - after:
        (task.output / place).unlink(missing_ok=True)
    files = {_kind(name, task.scan.stem): place for name, place in names.items()}
    return replace(record, status="done", files=files)


def _kind(name: str, stem: str) -> str:
    """Return what `files` of a record calls a file of a result."""
    rest = name.removeprefix(f"{stem}_")
    kinds = {
        "seg.seg.nrrd": "seg",
        "seg.dcm": "dicom_seg",
        "seg.json": "json",
        "overview.png": "overview",
        "centerline.mrk.json": "centerline",
        "centerline.csv": "centerline_csv",
        "slices.csv": "slices",
        "qc_sagittal.jpg": "qc_sagittal",
        "qc_axial.jpg": "qc_axial",
        "qc.json": "qc",
    }
    if rest in kinds:
        return kinds[rest]
    label, _, kind = rest.removeprefix("label-").partition("_")
    short = {"SC": "cord", "GM": "gm", "WM": "wm", "lesion": "lesion"}.get(label, label)
    return short + {"mask.nii.gz": "", "prob.nii.gz": "_prob", "mask.json": "_json"}[kind]


def _staging(task: Task) -> Path:
    name = hashlib.sha256(task.scan.id.casefold().encode()).hexdigest()[:32]
    return task.output / STATE_FOLDER / "staging" / name


def _harmless(text: str, task: Task) -> str:
    folders = (_staging(task), task.output, task.scan.path.parent, Path.home())
    said = without_folders(text, (each.absolute() for each in folders))
    # A folder of DICOM files that bears the patient's name goes by another one.
    own, shown = task.scan.path.name, task.scan.source.rsplit("/", 1)[-1]
    return re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", lambda _: shown, said)


@contextmanager
def _collected_warnings(texts: list[str]) -> Iterator[None]:
    """Collect the warnings meant for users instead of showing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            meant = (each for each in caught if issubclass(each.category, UserWarning))
            texts += (" ".join(str(each.message).split()) for each in meant)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _together(digests: list[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()
