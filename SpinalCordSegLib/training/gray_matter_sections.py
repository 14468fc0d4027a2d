# SPDX-License-Identifier: Apache-2.0
"""Cross-sections of cord and gray matter, from templates and from label maps at 7 T.

The atlas knows the gray matter at 0.5 mm, blurred by averaging over people. Its horns are thinner
than that: finer sections take its place where gray matter is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

SECTION_SPACING_MM = 0.2
SECTION_SIZE = 121

# Templates hardly differ from one slice to the next; of people, every slice counts.
_TEMPLATE_STEP_MM = 4.0
# Templates are means over many people, in which the tips of the horns fade and the commissure is
# thick: sections of single people have the majority.
_COPIES_OF_PEOPLE = 12
_SHARPNESS = 4.0
_SMALLEST_CORD_MM2 = 20.0


def build_sections(labels_folder: Path) -> np.ndarray:
    """Return sections of every set of labels; those of single people several times each.

    Parameters
    ----------
    labels_folder : Path
        Holds ``pam50``, ``amu7t`` and ``gm-challenge``.

    Returns
    -------
    ndarray of uint8, (N, 2, X, Y)
        Cord and gray matter, 0 to 255, at 0.2 mm; X right to left, Y posterior to anterior, the
        cord's centre of mass in the middle.
    """
    sections = [*_pam50(labels_folder / "pam50"), *_amu7t(labels_folder / "amu7t")]
    sections += _COPIES_OF_PEOPLE * list(_challenge(labels_folder / "gm-challenge"))
    return np.stack(sections)


def _pam50(folder: Path) -> Iterator[np.ndarray]:
    cord, spacing = _read(folder / "PAM50_cord.nii.gz")
    gray, white = (_read(folder / f"PAM50_{name}.nii.gz")[0] for name in ("gm", "wm"))
    return _cut(cord > 0, _share(gray, white), spacing, _TEMPLATE_STEP_MM)


def _amu7t(folder: Path) -> Iterator[np.ndarray]:
    gray, spacing = _read(folder / "AMU7T_gm.nii.gz")
    white, _ = _read(folder / "AMU7T_wm.nii.gz")
    return _cut(gray + white > 0.5, _share(gray, white), spacing, _TEMPLATE_STEP_MM)


def _challenge(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(folder.glob("*_gmseg.nii.gz")):
        gray, spacing = _read(path)
        cord, _ = _read(path.with_name(path.name.replace("_gmseg", "_seg")))
        yield from _cut(cord > 0, (gray > 0).astype(np.float32), spacing)


def _share(gray: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Return which of both a voxel is, nearly undecided only where the template is."""
    share = gray / np.maximum(gray + white, 0.05)
    return np.clip((share - 0.5) * _SHARPNESS + 0.5, 0, 1)


def _read(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    image = sitk.DICOMOrient(sitk.ReadImage(str(path), sitk.sitkFloat32), "LAS")
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), image.GetSpacing()


def _cut(
    cord: np.ndarray, gray: np.ndarray, spacing: tuple[float, ...], step_mm: float = 0.0
) -> Iterator[np.ndarray]:
    """Yield the sections of one volume that hold cord and gray matter, so far apart or each."""
    for k in range(0, cord.shape[2], max(1, round(step_mm / spacing[2]))):
        area = cord[:, :, k].sum() * spacing[0] * spacing[1]
        if area < _SMALLEST_CORD_MM2 or not (gray[:, :, k] > 0.5).any():
            continue
        centre = ndimage.center_of_mass(cord[:, :, k])
        half = (SECTION_SIZE - 1) / 2
        offset = (np.arange(SECTION_SIZE) - half) * SECTION_SPACING_MM
        grid = np.meshgrid(*(offset / spacing[a] + centre[a] for a in range(2)), indexing="ij")
        planes = [cord[:, :, k].astype(np.float32), gray[:, :, k] * cord[:, :, k]]
        # A binary mask seen finer than its voxels has steps: round them off.
        resampled = [
            ndimage.gaussian_filter(
                ndimage.map_coordinates(plane, grid, order=1), 0.4 * spacing[0] / SECTION_SPACING_MM
            )
            for plane in planes
        ]
        yield np.rint(255 * np.clip(np.stack(resampled), 0, 1)).astype(np.uint8)
