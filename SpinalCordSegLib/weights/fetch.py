# SPDX-License-Identifier: Apache-2.0
"""Downloading published weights from where they were published, by their pinned hash."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import InvalidArgument, UnsupportedWeights, WeightsCorrupt, WeightsMissing
from .archives import MOST_BYTES_OF_A_FILE, MOST_BYTES_OF_AN_ARCHIVE, published_files_of_zip
from .install import (
    Consent,
    Progress,
    ask_consent,
    folder_error,
    install,
    installed_path,
    is_installed,
    is_supported,
    locked_folder,
    named_list,
    share,
)
from .keras_file import require_h5py
from .registry import EVERY_PUBLISHED, PublishedWeights, published_group

_CONNECT_S = 10
_READ_S = 30
_CHUNK_BYTES = 16 * 1024
# A connection that breaks is taken up again so often as long as each time brings something.
_MOST_RESUMPTIONS = 20


class _Unavailable(Exception):
    """One address did not give the file; another may."""


class _Different(_Unavailable):
    """One address gave another file."""


def fetch_weights(name: str, consent: Consent, progress: Progress | None = None) -> list[Path]:
    """Download published weights into the user's folder, converted to safetensors.

    What is there already, undamaged, is not fetched again. A download that broke off goes on
    where it stopped, also in a later call. Nothing is opened before its hash was checked.

    Parameters
    ----------
    name : str
        Of a set, of a collection (``deepseg_gm_models``), or ``sct`` for every published set.
    consent : callable
        Given a text with size, licence and citation; must return True for anything to happen.
    progress : callable, optional
        Called with a fraction (0 to 1) and a message; may raise ``Cancelled``.

    Returns
    -------
    list of Path
        The files of all sets asked for.

    Raises
    ------
    InvalidArgument
        If there is no published set or collection of that name.
    Cancelled
        If no consent was given, or `progress` raised it.
    WeightsMissing
        If a file cannot be had: no network, or gone; or h5py is not installed.
    WeightsCorrupt
        If what was downloaded is not the published file.
    UnsupportedWeights
        If this version does not have the architecture.
    OutputNotWritable, OutOfResources
        If the folder cannot be written to.
    """
    entries = _wanted(name)
    require_h5py()
    todo = [entry for entry in entries if not is_installed(entry)]
    if todo:
        ask_consent(todo, consent)
        with locked_folder(share(progress, 0, 1)) as folder:
            # Another process may have been faster.
            _fetch([entry for entry in todo if not is_installed(entry)], folder, progress)
    return [installed_path(entry.name) for entry in entries]


def _wanted(name: str) -> list[PublishedWeights]:
    entries = published_group(name)
    if not entries:
        raise InvalidArgument(
            f"there are no published weights named {name!r}",
            f"see `spinalcordseg weights list`, or give {EVERY_PUBLISHED} for all of them",
        )
    usable = [entry for entry in entries if is_supported(entry)]
    left_out = [entry for entry in entries if not is_supported(entry)]
    if not usable:
        raise UnsupportedWeights(
            f"the network of {named_list(left_out)} is not supported yet",
            "choose other weights, or a later version of SpinalCordSeg",
        )
    if left_out:
        warnings.warn(f"not supported yet and left out: {named_list(left_out)}", stacklevel=3)
    return usable


def _fetch(todo: Sequence[PublishedWeights], folder: Path, progress: Progress | None) -> None:
    done: set[str] = set()
    for index, entry in enumerate(todo):
        if entry.name not in done:
            rest = [other for other in todo if other.name not in done]
            done |= _fetch_one(entry, rest, folder, share(progress, index, len(todo)))


def _fetch_one(
    entry: PublishedWeights, rest: Sequence[PublishedWeights], folder: Path, report: Progress
) -> set[str]:
    """Install a set from the first place that has it; return the names of those installed.

    An archive holds others of `rest` too, which are then not asked for again.
    """
    problems: list[_Unavailable] = []
    for url in entry.urls:
        try:
            content = _published_file(entry, url, folder / f".{entry.file}.part", report)
        except _Unavailable as problem:
            problems.append(problem)
            continue
        install(content, Path(entry.file), f"fetched from {url}")
        return {entry.name}
    for url in entry.archives:
        try:
            return _from_archive(entry, rest, url, folder, report)
        except _Unavailable as problem:
            problems.append(problem)
    raise _failure(entry, problems)


def _failure(
    entry: PublishedWeights, problems: Sequence[_Unavailable]
) -> WeightsCorrupt | WeightsMissing:
    by_hand = "get the file elsewhere and run `spinalcordseg weights import FILE`"
    different = next((problem for problem in problems if isinstance(problem, _Different)), None)
    if different is not None:
        return WeightsCorrupt(
            f"{entry.name} was not installed: {different}", f"try again later, or {by_hand}"
        )
    reasons = ", ".join(dict.fromkeys(str(problem) for problem in problems))
    return WeightsMissing(
        f"{entry.name} could not be fetched: {reasons}",
        f"connect to the internet and try again, or {by_hand}",
    )


def _published_file(entry: PublishedWeights, url: str, part: Path, report: Progress) -> bytes:
    """Return the content of a set's file, which has the hash on record."""
    for _ in range(2):
        most = entry.size_bytes or MOST_BYTES_OF_A_FILE
        resumed = _download(url, part, most, _saying(report, f"fetching {entry.name}"))
        content = part.read_bytes()
        part.unlink()
        if entry.matches(content):
            return content
        if not resumed:
            break
        # The beginning may be the remains of something else: once more from the start.
    raise _Different(f"what {_host(url)} sent as {entry.file} has another hash")


