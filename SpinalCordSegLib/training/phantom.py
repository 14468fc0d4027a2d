# SPDX-License-Identifier: Apache-2.0
"""The sample that ships: a T2-weighted neck drawn from formulas, with its true cord mask.

No scan and no atlas went into it. Run ``python -m SpinalCordSegLib.training.phantom FOLDER`` to
draw it again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

# Millimetres: right-left, anterior-posterior, superior-inferior.
_SIZE_MM = (64, 112, 168)
_FINE_MM = 0.5
_VERTEBRA_MM = 19.0
_DISC_MM = 5.0

# T2-weighted signal of each tissue, CSF = 1.
_SIGNAL = {
    "air": 0.01,
    "fat": 0.78,
    "muscle": 0.20,
    "bone": 0.36,
    "cortex": 0.06,
    "disc": 0.50,
    "fluid": 1.00,
    "white matter": 0.40,
    "gray matter": 0.48,
}


@dataclass(frozen=True)
class Phantom:
    """A drawn scan and the truth about it.

    Attributes
    ----------
    image : SimpleITK.Image
        int16, stored sagittally as T2-weighted scans often are.
    cord : SimpleITK.Image
        uint8 mask on the same grid.
    centre_mm : ndarray, (N, 3)
        The cord's axis, LPS, inferior to superior.
    """

    image: sitk.Image
    cord: sitk.Image
    centre_mm: np.ndarray


def draw_phantom(
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0), seed: int = 0
) -> Phantom:
    """Draw a neck with a curved cord.

    Parameters
    ----------
    spacing_mm : (right-left, anterior-posterior, superior-inferior)
        Multiples of 0.5 mm; partial volume is that of averaging half-millimetre voxels.
    seed : int
        Of the noise and of the tissue's texture.
    """
    rng = np.random.default_rng(seed)
    axes = [(np.arange(int(s / _FINE_MM)) + 0.5) * _FINE_MM - s / 2 for s in _SIZE_MM]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    x, y = np.broadcast_arrays(x, y - _lordosis(z))[0], y - _lordosis(z)
    signal = _draw_tissue(x, y, z, rng)
    cord = _cord_distance(x, y, z) < 0

    factor = [round(s / _FINE_MM) for s in spacing_mm]
    mean = _average(signal, factor)
    bias = np.exp(
        0.25 * ndimage.zoom(rng.normal(size=(2, 3, 3)), np.array(mean.shape) / (2, 3, 3), order=1)
    )
    noise = rng.normal(0, 0.02, (2, *mean.shape))
    observed = np.hypot(mean * bias + noise[0], noise[1])
    image = _store(np.rint(700 * observed).astype(np.int16), spacing_mm)
    mask = _store((_average(cord.astype(np.float32), factor) >= 0.5).astype(np.uint8), spacing_mm)
    height = axes[2]
    centre = np.column_stack([np.zeros_like(height), -_lordosis(height), height])
    return Phantom(image, mask, centre)


def main(folder: str) -> None:
    """Write ``phantom_t2w.nii.gz`` and ``phantom_t2w_cord.nii.gz`` into a folder."""
    phantom = draw_phantom()
    Path(folder).mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(phantom.image, str(Path(folder) / "phantom_t2w.nii.gz"), True)
    sitk.WriteImage(phantom.cord, str(Path(folder) / "phantom_t2w_cord.nii.gz"), True)


def _lordosis(z: np.ndarray) -> np.ndarray:
    """Return how far anterior the cord's axis lies at a height, mm."""
    return 6 * np.sin(z / 40) + 0.0009 * z**2 - 8


def _cord_radii(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return half widths right-left and anterior-posterior, widest in the middle of the neck."""
    enlargement = np.exp(-((z + 10) ** 2) / (2 * 28**2))
    return 5.3 + 1.5 * enlargement, 4.0 + 0.4 * enlargement


def _cord_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    wide, deep = _cord_radii(z)
    return (np.hypot(x / wide, y / deep) - 1) * deep


def _gray_matter(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two horns a side and a bridge between them: the butterfly."""
    side = np.abs(x)
    anterior = ((side - 2.0) / 1.1) ** 2 + ((y - 0.9) / 1.3) ** 2 < 1
    posterior = ((side - 2.2 - 0.25 * y) / 0.55) ** 2 + ((y + 1.2) / 1.6) ** 2 < 1
    bridge = (side < 2.2) & (np.abs(y - 0.2) < 0.4)
    return anterior | posterior | bridge


def _draw_tissue(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the signal; later tissues cover earlier ones. y is anterior of the cord's axis."""
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    signal = np.full(shape, _SIGNAL["air"], np.float32)

    def paint(where: np.ndarray, tissue: str) -> None:
        signal[np.broadcast_to(where, shape)] = _SIGNAL[tissue]

    body = np.hypot(x / 58, (y - 4) / 52)
    paint(body < 1, "fat")
    paint((body < 0.9) & (np.abs(x) > 2 - 0.05 * y), "muscle")
    paint(np.hypot(x / 9, (y - 38) / 7) < 1, "cortex")
    paint(np.hypot(x / 7.5, (y - 38) / 5.5) < 1, "air")

    level = np.mod(z, _VERTEBRA_MM)
    in_disc = level < _DISC_MM
    column = np.maximum(np.abs(x) / 12, np.abs(y - 18) / 8)
    paint(column < 1.08, "cortex")
    paint((column < 1) & ~in_disc, "bone")
    paint((column < 1) & in_disc, "disc")
    arch = np.hypot(x / 15, (y + 1) / 12)
    paint((arch < 1) & (y < 6), "cortex")
    paint((arch < 0.92) & (y < 6), "bone")
    spine_level = np.mod(z - 0.5 * y, _VERTEBRA_MM)
    spinous = (np.abs(x) < 3.5) & (y < -11) & (y > -30) & (spine_level > 8)
    paint(spinous, "cortex")
    paint(spinous & (np.abs(x) < 2.6) & (spine_level > 9) & (y > -29), "bone")

    wide, deep = _cord_radii(z)
    sac = np.hypot(x / (wide + 3.2), (y - 0.4) / (deep + 2.6))
    paint(sac < 1.09, "cortex")
    paint(sac < 1, "fluid")
    paint(_cord_distance(x, y, z) < 0, "white matter")
    paint(_gray_matter(x, y) & (_cord_distance(x, y, z) < -0.6), "gray matter")
    texture = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 1.5)
    return signal * (1 + 0.8 * texture)


def _average(values: np.ndarray, factor: list[int]) -> np.ndarray:
    size = [n // f for n, f in zip(values.shape, factor, strict=True)]
    cut = values[tuple(slice(0, n * f) for n, f in zip(size, factor, strict=True))]
    blocks = cut.reshape(size[0], factor[0], size[1], factor[1], size[2], factor[2])
    return blocks.mean(axis=(1, 3, 5))


def _store(values: np.ndarray, spacing_mm: tuple[float, float, float]) -> sitk.Image:
    """Return (right-left, posterior-anterior, inferior-superior) values as a sagittal image."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    image.SetSpacing(spacing_mm)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    start = [-(n * s) / 2 + s / 2 for n, s in zip(values.shape, spacing_mm, strict=True)]
    image.SetOrigin((start[0], -start[1], start[2]))
    return sitk.DICOMOrient(image, "PIR")


if __name__ == "__main__":
    main(sys.argv[1])
