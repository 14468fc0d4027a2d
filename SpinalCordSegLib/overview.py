# SPDX-License-Identifier: Apache-2.0
"""One picture of a result: the sagittal view along the curve, and axial slices with contours.

On screen as radiologists read: axial slices with the patient's right on the left and anterior up;
the sagittal view with anterior on the left and superior up.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from skimage.measure import find_contours

from .centerline.curve import Centerline
from .labels import LABELS
from .measurement.review import ReviewItem

Floats = NDArray[np.floating]
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
# Tiles show this much around the curve, less where the image is smaller.
TILE_MM = (20.0, 40.0)
# The sagittal view shows this much in front of and behind the curve.
SAGITTAL_MARGIN_MM = 45.0
# Brightness is chosen from what lies this near to the curve.
WINDOW_MM = 20.0
SAGITTAL_WIDTH = (160, 520)

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
    scene = _Scene.of(image, masks, centerline, review)
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


@dataclass(frozen=True)
class _Scene:
    """Everything to draw, as arrays (X, Y, Z): right to left, posterior to anterior, upward.

    ``curve`` (Z, 2) is where the curve crosses each slice, in voxels; ``covered`` (Z,) says
    whether it reaches that slice; ``numbers`` (Z,) are the slices' indices in the file.
    """

    intensity: Floats
    masks: dict[str, Floats]
    spacing: Floats
    curve: Floats
    covered: NDArray[np.bool_]
    numbers: NDArray[np.int_]
    severity: Floats
    windows: Floats
    tiles: tuple[int, ...]
    tile_mm: float

    @classmethod
    def of(
        cls,
        image: sitk.Image,
        masks: Mapping[str, sitk.Image],
        centerline: Centerline,
        review: Sequence[ReviewItem],
    ) -> _Scene:
        upright = sitk.DICOMOrient(image, "LAS")
        intensity = np.nan_to_num(_array(upright).astype(np.float32), posinf=0.0, neginf=0.0)
        arrays = {
            label.name: (_array(sitk.DICOMOrient(masks[label.name], "LAS")) > 0).astype(np.float32)
            for label in LABELS
            if label.name in masks
        }
        curve, covered = _curve_in_slices(upright, centerline)
        numbers = _numbers_in_file(image, upright)
        worst = {item.slice_index: item.severity for item in reversed(review)}
        severity = np.array([worst.get(int(number), 0.0) for number in numbers])
        shown = covered | np.any([mask.any(axis=(0, 1)) for mask in arrays.values()], axis=0)
        spacing = np.asarray(upright.GetSpacing())
        return cls(
            intensity,
            arrays,
            spacing,
            curve,
            covered,
            numbers,
            severity,
            _windows(intensity, curve, spacing),
            _choose_slices(shown, severity),
            float(np.clip(np.max(intensity.shape[:2] * spacing[:2]) + 2.0, *TILE_MM)),
        )


def _array(image: sitk.Image) -> NDArray[Any]:
    return np.asarray(sitk.GetArrayFromImage(image).transpose(2, 1, 0))


def _curve_in_slices(
    upright: sitk.Image, centerline: Centerline
) -> tuple[Floats, NDArray[np.bool_]]:
    to_voxels = np.linalg.inv(
        np.reshape(upright.GetDirection(), (3, 3)) @ np.diag(upright.GetSpacing())
    )
    voxels = (np.asarray(centerline.points_mm) - np.asarray(upright.GetOrigin())) @ to_voxels.T
    voxels = voxels[np.argsort(voxels[:, 2], kind="stable")]
    slices = np.arange(upright.GetSize()[2])
    curve = np.stack([np.interp(slices, voxels[:, 2], voxels[:, axis]) for axis in (0, 1)], axis=1)
    covered = (slices > voxels[0, 2] - 0.5) & (slices < voxels[-1, 2] + 0.5)
    return curve, covered


def _numbers_in_file(image: sitk.Image, upright: sitk.Image) -> NDArray[np.int_]:
    size = upright.GetSize()
    bottom, top = (
        np.array(image.TransformPhysicalPointToIndex(upright.TransformIndexToPhysicalPoint(index)))
        for index in ((0, 0, 0), (0, 0, size[2] - 1))
    )
    if size[2] == 1:
        return np.zeros(1, dtype=int)
    axis = int(np.argmax(np.abs(top - bottom)))
    return np.rint(np.linspace(bottom[axis], top[axis], size[2])).astype(int)


def _windows(intensity: Floats, curve: Floats, spacing: Floats) -> Floats:
    """Return (Z, 2): the intensities to show as black and as white in each slice.

    The 1st and 99th percentile near the curve, smoothed along it: away from the coil's middle the
    signal fades, and one window for all slices would leave the outer ones dark.
    """
    radius = np.maximum(1, np.ceil(WINDOW_MM / spacing[:2])).astype(int)
    size = np.array(intensity.shape[:2])
    windows = np.zeros((intensity.shape[2], 2))
    for z in range(len(windows)):
        centre = np.clip(np.rint(curve[z]).astype(int), 0, size - 1)
        low, high = np.maximum(centre - radius, 0), centre + radius + 1
        windows[z] = np.percentile(intensity[low[0] : high[0], low[1] : high[1], z], (1, 99))
    smooth = gaussian_filter1d(windows, WINDOW_MM / spacing[2], axis=0, mode="nearest")
    return np.stack([smooth[:, 0], np.maximum(smooth[:, 1], smooth[:, 0] + 1e-6)], axis=1)


def _choose_slices(shown: NDArray[np.bool_], severity: Floats) -> tuple[int, ...]:
    """Spread the tiles evenly from top to bottom, moving each to a nearby slice worth a look."""
    candidates = np.flatnonzero(shown) if shown.any() else np.arange(len(shown))
    count = min(MAX_TILES, len(candidates))
    chosen = []
    for group in np.array_split(candidates, count):
        middle = group[len(group) // 2]
        worst = group[np.argmax(severity[group])]
        chosen.append(int(worst if severity[worst] > 0 else middle))
    return tuple(reversed(chosen))


def _gray(values: Floats, windows: Floats) -> NDArray[np.uint8]:
    """Return RGB pixels; `windows` (2,) or (rows, 2) are the values of black and of white."""
    low, high = np.moveaxis(np.atleast_2d(windows), 1, 0)[:, :, None]
    outside = np.isnan(values)
    scaled = np.clip((np.where(outside, low, values) - low) / (high - low), 0.0, 1.0)
    pixels = np.repeat((scaled * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    pixels[outside] = OUTSIDE
    return pixels


@dataclass(frozen=True)
class _View:
    """A plane of voxels shown in a rectangle of the screen.

    Screen columns run along decreasing or increasing first voxel axis (`mirrored` or not), rows
    along decreasing second axis. ``centre`` is in voxels, ``scale`` in pixels per voxel.
    """

    width: int
    height: int
    centre: tuple[float, float]
    scale: tuple[float, float]
    mirrored: bool = False

    def to_screen(self, points: Floats) -> Floats:
        """Map voxel positions (N, 2) to pixel positions (N, 2)."""
        sign = -1.0 if self.mirrored else 1.0
        columns = self.width / 2 - 0.5 + sign * (points[:, 0] - self.centre[0]) * self.scale[0]
        rows = self.height / 2 - 0.5 - (points[:, 1] - self.centre[1]) * self.scale[1]
        return np.stack([columns, rows], axis=1)

    def sample(self, plane: Floats) -> Floats:
        """Resample a plane of voxels (first, second axis) onto the pixels; NaN outside it."""
        sign = -1.0 if self.mirrored else 1.0
        columns = (
            self.centre[0] + sign * (np.arange(self.width) - self.width / 2 + 0.5) / (self.scale[0])
        )
        first, second = np.meshgrid(columns, self._rows())
        sampled = cv2.remap(
            np.ascontiguousarray(plane, dtype=np.float32),
            second.astype(np.float32),
            first.astype(np.float32),
            interpolation=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        outside = (np.abs(first - (plane.shape[0] - 1) / 2) > plane.shape[0] / 2) | (
            np.abs(second - (plane.shape[1] - 1) / 2) > plane.shape[1] / 2
        )
        return np.where(outside, np.nan, sampled)

    def along_rows(self, values: Floats) -> Floats:
        """Interpolate values (N, M), one row a voxel of the second axis, onto the pixel rows."""
        voxels = np.arange(len(values))
        return np.stack([np.interp(self._rows(), voxels, column) for column in values.T], axis=1)

    def _rows(self) -> Floats:
        return self.centre[1] - (np.arange(self.height) - self.height / 2 + 0.5) / self.scale[1]


def _draw_contours(
    pixels: NDArray[np.uint8],
    view: _View,
    plane: Floats,
    level: float,
    colour: Colour,
    thickness: int = 1,
) -> None:
    """Draw where a plane of voxels passes `level`; outside the plane all is below it."""
    # Mirrored at the level, the border of the plane closes an outline half a voxel outside.
    padded = np.pad(plane, 1, mode="edge")
    for edge in ((0, ...), (-1, ...), (..., 0), (..., -1)):
        padded[edge] = level - np.abs(padded[edge] - level)
    for contour in find_contours(padded, level):
        _draw_line(pixels, view.to_screen(contour - 1.0), colour, thickness, closed=True)


def _draw_line(
    pixels: NDArray[np.uint8], points: Floats, colour: Colour, thickness: int, closed: bool = False
) -> None:
    shift = 4
    fixed = np.rint(points * 2**shift).astype(np.int32)[:, None, :]
    cv2.polylines(pixels, [fixed], closed, colour, thickness, cv2.LINE_AA, shift)


def _sagittal_panel(scene: _Scene) -> Image.Image:
    """Draw the view along the curve: each slice's row of voxels through the curve, stacked."""
    view = _sagittal_view(scene)
    windows = view.along_rows(scene.windows)
    pixels = _gray(view.sample(_straightened(scene.intensity, scene.curve)), windows)
    for name, mask in scene.masks.items():
        plane = _straightened(mask, scene.curve) >= 0.5
        _draw_contours(pixels, view, _distance_along_rows(plane), 0.0, _colour(name), 2)
    slices = np.flatnonzero(scene.covered)
    if len(slices) > 1:
        path = np.stack([scene.curve[slices, 1], slices], axis=1)
        _draw_line(pixels, view.to_screen(path), CURVE, 1)
    panel = Image.new("RGB", (view.width + GUTTER, view.height), BACKGROUND)
    panel.paste(Image.fromarray(pixels), (0, 0))
    _annotate_sagittal(panel, view, scene)
    return panel


