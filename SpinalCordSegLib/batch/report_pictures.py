# SPDX-License-Identifier: Apache-2.0
"""The pictures of a scan that the report shows, and the outlines that it lays over them.

Made when a result is written, for the scan may be gone when the report is made. The pictures are
gray and bare, so that outlines can be shown and hidden.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import approximate_polygon

from ..result import Result
from ..scene import (
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

FORMAT = 1
# What the pictures of one scan take at most, together.
MOST_BYTES = 150_000

_MOST_TILES = 30
_TILE = 144
_SAGITTAL_HEIGHT = 720
_SAGITTAL_WIDTH = (150.0, 400.0)
_SAGITTAL_MARGIN_MM = 32.0
_QUALITIES = (80, 70, 60, 50, 40, 30)
_OUTSIDE = 26
# How far, in pixels, a drawn outline may be from the true one.
_TOLERANCE = 0.2
# White matter is what lies between the outlines of the cord and of the gray matter.
_DRAWN = ("cord", "gray_matter", "lesion")


def report_picture_paths(folder: Path, stem: str, slices: int = 2) -> list[Path]:
    """Return the files that :func:`report_pictures` writes.

    Parameters
    ----------
    folder : Path
    stem : str
        What the names begin with.
    slices : int
        How many axial slices the image has: one alone has no sagittal view.
    """
    pictures = ["sagittal.jpg", "axial.jpg"] if slices > 1 else ["axial.jpg"]
    return [folder / f"{stem}_qc_{name}" for name in pictures] + [folder / f"{stem}_qc.json"]


def report_pictures(image: sitk.Image, result: Result, folder: Path, stem: str) -> list[Path]:
    """Write what the report shows of a scan.

    Parameters
    ----------
    image : sitk.Image
        The scan, 3D, any orientation.
    result : Result
        Of that scan.
    folder : Path
        Exists; files of the same names are replaced.
    stem : str
        What the names begin with.

    Returns
    -------
    list of Path
        ``STEM_qc_sagittal.jpg``, the view along the curve, anterior on the left and superior up,
        which one slice alone does not have; ``STEM_qc_axial.jpg``, up to 30 slices in rows from
        the top down, patient's right on the left and anterior up; and ``STEM_qc.json``, which
        says where the slices lie in them and holds the outlines in tenths of a pixel.
    """
    scene = Scene.of(image, result.masks, result.centerline, result.review, _MOST_TILES)
    paths = report_picture_paths(folder, stem, scene.intensity.shape[2])
    axial, across = _axial(scene)
    content: dict[str, Any] = {"format": FORMAT, "axial": across, "sagittal": None}
    pictures = [axial]
    if scene.intensity.shape[2] > 1:
        sagittal, content["sagittal"] = _sagittal(scene)
        pictures.insert(0, sagittal)
    for path, data in zip(paths, _jpegs(pictures), strict=False):
        path.write_bytes(data)
    text = json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
    paths[-1].write_text(text, encoding="utf-8", newline="\n")
    return paths


def _axial(scene: Scene) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return the mosaic and where what is in it."""
    columns = min(6, len(scene.tiles))
    rows = -(-len(scene.tiles) // columns)
    mosaic = np.full((rows * _TILE, columns * _TILE), _OUTSIDE, np.uint8)
    tiles = []
    for position, z in enumerate(scene.tiles):
        row, column = divmod(position, columns)
        view = tile_view(scene, z, _TILE)
        pixels = gray(view.sample(scene.intensity[:, :, z]), scene.windows[z], _OUTSIDE)
        mosaic[row * _TILE :, column * _TILE :][:_TILE, :_TILE] = pixels
        drawn = {
            name: _polylines(outlines(view, scene.masks[name][:, :, z], 0.5))
            for name in _DRAWN
            if name in scene.masks
        }
        tiles.append({"slice": int(scene.numbers[z]), "outlines": drawn})
    place = {"size": _TILE, "columns": columns, "rows": rows, "mm": round(scene.tile_mm, 2)}
    return mosaic, {**place, "tiles": tiles}


def _sagittal(scene: Scene) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return the view along the curve and where what is in it."""
    view = sagittal_view(scene, _SAGITTAL_HEIGHT, _SAGITTAL_WIDTH, _SAGITTAL_MARGIN_MM)
    plane = straightened(scene.intensity, scene.curve)
    pixels = gray(view.sample(plane), view.along_rows(scene.windows), _OUTSIDE)
    drawn = {
        name: _polylines(outlines(view, _edges(scene.masks[name], scene.curve), 0.0))
        for name in _DRAWN
        if name in scene.masks
    }
    slices = [
        [int(scene.numbers[z]), round(row_of_slice(view, z), 1)] for z in range(len(scene.numbers))
    ]
    return pixels, {
        "width": view.width,
        "height": view.height,
        "mm": round(view.height * scene.spacing[2] / view.scale[1], 2),
        "slices": slices,
        "outlines": drawn,
        "curve": _polylines(_curve(scene, view)),
    }


def _edges(mask: Floats, curve: Floats) -> Floats:
    return distance_along_rows(straightened(mask, curve) >= 0.5)


def _curve(scene: Scene, view: View) -> list[Floats]:
    slices = np.flatnonzero(scene.covered)
    if len(slices) < 2:
        return []
    return [view.to_screen(np.stack([scene.curve[slices, 1], slices], axis=1))]


def _polylines(lines: Iterable[Floats]) -> list[list[int]]:
    """Return lines as x, y, x, y … in tenths of a pixel from the corner of the picture."""
    simple = (approximate_polygon(line, _TOLERANCE) for line in lines)
    return [np.rint((line + 0.5) * 10).astype(int).ravel().tolist() for line in simple]


def _jpegs(pictures: list[NDArray[np.uint8]]) -> list[bytes]:
    """Encode pictures, together in ``MOST_BYTES`` if the worst quality allows it."""
    encoded: list[bytes] = []
    for quality in _QUALITIES:
        encoded = [jpeg(Image.fromarray(picture), quality) for picture in pictures]
        if sum(map(len, encoded)) <= MOST_BYTES:
            break
    return encoded


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """Encode a picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
