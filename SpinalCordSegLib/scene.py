# SPDX-License-Identifier: Apache-2.0
"""A result as pictures show it: which slices, how bright, and where an outline runs on the screen.

On screen as radiologists read: axial slices with the patient's right on the left and anterior up;
the sagittal view with anterior on the left and superior up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from skimage.measure import find_contours

from .centerline.curve import Centerline
from .images import to_network_order
from .labels import LABELS
from .measurement.review import ReviewItem

Floats = NDArray[np.floating]

# Tiles show this much around the curve, less where the image is smaller.
TILE_MM = (20.0, 40.0)
# Brightness is chosen from what lies this near to the curve.
WINDOW_MM = 20.0


@dataclass(frozen=True)
class Scene:
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
        most_tiles: int,
    ) -> Scene:
        """Arrange a result; at most `most_tiles` slices are chosen to be shown across."""
        upright = to_network_order(image)
        intensity = np.nan_to_num(_array(upright).astype(np.float32), posinf=0.0, neginf=0.0)
        arrays = {
            label.name: (_array(to_network_order(masks[label.name])) > 0).astype(np.float32)
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
            _choose_slices(shown, severity, most_tiles),
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


def _choose_slices(shown: NDArray[np.bool_], severity: Floats, most: int) -> tuple[int, ...]:
    """Spread the tiles evenly from top to bottom, moving each to a nearby slice worth a look."""
    candidates = np.flatnonzero(shown) if shown.any() else np.arange(len(shown))
    count = min(most, len(candidates))
    chosen = []
    for group in np.array_split(candidates, count):
        middle = group[len(group) // 2]
        worst = group[np.argmax(severity[group])]
        chosen.append(int(worst if severity[worst] > 0 else middle))
    return tuple(reversed(chosen))


def gray(values: Floats, windows: Floats, outside: int) -> NDArray[np.uint8]:
    """Return gray pixels (rows, columns).

    `windows` (2,) or (rows, 2) are the values of black and of white; NaN becomes `outside`.
    """
    low, high = np.moveaxis(np.atleast_2d(windows), 1, 0)[:, :, None]
    missing = np.isnan(values)
    scaled = np.clip((np.where(missing, low, values) - low) / (high - low), 0.0, 1.0)
    pixels = (scaled * 255).astype(np.uint8)
    pixels[missing] = outside
    return pixels


@dataclass(frozen=True)
class View:
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


def straightened(volume: Floats, curve: Floats) -> Floats:
    """Return (Y, Z): in each slice the row of voxels through the curve, interpolated along X."""
    x = np.clip(curve[:, 0], 0, volume.shape[0] - 1)
    low = np.minimum(x.astype(int), max(volume.shape[0] - 2, 0))
    high = np.minimum(low + 1, volume.shape[0] - 1)
    weight = (x - low)[None, :]
    z = np.arange(volume.shape[2])
    return np.asarray((1 - weight) * volume[low, :, z].T + weight * volume[high, :, z].T)


def distance_along_rows(plane: NDArray[np.bool_]) -> Floats:
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


def outlines(view: View, plane: Floats, level: float) -> list[Floats]:
    """Return where a plane of voxels passes `level`, as closed lines (N, 2) in pixels.

    Outside the plane all is below the level.
    """
    # Mirrored at the level, the border of the plane closes an outline half a voxel outside.
    padded = np.pad(plane, 1, mode="edge")
    for edge in ((0, ...), (-1, ...), (..., 0), (..., -1)):
        padded[edge] = level - np.abs(padded[edge] - level)
    return [view.to_screen(contour - 1.0) for contour in find_contours(padded, level)]


def tile_view(scene: Scene, z: int, size: int) -> View:
    """Return the view of a slice, `size` pixels wide and high, around the curve."""
    scale = size / scene.tile_mm
    return View(
        size,
        size,
        (float(scene.curve[z, 0]), float(scene.curve[z, 1])),
        (scale * scene.spacing[0], scale * scene.spacing[1]),
    )


def row_of_slice(view: View, z: int) -> float:
    """Return the pixel row of a slice in the sagittal view."""
    return float(view.to_screen(np.array([[0.0, float(z)]]))[0, 1])


def sagittal_view(scene: Scene, tall: float, widths: tuple[float, float], margin_mm: float) -> View:
    """Fit the whole height of the image, and the surroundings of the curve, into pixels.

    `tall` is the height of the view and `widths` its least and greatest width; the view is less
    wide where the image is. It shows `margin_mm` in front of and behind the curve.
    """
    depth, height = scene.intensity.shape[1:] * scene.spacing[1:]
    wanted = min(depth, np.ptp(scene.curve[:, 1]) * scene.spacing[1] + 2 * margin_mm)
    scale = min(tall / height, widths[1] / wanted)
    width = min(max(wanted * scale, widths[0]), depth * scale)
    # The window follows the curve but stays inside the image.
    half = width / 2 / scale / scene.spacing[1]
    middle = (scene.curve[:, 1].min() + scene.curve[:, 1].max()) / 2
    middle = np.clip(middle, half - 0.5, max(scene.intensity.shape[1] - 0.5 - half, half - 0.5))
    return View(
        max(1, round(width)),
        max(1, round(height * scale)),
        (float(middle), (scene.intensity.shape[2] - 1) / 2),
        (scale * scene.spacing[1], scale * scene.spacing[2]),
        mirrored=True,
    )
