# SPDX-License-Identifier: Apache-2.0
"""One picture of a result: the sagittal view along the curve, and axial slices with contours.

On screen as radiologists read: axial slices with the patient's right on the left and anterior up;
the sagittal view with anterior on the left and superior up.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .centerline.curve import Centerline
from .labels import LABELS
from .measurement.review import ReviewItem
from .scene import (
    Floats,
    Scene,
    View,
    distance_along_rows,
    gray,
    outlines,
    row_of_slice,
    sagittal_view,
    straightened,
    tile_view,
)

Colour = tuple[int, int, int]

MARGIN = 24
HEADER_HEIGHT = 76
FOOTER_HEIGHT = 44
MINIMUM_WIDTH = 720
BODY_HEIGHT = 800
GRID_WIDTH = 1072
GAP = 8
# Between the sagittal view and the tiles: the numbers of the slices shown.
GUTTER = 52
MAX_TILES = 12
SAGITTAL_WIDTH = (160, 520)
# It shows this much in front of and behind the curve.
SAGITTAL_MARGIN_MM = 45.0

BACKGROUND: Colour = (18, 19, 22)
# Where a tile reaches beyond the image.
OUTSIDE: Colour = (32, 34, 38)
TEXT: Colour = (232, 234, 237)
MUTED: Colour = (150, 155, 163)
CURVE: Colour = (80, 200, 230)
FLAG: Colour = (255, 140, 40)


def overview_png(
    image: sitk.Image,
    masks: Mapping[str, sitk.Image],
    centerline: Centerline,
    title: str,
    subtitle: str = "",
    review: Sequence[ReviewItem] = (),
) -> bytes:
    """Draw the overview of a result.

    Parameters
    ----------
    image : sitk.Image
        3D scalar image in any orientation.
    masks : mapping of str to sitk.Image
        One binary image per structure, on the grid of `image`.
    centerline : Centerline
        The curve through the cord, LPS millimetres.
    title, subtitle : str
        Two lines above the picture.
    review : sequence of ReviewItem
        Slices to mark as worth a look; their slices are preferred for the axial tiles.

    Returns
    -------
    bytes
        A PNG file.
    """
    scene = Scene.of(image, masks, centerline, review, MAX_TILES)
    left = _sagittal_panel(scene) if scene.intensity.shape[2] > 1 else _whole_slice_panel(scene)
    right = _tile_panel(scene)
    width = max(left.width + right.width + 2 * MARGIN, MINIMUM_WIDTH)
    height = HEADER_HEIGHT + max(left.height, right.height) + FOOTER_HEIGHT
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    canvas.paste(left, (MARGIN, HEADER_HEIGHT))
    canvas.paste(right, (MARGIN + left.width, HEADER_HEIGHT))
    _draw_header_and_legend(canvas, scene, title, subtitle)
    success, png = cv2.imencode(".png", np.asarray(canvas)[:, :, ::-1])
    if not success:
        raise RuntimeError("the overview picture could not be encoded")
    return bytes(png.tobytes())


def _gray(values: Floats, windows: Floats) -> NDArray[np.uint8]:
    """Return RGB pixels, as :func:`~.scene.gray`; what lies outside the image is `OUTSIDE`."""
    pixels = np.repeat(gray(values, windows, 0)[:, :, None], 3, axis=2)
    pixels[np.isnan(values)] = OUTSIDE
    return pixels


def _draw_contours(
    pixels: NDArray[np.uint8],
    view: View,
    plane: Floats,
    level: float,
    colour: Colour,
    thickness: int = 1,
) -> None:
    """Draw where a plane of voxels passes `level`; outside the plane all is below it."""
    for outline in outlines(view, plane, level):
        _draw_line(pixels, outline, colour, thickness, closed=True)


def _draw_line(
    pixels: NDArray[np.uint8], points: Floats, colour: Colour, thickness: int, closed: bool = False
) -> None:
    shift = 4
    fixed = np.rint(points * 2**shift).astype(np.int32)[:, None, :]
    cv2.polylines(pixels, [fixed], closed, colour, thickness, cv2.LINE_AA, shift)


def _sagittal_panel(scene: Scene) -> Image.Image:
    """Draw the view along the curve: each slice's row of voxels through the curve, stacked."""
    view = sagittal_view(scene, BODY_HEIGHT, SAGITTAL_WIDTH, SAGITTAL_MARGIN_MM)
    windows = view.along_rows(scene.windows)
    pixels = _gray(view.sample(straightened(scene.intensity, scene.curve)), windows)
    for name, mask in scene.masks.items():
        plane = straightened(mask, scene.curve) >= 0.5
        _draw_contours(pixels, view, distance_along_rows(plane), 0.0, _colour(name), 2)
    slices = np.flatnonzero(scene.covered)
    if len(slices) > 1:
        path = np.stack([scene.curve[slices, 1], slices], axis=1)
        _draw_line(pixels, view.to_screen(path), CURVE, 1)
    panel = Image.new("RGB", (view.width + GUTTER, view.height), BACKGROUND)
    panel.paste(Image.fromarray(pixels), (0, 0))
    _annotate_sagittal(panel, view, scene)
    return panel