def _from_archive(
    entry: PublishedWeights,
    rest: Sequence[PublishedWeights],
    url: str,
    folder: Path,
    report: Progress,
) -> set[str]:
    part = folder / f".{entry.collection}.{_host(url)}.zip.part"
    message = f"fetching the archive of {entry.name}"
    _download(url, part, MOST_BYTES_OF_AN_ARCHIVE, _saying(report, message))
    try:
        try:
            found = published_files_of_zip(part)
        except WeightsCorrupt as error:
            raise _Different(f"what {_host(url)} sent is no sound archive") from error
    finally:
        part.unlink()
    contents = {file.entry.name: file.content for file in found}
    if entry.name not in contents:
        raise _Different(f"the archive from {_host(url)} does not hold {entry.file}")
    installed = [other for other in rest if other.name in contents]
    for other in installed:
        report(1.0, f"converting {other.name}")
        install(contents[other.name], Path(other.file), f"fetched from {url}")
    return {other.name for other in installed}


def _download(url: str, part: Path, most_bytes: int, report: Progress) -> bool:
    """Fill `part` with the file at `url`, going on from what it holds already.

    What came is kept for a next time unless the disk is full.

    Returns
    -------
    bool
        Whether the beginning was there already.

    Raises
    ------
    _Unavailable
        If the file cannot be had in full from there.
    OutputNotWritable, OutOfResources
        If it cannot be written.
    """
    import requests

    resumed = False
    for _ in range(_MOST_RESUMPTIONS):
        before = _size(part)
        try:
            return _download_rest(url, part, most_bytes, report) or resumed
        except _Different:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        except requests.RequestException as error:
            # Requests' errors are OSErrors too, so this comes first.
            if _size(part) in (0, before):
                raise _Unavailable(_reason(error, url)) from error
            resumed = resumed or before > 0
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise folder_error(error) from error
    raise _Unavailable(f"the connection to {_host(url)} keeps breaking")


def _download_rest(url: str, part: Path, most_bytes: int, report: Progress) -> bool:
    import requests

    have = _size(part)
    # A compressed transfer could not be resumed: positions would be those of the compressed file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=(_CONNECT_S, _READ_S)) as response:
        if have and response.status_code == requests.codes.requested_range_not_satisfiable:
            # As much is here as there, or more: what is here may be something else.
            part.unlink()
            return _download_rest(url, part, most_bytes, report)
        response.raise_for_status()
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        resumed = have > 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        _check_size(max(have, total or 0), most_bytes, url)
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                _check_size(have, most_bytes, url)
                report(have / (total or most_bytes), "")
    if total is not None and have < total:
        raise requests.ConnectionError("the connection broke off")
    return resumed


def _check_size(size: int, most_bytes: int, url: str) -> None:
    if size > most_bytes:
        raise _Different(f"what {_host(url)} sends is larger than the published file")


def _reason(error: Exception, url: str) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{_host(url)} answered {response.status_code}"
    if type(error).__name__.endswith("Timeout"):
        return f"{_host(url)} does not answer"
    return f"no connection to {_host(url)}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _saying(report: Progress, message: str) -> Progress:
    return lambda fraction, _: report(fraction, message)
