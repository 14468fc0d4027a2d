# SPDX-License-Identifier: Apache-2.0
"""A folder for the files of one run: nobody else can read it, and it never stays behind."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

_PREFIX = "spinalcordseg-slicer-"
_LOCK = "in-use"
# A folder this young may not be locked yet.
_GRACE_SECONDS = 60.0


class PrivateFolder:
    """A temporary folder of mode 0700, locked as long as this process uses it.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or temporary_folder()
        remove_leftovers(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock: IO[bytes] | None = _locked(self.path / _LOCK)
        atexit.register(self.remove)

    def remove(self) -> None:
        """Remove the folder and all it holds; safe to call again."""
        atexit.unregister(self.remove)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        # On Windows a file stays a moment after the process that had it open has ended.
        for _ in range(20):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                return
            time.sleep(0.05)


def temporary_folder() -> Path:
    """Return Slicer's folder for temporary files, or the system's."""
    slicer = sys.modules.get("slicer")
    application = getattr(slicer, "app", None)
    path = getattr(application, "temporaryPath", None)
    return Path(path) if isinstance(path, str) and path else Path(tempfile.gettempdir())


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of sessions that ended without doing so themselves."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if not mine or time.time() - status.st_mtime < _GRACE_SECONDS:
                continue
            lock = _locked(folder / _LOCK)
            if lock is not None:
                lock.close()
                shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path) -> IO[bytes] | None:
    """Return the file, locked until it is closed or its process ends; None if another has it."""
    try:
        if os.name == "nt":
            # Windows removes no file that is open: removing tells whether it is in use.
            path.unlink(missing_ok=True)
            return path.open("wb")
        file = path.open("wb")
    except OSError:
        return None
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
