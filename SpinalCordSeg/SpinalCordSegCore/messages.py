# SPDX-License-Identifier: Apache-2.0
"""One sentence and its remedy for each failure a user of the extension can meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from SpinalCordSegLib.errors import OutOfGpuMemory, SpinalCordSegError

KINDS = (
    "cancelled",
    "crash",
    "gpu_memory",
    "input",
    "internal",
    "library",
    "memory",
    "no_cord",
    "no_disk",
    "no_segment",
    "no_volume",
    "pytorch_extension",
    "slicer_version",
    "torch",
    "volume_type",
    "weights",
)

_STATUS_KINDS = {
    1: "internal",
    2: "input",
    3: "no_cord",
    4: "weights",
    5: "memory",
    130: "cancelled",
}


class Failure(SpinalCordSegError):
    """What went wrong, what to do about it, and which kind of failure it is.

    Attributes
    ----------
    kind : str
        For programs; one of ``KINDS``.
    message, remedy : str
        As of every error of the library; ``str`` gives both as one sentence.
    """

    def __init__(self, kind: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.kind = kind


def from_worker(error: Mapping[str, Any]) -> Failure:
    """Return the failure that the worker reported as ``{"error", "message", "remedy"}``.

    The remedies of the command line name its options; here they name what the panel has.
    """
    message, remedy = str(error.get("message", "")), str(error.get("remedy", ""))
    kind = _STATUS_KINDS.get(int(error.get("error", 1)), "internal")
    if "No module named 'torch'" in message:
        return torch_missing()
    if "No module named" in message:
        return library_missing(message.split("No module named ", 1)[1].split("'")[1])
    if kind == "no_cord":
        remedy = "check that the scan shows the spine, or click points along the cord"
    elif kind == "weights":
        remedy = (
            "fetch them in the Weights section while connected to the internet, import them from "
            "a file, or choose the default weights"
        )
    elif kind == "memory" and "disk" in message:
        return no_disk_space()
    elif kind == "memory":
        kind = "gpu_memory" if message == OutOfGpuMemory().message else kind
        remedy = "close other programs, or crop the volume around the spine"
        if kind == "gpu_memory":
            remedy = f"choose the device cpu, {remedy}"
    elif kind == "cancelled":
        return cancelled()
    return Failure(kind, message, remedy)


def from_batch(error: Mapping[str, Any]) -> Failure:
    """Return the failure of a batch: as it tells it where its folders, or their disk, are wrong."""
    failure = from_worker(error)
    if failure.kind not in ("input", "no_disk"):
        return failure
    # Folders are not chosen by options here.
    remedy = str(error.get("remedy", "")).removesuffix(" with -o")
    return Failure(failure.kind, str(error.get("message", "")), remedy)


def cancelled() -> Failure:
    """The user stopped the run."""
    return Failure("cancelled", "the run was cancelled", "press Apply to start again")


def crashed(status: int) -> Failure:
    """The worker ended without a word, as when the system ends what takes too much memory."""
    return Failure(
        "crash",
        f"the process that segments {_ended(status)} before it was done; the scene is as it was",
        "close other programs to free memory and press Apply again; if it happens again, copy the "
        "log and report it",
    )


def batch_crashed(status: int) -> Failure:
    """The worker of many scans ended without a word; what is done stays done."""
    return Failure(
        "crash",
        f"the process that segments {_ended(status)} before all scans were done; what is done is "
        "kept",
        "close other programs to free memory and press Run, which goes on from there; if it "
        "happens again, copy the log and report it",
    )


def not_started(reason: str) -> Failure:
    """The worker could not be started at all."""
    return Failure(
        "crash",
        f"the process that segments could not be started ({reason})",
        "reinstall Slicer or the extension",
    )


def no_disk_space(folder: Path | None = None) -> Failure:
    """The disk of the temporary folder is full, or refuses to be written."""
    where = f" {folder.parent}" if folder is not None else ""
    return Failure(
        "no_disk",
        f"there is no room for temporary files in the folder{where}"
        if where
        else "the disk is full",
        "free some space, or choose another temporary folder in the application settings",
    )


def torch_missing() -> Failure:
    """Torch is not installed."""
    return Failure(
        "torch",
        "PyTorch, which the networks run on, is not installed",
        "press Apply and agree to install it, or install it with the PyTorch Utils module",
    )


def pytorch_extension_missing() -> Failure:
    """The extension that installs torch is not there."""
    return Failure(
        "pytorch_extension",
        "the extension PyTorch, which installs PyTorch, is missing",
        "install it in the Extensions Manager and restart Slicer",
    )


def library_missing(name: str) -> Failure:
    """A Python package is missing and could not be installed."""
    return Failure(
        "library",
        f"the Python package {name} is not installed",
        "connect to the internet, press Apply and agree to install it",
    )


def slicer_too_old(version: str, needed: str) -> Failure:
    """The application lacks what this extension uses."""
    return Failure(
        "slicer_version",
        f"this is Slicer {version}, and Spinal Cord Segmentation needs {needed} or newer",
        "install the current Slicer from download.slicer.org",
    )


def as_failure(error: Exception) -> Failure:
    """Return what to show for an exception that nobody foresaw; a failure as it is."""
    if isinstance(error, Failure):
        return error
    return broken_result(" ".join(f"{type(error).__name__}: {error}".split())[:200])


def broken_result(reason: str) -> Failure:
    """The worker's files are not whole."""
    return Failure(
        "internal",
        f"the result could not be read ({reason}); the scene is as it was",
        "press Apply again; if it happens again, copy the log and report it",
    )


def _ended(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
