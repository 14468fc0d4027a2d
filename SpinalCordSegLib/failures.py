# SPDX-License-Identifier: Apache-2.0
"""Turning any exception into an error that says what is wrong and what to do."""

from __future__ import annotations

import errno

from .errors import (
    Cancelled,
    OutOfGpuMemory,
    OutOfResources,
    OutputNotWritable,
    SpinalCordSegError,
)

# EFBIG: a file size limit; EDQUOT: a quota. Windows has no EDQUOT.
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG}

# Libraries below us say "no memory" with a plain RuntimeError; only their words tell it apart.
_NO_MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "failed to allocate memory",
    "insufficient memory",
    "cudnn_status_alloc_failed",
    "bad_alloc",
)


class InternalError(SpinalCordSegError):
    """A fault of this software, not of its input."""

    exit_status = 1


def user_error(exception: BaseException) -> SpinalCordSegError:
    """Return the error to show for an exception of any kind.

    Parameters
    ----------
    exception : BaseException
        What was raised. A ``SpinalCordSegError`` is returned as it is.

    Returns
    -------
    SpinalCordSegError
        ``Cancelled`` for an interrupt, ``OutOfResources`` for memory and disk,
        ``OutputNotWritable`` for a refused folder, ``InternalError`` for anything unforeseen.
    """
    if isinstance(exception, SpinalCordSegError):
        return exception
    if isinstance(exception, KeyboardInterrupt):
        return Cancelled()
    if is_out_of_memory(exception):
        if _is_of_gpu(exception):
            return OutOfGpuMemory()
        return OutOfResources(
            "memory ran out",
            "close other programs, use `--device cpu`, or crop the image around the spine",
        )
    if isinstance(exception, OSError):
        return _from_os_error(exception)
    return InternalError(
        f"this should not have happened ({_one_line(exception)})",
        "set the environment variable SPINALCORDSEG_DEBUG=1, run again, and report what it prints",
    )


def is_out_of_memory(exception: BaseException) -> bool:
    """Tell whether an exception of Python, torch, OpenCV or SimpleITK means that memory ran out."""
    if isinstance(exception, MemoryError) or type(exception).__name__ == "OutOfMemoryError":
        return True
    text = str(exception).lower()
    return isinstance(exception, RuntimeError | ValueError) and any(
        words in text for words in _NO_MEMORY_WORDS
    )


def _is_of_gpu(exception: BaseException) -> bool:
    # torch has an error of its own for the memory of an accelerator, and none for the computer's.
    text = str(exception).lower()
    return type(exception).__name__ == "OutOfMemoryError" or any(
        word in text for word in ("cuda", "cudnn", "mps backend")
    )


def _from_os_error(error: OSError) -> SpinalCordSegError:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in _DISK_FULL:
        return OutOfResources(
            f"the disk is full{where}", "free some space or choose another folder"
        )
    if error.errno in _NOT_WRITABLE:
        return OutputNotWritable(
            f"access was refused{where} ({error.strerror})", "choose a folder that you may write to"
        )
    if error.errno == errno.ENOMEM:
        return OutOfResources("memory ran out", "close other programs or crop the image")
    return InternalError(
        f"the operating system reported an error{where} ({error.strerror or _one_line(error)})",
        "check that the disk is connected and healthy, then try again",
    )


def _one_line(exception: BaseException) -> str:
    text = " ".join(str(exception).split())
    return f"{type(exception).__name__}: {text[:200]}" if text else type(exception).__name__
