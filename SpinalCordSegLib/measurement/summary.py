# SPDX-License-Identifier: Apache-2.0
"""The cord in a few numbers: mean, spread, length and volume over a part of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidArgument
from .cord import CordMeasurements, CordSlice
from .definitions import SECTION_MEASURES


@dataclass(frozen=True)
class Statistics:
    """A measure over the slices of a range, each counted once.

    Attributes
    ----------
    mean, sd, minimum, maximum : float
        The standard deviation is that of the slices themselves: divided by their number.
    """

    mean: float
    sd: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class CordSummary:
    """The measures of a part of the cord.

    Attributes
    ----------
    range : str
        Which slices, in words.
    slices : int
        How many whole ones it covers.
    left_out : int
        Slices of the range that the end of the mask or the edge of the image cuts.
    length_mm : float
        Of the curve in these slices.
    volume_mm3 : float
        Of the cord in them.
    statistics : mapping of str to Statistics
        By measure, as in ``SECTION_MEASURES``; those known on some slice.
    extent_mm : tuple of (float, float)
        From where to where along the curve each of the slices reaches.
    """

    range: str
    slices: int
    left_out: int
    length_mm: float
    volume_mm3: float
    statistics: Mapping[str, Statistics]
    extent_mm: tuple[tuple[float, float], ...]


def summarise_cord(
    measurements: CordMeasurements,
    slices: Collection[int] | None = None,
    distance_mm: tuple[float, float] | None = None,
    levels: Collection[int] | None = None,
) -> CordSummary:
    """Summarise the whole slices of a range; all of them where no range is given.

    Parameters
    ----------
    measurements : CordMeasurements
    slices : collection of int, optional
        Of the mask as it is stored.
    distance_mm : (float, float), optional
        From here to there along the curve, downward from the landmark, or from the top of the
        mask; a slice belongs to it if its middle does.
    levels : collection of int, optional
        Vertebral levels.

    Raises
    ------
    InvalidArgument
        If no whole slice lies in the range. Without a range, a cord whose every slice is cut has a
        summary of no slices.
    """
    words, chosen = ["all"], list(measurements.slices)
    if slices is not None:
        words.append(f"slices {_listed(slices)}")
        chosen = [row for row in chosen if row.slice in set(slices)]
    if distance_mm is not None:
        low, high = sorted(distance_mm)
        words.append(f"from {low:g} to {high:g} mm below the {measurements.landmark}")
        chosen = [row for row in chosen if low <= row.position_mm <= high]
    if levels is not None:
        words.append(f"level{'s' if len(levels) > 1 else ''} {_listed(levels)}")
        chosen = [row for row in chosen if row.level in set(levels)]
    name = " and ".join(words[1:] or words)
    whole = [row for row in chosen if row.whole]
    if not whole and words[1:]:
        raise _nothing(measurements, name, len(chosen))
    return CordSummary(
        range=name,
        slices=len(whole),
        left_out=len(chosen) - len(whole),
        length_mm=math.fsum(row.length_mm for row in whole),
        volume_mm3=math.fsum(row.area_mm2 * row.length_mm for row in whole),
        statistics=_statistics(whole),
        extent_mm=tuple(
            (row.position_mm - row.length_mm / 2, row.position_mm + row.length_mm / 2)
            for row in whole
        ),
    )


def summarise_levels(measurements: CordMeasurements) -> tuple[CordSummary, ...]:
    """Summarise each vertebral level that has a whole slice, from the top down."""
    found = dict.fromkeys(row.level for row in measurements.slices if row.level and row.whole)
    return tuple(summarise_cord(measurements, levels=[level]) for level in found)


def _statistics(rows: list[CordSlice]) -> dict[str, Statistics]:
    found = {}
    for name in SECTION_MEASURES:
        values = np.array([getattr(row, name) for row in rows], dtype=np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            found[name] = Statistics(
                float(values.mean()), float(values.std()), float(values.min()), float(values.max())
            )
    return found


def _nothing(measurements: CordMeasurements, name: str, cut: int) -> InvalidArgument:
    rows = measurements.slices
    numbers = [row.slice for row in rows]
    there = (
        f"choose within slices {min(numbers)} to {max(numbers)}, "
        f"{rows[0].position_mm:.0f} to {rows[-1].position_mm:.0f} mm below the "
        f"{measurements.landmark}"
    )
    levels = sorted({row.level for row in rows if row.level})
    if levels:
        there += f", levels {_listed(levels)}"
    what = "only cut slices" if cut else "no slice with cord"
    return InvalidArgument(f"there is {what} in the range ({name})", there)


def _listed(numbers: Collection[int]) -> str:
    """Return numbers as a person writes them: 3-8,12."""
    ordered = sorted(set(numbers))
    runs: list[list[int]] = []
    for number in ordered:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
