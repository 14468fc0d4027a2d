# SPDX-License-Identifier: Apache-2.0
"""Keeping the folders of a computer out of what is written down about a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# An absolute path, POSIX or Windows, up to its last part.
_FOLDERS = re.compile(r"(?<![\w./\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\"]+[/\\])*(?=[^\s/\\'\"])")


def without_folders(text: str, known: Iterable[Path] = ()) -> str:
    """Return a message with only the last part of each absolute path.

    Parameters
    ----------
    text : str
    known : iterable of Path
        Folders that may hold blanks, where a path in a text cannot be told from the words after.
    """
    for folder in sorted({str(path) for path in known if len(path.parts) > 1}, key=len)[::-1]:
        text = text.replace(folder + "/", "").replace(folder + "\\", "")
        text = text.replace(folder, Path(folder).name)
    return " ".join(_FOLDERS.sub("", text).split())