def _annotate_sagittal(panel: Image.Image, view: View, scene: Scene) -> None:
    """Put directions and a scale on the view, and the slices' numbers beside it."""
    draw = ImageDraw.Draw(panel)
    for flagged in np.flatnonzero(scene.severity > 0):
        row = row_of_slice(view, int(flagged))
        draw.polygon(
            [(view.width + 8, row - 5), (view.width + 8, row + 5), (view.width, row)], fill=FLAG
        )
    last_row = -math.inf
    for z in scene.tiles:
        row = row_of_slice(view, z)
        colour = FLAG if scene.severity[z] > 0 else MUTED
        draw.line([(view.width + 1, row), (view.width + 12, row)], fill=colour, width=1)
        if row - last_row >= 13:
            inside = min(max(row, 8.0), view.height - 8.0)
            _text(draw, (view.width + 16, inside), str(scene.numbers[z]), 13, colour, "lm")
            last_row = row
    _letters(draw, (view.width, view.height), ("A", "P", "S", "I"))
    _scale_bar(draw, (14, view.height - 14), view.scale[1] / scene.spacing[2], view.width / 3)


def _whole_slice_panel(scene: Scene) -> Image.Image:
    """Draw the only slice there is, whole, with a frame around what the tile shows."""
    extent = np.array(scene.intensity.shape[:2]) * scene.spacing[:2]
    scale = min(SAGITTAL_WIDTH[1] / extent[0], BODY_HEIGHT / extent[1])
    width, height = np.maximum(1, np.rint(extent * scale)).astype(int)
    centre = (np.array(scene.intensity.shape[:2]) - 1) / 2
    view = View(
        int(width),
        int(height),
        (float(centre[0]), float(centre[1])),
        (scale * scene.spacing[0], scale * scene.spacing[1]),
    )
    pixels = _gray(view.sample(scene.intensity[:, :, 0]), scene.windows[0])
    for name, mask in scene.masks.items():
        _draw_contours(pixels, view, mask[:, :, 0], 0.5, _colour(name))
    half = scene.tile_mm / 2 / scene.spacing[:2]
    corners = scene.curve[0] + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    _draw_line(pixels, view.to_screen(corners), MUTED, 1, closed=True)
    panel = Image.new("RGB", (view.width + MARGIN, view.height), BACKGROUND)
    panel.paste(Image.fromarray(pixels), (0, 0))
    _letters(ImageDraw.Draw(panel), (view.width, view.height), ("R", "L", "A", "P"))
    return panel


def _tile_panel(scene: Scene) -> Image.Image:
    count = len(scene.tiles)
    rows, columns, size = _grid(count)
    panel = Image.new("RGB", (columns * (size + GAP) - GAP, rows * (size + GAP) - GAP), BACKGROUND)
    for position, z in enumerate(scene.tiles):
        row, column = divmod(position, columns)
        panel.paste(_tile(scene, z, size), (column * (size + GAP), row * (size + GAP)))
    return panel


