# SPDX-License-Identifier: Apache-2.0
"""The scans of a batch: found in files, globs, folders and BIDS datasets; each with its own id."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InvalidArgument
from . import bids

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")

# Names of what is made of scans: masks, probabilities and label maps.
_DERIVED = re.compile(
    r".*([_-](mask|prob|probseg|seg|dseg|label|labels|lesion|gm|wm|csf|cord|centerline|manual)"
    r"|_label-[A-Za-z0-9]+.*|\.seg)",
    re.IGNORECASE,
)
# A DICOM segmentation of an earlier result makes no series of its folder.
_NO_SCAN = (*IMAGE_SUFFIXES, "_seg.dcm")
_FOLDERS_LEFT_OUT = ("derivatives", "sourcedata", "code", "__MACOSX")


@dataclass(frozen=True)
class Scan:
    """One image of a batch.

    Attributes
    ----------
    id : str
        Unique in the batch, also where the case of letters does not count; what the names of the
        results begin with, with the folder they go to: ``sub-01/anat/sub-01_T2w``.
    path : Path
        The file, or the folder of a DICOM series.
    source : str
        The path relative to the input it was found in; all that logs and provenance know of it.
    contrast : str
        As the BIDS suffix tells; ``auto`` elsewhere.
    dataset : Path or None
        The BIDS dataset it belongs to: its results are named as derivatives of it.
    """

    id: str
    path: Path
    source: str
    contrast: str = "auto"
    dataset: Path | None = None

    @property
    def folder(self) -> str:
        """Where its results go, below the output folder; empty if right there."""
        return self.id.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """What the names of its results begin with."""
        return self.id.rpartition("/")[2]


@dataclass(frozen=True)
class Found:
    """What the inputs of a batch come to.

    Attributes
    ----------
    scans : tuple of Scan
        Sorted by id.
    left_out : tuple of str
        Masks and other results of earlier work that lay among them, by name.
    """

    scans: tuple[Scan, ...]
    left_out: tuple[str, ...]


def find_scans(inputs: Sequence[str | os.PathLike[str]], output: Path) -> Found:
    """Find the scans of a batch.

    Parameters
    ----------
    inputs : sequence of path
        Image files, globs, folders (searched below, with folders of DICOM series in them), and
        BIDS datasets. Masks, hidden files and derivatives in a folder or glob are left out; a
        file that is named itself is a scan, whatever its name.
    output : Path
        The folder for the results: nothing in it is an input.

    Raises
    ------
    InvalidArgument
        If an input does not exist, nothing is found, or two BIDS datasets are given.
    """
    scans: list[Scan] = []
    left_out: list[str] = []
    for given in inputs:
        new, masks = _scans_of(str(given), output)
        scans += new
        left_out += masks
    scans = list({os.path.realpath(scan.path): scan for scan in reversed(scans)}.values())
    if not scans:
        raise InvalidArgument(
            "no scan was found in the input" + (f" ({len(left_out)} masks)" if left_out else ""),
            "give image files, folders that hold some, or a BIDS dataset",
        )
    if len({scan.dataset for scan in scans if scan.dataset}) > 1:
        raise InvalidArgument(
            "two BIDS datasets were given", "run each on its own, into a folder of its own"
        )
    unique = _with_unique_ids(scans)
    return Found(tuple(sorted(unique, key=lambda scan: scan.id)), tuple(sorted(left_out)))


def _scans_of(given: str, output: Path) -> tuple[list[Scan], list[str]]:
    path = Path(given)
    if path.is_dir():
        if bids.is_dataset(path):
            return [_bids_scan(file, path) for file in bids.scan_files(path)], []
        return _walk(path, path, output)
    if path.is_file():
        return [_scan(path, path.parent)], []
    matches = sorted(glob.glob(given, recursive=True)) if glob.has_magic(given) else []
    if not matches:
        raise InvalidArgument(
            f"there is no {path.name}",
            "check the input's name: a file, folder or pattern such as 'data/**/*_T2w.nii.gz'",
        )
    root = Path(*_fixed_parts(path))
    scans: list[Scan] = []
    masks: list[str] = []
    for match in map(Path, matches):
        if match.is_dir():
            new, derived = _walk(match, root, output)
            scans += new
            masks += derived
        elif _is_derived(match):
            masks.append(match.name)
        elif _is_image(match) and output.resolve() not in match.resolve().parents:
            scans.append(_scan(match, root))
    return scans, masks


def _walk(folder: Path, root: Path, output: Path) -> tuple[list[Scan], list[str]]:
    from ..headers.dicom import is_dicom

    scans: list[Scan] = []
    masks: list[str] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _FOLDERS_LEFT_OUT
            and (here / name).resolve() != output.resolve()
        )
        files = [here / name for name in sorted(names) if not name.startswith(".")]
        images = [file for file in files if _is_image(file)]
        masks += (file.name for file in images if _is_derived(file))
        scans += (_scan(file, root) for file in images if not _is_derived(file))
        if any(is_dicom(file) for file in files if not file.name.lower().endswith(_NO_SCAN)):
            scans.append(_dicom_scan(here, root))
    return scans, masks


def _scan(path: Path, root: Path) -> Scan:
    if path.is_dir():
        return _dicom_scan(path, root)
    source = path.relative_to(root).as_posix()
    return Scan(_without_suffix(source), path.absolute(), source, bids.contrast_of(path))


def _bids_scan(path: Path, dataset: Path) -> Scan:
    return replace(_scan(path, dataset), dataset=dataset.absolute())


def _dicom_scan(folder: Path, root: Path) -> Scan:
    """Return a DICOM folder as a scan; folders named after the patient are named by the series."""
    from ..headers.dicom import series_tag
    from ..result_files import stem_of

    words = re.split(r"[^\w]+|_", series_tag(folder, "0010|0010"))
    words += [series_tag(folder, "0010|0020")]
    telling = [word.casefold() for word in words if len(word) > 2]
    uid = series_tag(folder, "0020|000e")
    alias = f"dicom-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"

    def harmless(part: str) -> str:
        return alias if any(word in part.casefold() for word in telling) else part

    parts = [harmless(part) for part in folder.relative_to(root).parts]
    stem = harmless(stem_of(folder))
    return Scan("/".join([*parts, stem]), folder.absolute(), "/".join(parts) or stem)


def _with_unique_ids(scans: Sequence[Scan]) -> list[Scan]:
    """Put more of its path before an id that two scans would have."""
    twins = Counter(_place(scan) for scan in scans)
    named = [_with_format(scan) if twins[_place(scan)] > 1 else scan for scan in scans]
    depth = 1
    while True:
        counts = Counter(scan.id.casefold() for scan in named)
        if max(counts.values()) == 1:
            return named
        named = [
            _with_parent(scan, depth) if counts[scan.id.casefold()] > 1 else scan for scan in named
        ]
        depth += 1


def _place(scan: Scan) -> tuple[Path, str]:
    return scan.path.parent, scan.id.casefold()


def _with_format(scan: Scan) -> Scan:
    """Tell an image from one of the same name, in the same folder, in another format."""
    ending = scan.path.name[len(scan.stem) :].replace(".", "")
    return replace(scan, id=f"{scan.id}_{ending}") if ending else scan


def _with_parent(scan: Scan, depth: int) -> Scan:
    above = scan.path.parts[1 : -len(scan.source.split("/"))]
    if depth > len(above):
        mark = hashlib.sha256(str(scan.path).encode()).hexdigest()[:8]
        return replace(scan, id=f"{scan.id}_{mark}")
    return replace(scan, id=f"{above[-depth]}/{scan.id}")


def _fixed_parts(pattern: Path) -> list[str]:
    parts = list(pattern.parts)
    first = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    return parts[:first] or ["."]


def _without_suffix(name: str) -> str:
    for suffix in IMAGE_SUFFIXES:
        if name.lower().endswith(suffix) and len(Path(name).name) > len(suffix):
            return name[: -len(suffix)]
    return str(Path(name).with_suffix("").as_posix())


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def _is_derived(path: Path) -> bool:
    return _DERIVED.fullmatch(_without_suffix(path.name)) is not None