def _sagittal_view(scene: _Scene) -> _View:
    """Fit the whole height of the image, and the surroundings of the curve, into the panel."""
    depth, height = scene.intensity.shape[1:] * scene.spacing[1:]
    wanted = min(depth, np.ptp(scene.curve[:, 1]) * scene.spacing[1] + 2 * SAGITTAL_MARGIN_MM)
    scale = min(BODY_HEIGHT / height, SAGITTAL_WIDTH[1] / wanted)
    width = min(max(wanted * scale, SAGITTAL_WIDTH[0]), depth * scale)
    # The window follows the curve but stays inside the image.
    half = width / 2 / scale / scene.spacing[1]
    middle = (scene.curve[:, 1].min() + scene.curve[:, 1].max()) / 2
    middle = np.clip(middle, half - 0.5, max(scene.intensity.shape[1] - 0.5 - half, half - 0.5))
    return _View(
        max(1, round(width)),
        max(1, round(height * scale)),
        (float(middle), (scene.intensity.shape[2] - 1) / 2),
        (scale * scene.spacing[1], scale * scene.spacing[2]),
        mirrored=True,
    )


def _annotate_sagittal(panel: Image.Image, view: _View, scene: _Scene) -> None:
    """Put directions and a scale on the view, and the slices' numbers beside it."""
    draw = ImageDraw.Draw(panel)
    for flagged in np.flatnonzero(scene.severity > 0):
        row = _row_of_slice(view, int(flagged))
        draw.polygon(
            [(view.width + 8, row - 5), (view.width + 8, row + 5), (view.width, row)], fill=FLAG
        )
    last_row = -math.inf
    for z in scene.tiles:
        row = _row_of_slice(view, z)
        colour = FLAG if scene.severity[z] > 0 else MUTED
        draw.line([(view.width + 1, row), (view.width + 12, row)], fill=colour, width=1)
        if row - last_row >= 13:
            inside = min(max(row, 8.0), view.height - 8.0)
            _text(draw, (view.width + 16, inside), str(scene.numbers[z]), 13, colour, "lm")
            last_row = row
    _letters(draw, (view.width, view.height), ("A", "P", "S", "I"))
    _scale_bar(draw, (14, view.height - 14), view.scale[1] / scene.spacing[2], view.width / 3)


