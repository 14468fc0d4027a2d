# SPDX-License-Identifier: Apache-2.0
"""Slices as people write them: ``12-14, 20``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slicer.i18n import tr as _
from SpinalCordSegCore.messages import Failure

_RANGE = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")


def slice_numbers(text: str) -> list[int]:
    """Return the numbers in a text, ascending, each once.

    Raises
    ------
    Failure
        ``input`` if a part of it is neither a number nor a range.
    """
    numbers: set[int] = set()
    for part in filter(None, (part.strip() for part in re.split(r"[,;\s](?!\s*[-–])", text))):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise Failure(
                "input",
                _("{part} is neither a slice nor a range of slices").format(part=part),
                _("write numbers and ranges, such as 12-14, 20"),
            )
        first, last = int(match[1]), int(match[2] or match[1])
        numbers.update(range(min(first, last), max(first, last) + 1))
    return sorted(numbers)


def slice_text(numbers: Iterable[int]) -> str:
    """Return numbers as a text, neighbours as ranges."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