def _grid(count: int) -> tuple[int, int, int]:
    """Return the rows, columns and tile size in pixels that fill the panel best."""

    def size(columns: int) -> int:
        rows = math.ceil(count / columns)
        across = (GRID_WIDTH - (columns - 1) * GAP) // columns
        return min(across, (BODY_HEIGHT - (rows - 1) * GAP) // rows)

    best = max(range(1, count + 1), key=size)
    return math.ceil(count / best), best, size(best)


def _tile(scene: Scene, z: int, size: int) -> Image.Image:
    view = tile_view(scene, z, size)
    pixels = _gray(view.sample(scene.intensity[:, :, z]), scene.windows[z])
    for name, mask in scene.masks.items():
        _draw_contours(pixels, view, mask[:, :, z], 0.5, _colour(name))
    tile = Image.fromarray(pixels)
    draw = ImageDraw.Draw(tile)
    flagged = scene.severity[z] > 0
    _text(draw, (10, 8), f"slice {scene.numbers[z]}", 15, FLAG if flagged else TEXT, "la")
    _letters(draw, (size, size), ("R", "L", "A", "P"))
    _scale_bar(draw, (12, size - 12), size / scene.tile_mm, size / 3)
    if flagged:
        draw.rectangle((0, 0, size - 1, size - 1), outline=FLAG, width=2)
    return tile


def _draw_header_and_legend(canvas: Image.Image, scene: Scene, title: str, subtitle: str) -> None:
    draw = ImageDraw.Draw(canvas)
    _text(draw, (MARGIN, 18), _shortened(title, canvas.width - 2 * MARGIN, 24), 24, TEXT, "la")
    _text(draw, (MARGIN, 49), subtitle, 15, MUTED, "la")
    entries = [(label.title, label.colour) for label in LABELS if label.name in scene.masks]
    entries.append(("Centerline", CURVE))
    if np.any(scene.severity > 0):
        entries.append(("Worth a look", FLAG))
    x, y = MARGIN, canvas.height - FOOTER_HEIGHT // 2
    for text, colour in entries:
        draw.line([(x, y), (x + 22, y)], fill=colour, width=3)
        _text(draw, (x + 30, y), text, 15, TEXT, "lm")
        x += 30 + math.ceil(draw.textlength(text, font=_font(15))) + 28


def _letters(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], letters: tuple[str, str, str, str]
) -> None:
    """Write the directions at the left, right, top and bottom of a picture."""
    width, height = size
    x, y = width / 2, height / 2
    places = ((8, y, "lm"), (width - 8, y, "rm"), (x, 6, "ma"), (x, height - 6, "md"))
    for letter, (column, row, anchor) in zip(letters, places, strict=True):
        _text(draw, (column, row), letter, 15, TEXT, anchor)


def _scale_bar(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], pixels_per_mm: float, room: float
) -> None:
    fitting = [length for length in (5, 10, 20, 50, 100) if length * pixels_per_mm <= room]
    if not fitting:
        return
    x, y = start
    end = x + fitting[-1] * pixels_per_mm
    draw.line([(x, y), (end, y)], fill=TEXT, width=2)
    _text(draw, (x, y - 5), f"{fitting[-1]} mm", 13, TEXT, "ld")


def _text(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    anchor: str,
) -> None:
    # The dark outline keeps letters readable on bright fat.
    draw.text(
        position,
        text,
        fill=colour,
        font=_font(size),
        anchor=anchor,
        stroke_width=2,
        stroke_fill=BACKGROUND,
    )


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shortened(text: str, room: float, size: int) -> str:
    font = _font(size)
    if font.getlength(text) <= room:
        return text
    fitting = bisect(range(len(text)), room, key=lambda n: font.getlength(text[:n] + "..."))
    return text[: max(fitting - 1, 0)] + "..."


def _colour(name: str) -> Colour:
    return next(label.colour for label in LABELS if label.name == name)
