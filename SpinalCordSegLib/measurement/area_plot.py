# SPDX-License-Identifier: Apache-2.0
"""A picture of the area along the cord."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..labels import label_named
from .cord import CordMeasurements
from .summary import CordSummary

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 1100, 460
LEFT, RIGHT, TOP, BOTTOM = 62, 28, 92, 60
# Drawn larger and shrunk, so that lines are smooth.
_FINER = 3

BACKGROUND: Colour = (18, 19, 22)
TEXT: Colour = (232, 234, 237)
MUTED: Colour = (150, 155, 163)
GRID: Colour = (48, 51, 57)
RANGE: Colour = (34, 42, 52)
MEAN: Colour = (80, 200, 230)

_SERIES = {"area_mm2": "cord", "gray_matter_area_mm2": "gray_matter"}


def area_png(measurements: CordMeasurements, summary: CordSummary, title: str) -> bytes:
    """Draw the areas of cord and gray matter along the cord.

    Parameters
    ----------
    measurements : CordMeasurements
    summary : CordSummary
        Its range is shaded and its mean drawn.
    title : str

    Returns
    -------
    bytes
        A PNG file. Slices that are cut are drawn as rings, and no line leads to them; numbers
        along the top are vertebral levels.
    """
    positions = measurements.column("position_mm")
    halves = measurements.column("length_mm") / 2
    series = {name: measurements.column(name) for name in _SERIES}
    series = {name: values for name, values in series.items() if np.isfinite(values).any()}
    highest = max(float(np.nanmax(values)) for values in series.values())
    axes = _Axes(
        (float((positions - halves).min()), float((positions + halves).max())),
        (0.0, _ticks(0.0, highest * 1.05)[-1]),
    )
    image = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), BACKGROUND)
    draw = ImageDraw.Draw(image)
    _draw_range(draw, axes, summary)
    _draw_grid(draw, axes, measurements.landmark)
    _draw_levels(draw, axes, measurements)
    whole = np.array([row.whole for row in measurements.slices])
    neighbours = np.abs(np.diff(measurements.column("slice"))) == 1
    for name, values in series.items():
        colour = label_named(_SERIES[name]).colour
        _draw_series(draw, axes, positions, values, whole, neighbours, colour)
    _draw_title(draw, axes, title, summary, list(series), bool(whole.all()))
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, format="PNG", optimize=True)
    return file.getvalue()


@dataclass(frozen=True)
class _Axes:
    """The plane of the plot: millimetres along the cord to the right, areas upward."""

    along: tuple[float, float]
    area: tuple[float, float]

    def x(self, position: float) -> float:
        share = (position - self.along[0]) / (self.along[1] - self.along[0])
        return _FINER * (LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, area: float) -> float:
        share = (area - self.area[0]) / (self.area[1] - self.area[0])
        return _FINER * (HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP))

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.x(self.along[0]), self.y(self.area[1]), self.x(self.along[1]), self.y(0.0)


def _ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return round numbers about `count` steps apart, the last one not below `high`."""
    rough = max(high - low, 1e-6) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.ceil(high / step - 1e-6)
    return [step * n for n in range(first, last + 1)]


def _draw_range(draw: ImageDraw.ImageDraw, axes: _Axes, summary: CordSummary) -> None:
    _, top, _, bottom = axes.box
    for first, last in _runs(summary.extent_mm):
        draw.rectangle((axes.x(first), top, axes.x(last), bottom), fill=RANGE)
        mean = axes.y(summary.statistics["area_mm2"].mean)
        draw.line([(axes.x(first), mean), (axes.x(last), mean)], fill=MEAN, width=_FINER)