def _row_of_slice(view: _View, z: int) -> float:
    return float(view.to_screen(np.array([[0.0, float(z)]]))[0, 1])


def _straightened(volume: Floats, curve: Floats) -> Floats:
    """Return (Y, Z): in each slice the row of voxels through the curve, interpolated along X."""
    x = np.clip(curve[:, 0], 0, volume.shape[0] - 1)
    low = np.minimum(x.astype(int), max(volume.shape[0] - 2, 0))
    high = np.minimum(low + 1, volume.shape[0] - 1)
    weight = (x - low)[None, :]
    z = np.arange(volume.shape[2])
    return np.asarray((1 - weight) * volume[low, :, z].T + weight * volume[high, :, z].T)


def _distance_along_rows(plane: NDArray[np.bool_]) -> Floats:
    """Return (Y, Z): how far, along Y, each voxel lies inside the structure (negative: outside).

    Between slices this makes the outline run straight from edge to edge, as the interpolated
    image does, and end half-way to a slice without the structure.
    """
    distance = np.zeros(plane.shape)
    filled: NDArray[np.bool_] = np.any(plane, axis=0)
    for z in np.flatnonzero(filled):
        column = np.pad(plane[:, z], 1)
        distance[:, z] = np.where(
            column, distance_transform_edt(column) - 0.5, 0.5 - distance_transform_edt(~column)
        )[1:-1]
    for z in np.flatnonzero(~filled):
        beside = [distance[:, n] for n in (z - 1, z + 1) if 0 <= n < len(filled) and filled[n]]
        distance[:, z] = -np.abs(np.max(beside, axis=0)) if beside else -1.0
    return distance


