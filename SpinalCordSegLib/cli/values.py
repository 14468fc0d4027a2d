# SPDX-License-Identifier: Apache-2.0
"""From the text of an argument to what it stands for."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument

STRUCTURE_NAMES = {"cord": "cord", "gm": "gray_matter", "wm": "white_matter", "lesion": "lesion"}
"""The words of --structures, and the library's names for them."""

_MOST_SLICES = 100_000


def structures_named(text: str) -> tuple[str, ...]:
    """Return the library's names for the words of ``--structures``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in STRUCTURE_NAMES]
    if unknown or not words:
        what = f"{unknown[0]!r} is no structure" if unknown else "no structure was given"
        raise InvalidArgument(what, f"give some of {', '.join(STRUCTURE_NAMES)} with --structures")
    return tuple(dict.fromkeys(STRUCTURE_NAMES[word] for word in words))


def weights_named(given: list[str] | None) -> str | tuple[str, ...]:
    """Return what ``--weights`` asks for, as ``segment`` takes it."""
    if not given:
        return "default"
    return given[0] if len(given) == 1 else tuple(given)


def centerline_from(path: Path | None) -> Any:
    """Return the curve in a file; None if none was given."""
    if path is None:
        return None
    from ..centerline.curve import read_centerline

    return read_centerline(path)


def probability(text: str) -> float:
    """Return a number between 0 and 1, neither of them."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def share(text: str) -> float:
    """Return a number between 0 and 1; 0 too."""
    return 0.0 if text == "0" else probability(text)


def volume(text: str) -> int | str:
    """Return the index of a volume, or ``mean``."""
    if text == "mean":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a volume's index nor mean")
    return int(text)


def label(text: str) -> int:
    """Return a value that stands for a structure in a label map."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no label: 1, 2, 3 and so on")
    return int(text)


def landmark(text: str) -> float | tuple[float, ...]:
    """Return a point, mm, LPS, or one number of mm."""
    numbers = _numbers(text, ",")
    if len(numbers) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a point such as 1,-20,35 nor mm")
    return numbers[0] if len(numbers) == 1 else numbers


def distances(text: str) -> tuple[float, float]:
    """Return a range of distances, mm."""
    numbers = _numbers(text, ":")
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of distances such as 20:50")
    return numbers[0], numbers[1]


def count(text: str) -> int:
    """Return a whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def slices(text: str) -> tuple[int, ...]:
    """Return the numbers in a list with ranges, in order, each once."""
    found: set[int] = set()
    for word in text.split(","):
        first, dash, last = (part.strip() for part in word.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise argparse.ArgumentTypeError(f"{text!r} is no list of slices such as 3-8,12")
        # No image has as many; a mistyped range must not fill the memory.
        if int(last) > _MOST_SLICES:
            raise argparse.ArgumentTypeError(f"no image has a slice {last}")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))


def _numbers(text: str, between: str) -> tuple[float, ...]:
    """Return finite numbers, or none at all."""
    try:
        numbers = tuple(float(word) for word in text.split(between))
    except ValueError:
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()