def _runs(extents: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join the extents of slices that touch."""
    runs: list[tuple[float, float]] = []
    for first, last in sorted(extents):
        if runs and first - runs[-1][1] < 0.2 * (last - first):
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs


def _draw_grid(draw: ImageDraw.ImageDraw, axes: _Axes, landmark: str) -> None:
    left, top, right, bottom = axes.box
    for area in _ticks(*axes.area):
        y = axes.y(area)
        draw.line([(left, y), (right, y)], fill=GRID, width=_FINER)
        _text(draw, (left - 8 * _FINER, y), f"{area:g}", 14, MUTED, "rm")
    for position in _ticks(*axes.along, count=10):
        if position <= axes.along[1]:
            x = axes.x(position)
            draw.line([(x, bottom), (x, bottom + 5 * _FINER)], fill=MUTED, width=_FINER)
            _text(draw, (x, bottom + 9 * _FINER), f"{position:g}", 14, MUTED, "ma")
    draw.line([(left, bottom), (right, bottom)], fill=MUTED, width=_FINER)
    middle = (left + right) / 2
    label = f"mm along the cord, downward from the {landmark}"
    _text(draw, (middle, bottom + 31 * _FINER), label, 15, TEXT, "ma")
    _text(draw, (24 * _FINER, top - 8 * _FINER), "area, mm2", 15, TEXT, "ld")


def _draw_levels(draw: ImageDraw.ImageDraw, axes: _Axes, measurements: CordMeasurements) -> None:
    _, top, _, bottom = axes.box
    for level in dict.fromkeys(row.level for row in measurements.slices if row.level):
        rows = [row for row in measurements.slices if row.level == level]
        first = rows[0].position_mm - rows[0].length_mm / 2
        last = rows[-1].position_mm + rows[-1].length_mm / 2
        for end in (first, last):
            draw.line([(axes.x(end), top), (axes.x(end), bottom)], fill=GRID, width=_FINER)
        _text(draw, (axes.x((first + last) / 2), top + 5 * _FINER), str(level), 14, MUTED, "ma")


def _draw_series(
    draw: ImageDraw.ImageDraw,
    axes: _Axes,
    positions: Floats,
    values: Floats,
    whole: NDArray[np.bool_],
    neighbours: NDArray[np.bool_],
    colour: Colour,
) -> None:
    known = np.isfinite(values)
    joined = neighbours & (whole & known)[1:] & (whole & known)[:-1]
    points = [
        (axes.x(p), axes.y(v) if k else 0.0)
        for p, v, k in zip(positions, values, known, strict=True)
    ]
    for n in np.flatnonzero(joined):
        draw.line([points[n], points[n + 1]], fill=colour, width=2 * _FINER)
    apart = (axes.box[2] - axes.box[0]) / max(len(points), 1)
    radius = float(np.clip(apart / 3, 1.2 * _FINER, 3.5 * _FINER))
    for n in np.flatnonzero(known):
        x, y = points[n]
        size = radius if whole[n] else max(radius, 2.5 * _FINER)
        dot = (x - size, y - size, x + size, y + size)
        draw.ellipse(dot, fill=colour if whole[n] else BACKGROUND, outline=colour, width=_FINER)


def _draw_title(
    draw: ImageDraw.ImageDraw,
    axes: _Axes,
    title: str,
    summary: CordSummary,
    series: Sequence[str],
    all_whole: bool,
) -> None:
    right = axes.box[2]
    area = summary.statistics["area_mm2"]
    _text(draw, (24 * _FINER, 12 * _FINER), title, 20, TEXT, "la")
    line = (
        f"{summary.range}: {area.mean:.1f} ± {area.sd:.1f} mm2 over {summary.slices} slices, "
        f"{summary.length_mm:.0f} mm"
    )
    _text(draw, (24 * _FINER, 39 * _FINER), line, 15, MUTED, "la")
    entries = [
        (label_named(_SERIES[name]).title, label_named(_SERIES[name]).colour) for name in series
    ]
    entries += [("Mean", MEAN)] + ([] if all_whole else [("o  cut slice, not counted", MUTED)])
    x = right
    for text, colour in reversed(entries):
        _text(draw, (x, 39 * _FINER), text, 15, colour, "ra")
        x -= draw.textlength(text, font=_font(15)) + 20 * _FINER


def _text(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    anchor: str,
) -> None:
    draw.text(position, text, fill=colour, font=_font(size), anchor=anchor)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINER)