def _whole_slice_panel(scene: _Scene) -> Image.Image:
    """Draw the only slice there is, whole, with a frame around what the tile shows."""
    extent = np.array(scene.intensity.shape[:2]) * scene.spacing[:2]
    scale = min(SAGITTAL_WIDTH[1] / extent[0], BODY_HEIGHT / extent[1])
    width, height = np.maximum(1, np.rint(extent * scale)).astype(int)
    centre = (np.array(scene.intensity.shape[:2]) - 1) / 2
    view = _View(
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


def _tile_panel(scene: _Scene) -> Image.Image:
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


def _tile(scene: _Scene, z: int, size: int) -> Image.Image:
    scale = size / scene.tile_mm
    view = _View(
        size,
        size,
        (float(scene.curve[z, 0]), float(scene.curve[z, 1])),
        (scale * scene.spacing[0], scale * scene.spacing[1]),
    )
    pixels = _gray(view.sample(scene.intensity[:, :, z]), scene.windows[z])
    for name, mask in scene.masks.items():
        _draw_contours(pixels, view, mask[:, :, z], 0.5, _colour(name))
    tile = Image.fromarray(pixels)
    draw = ImageDraw.Draw(tile)
    flagged = scene.severity[z] > 0
    _text(draw, (10, 8), f"slice {scene.numbers[z]}", 15, FLAG if flagged else TEXT, "la")
    _letters(draw, (size, size), ("R", "L", "A", "P"))
    _scale_bar(draw, (12, size - 12), scale, size / 3)
    if flagged:
        draw.rectangle((0, 0, size - 1, size - 1), outline=FLAG, width=2)
    return tile


def _draw_header_and_legend(canvas: Image.Image, scene: _Scene, title: str, subtitle: str) -> None:
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
