# SPDX-License-Identifier: Apache-2.0
"""The tissue map of a whole spine that synthetic anatomy is cut from.

Cord, gray matter and CSF come from the PAM50 template's label maps. Its background has no
labels, so the template's T2-weighted image is clustered by intensity: vertebrae, discs, muscle
and fat come out as regions of their own. The template ends at C1 and at the conus; a brainstem
and a sac with nerve roots are grown on the two ends, because a network that never saw them takes
them for cord.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.cluster.vq import kmeans

from .tissues import BACKGROUND_CLASSES, Tissue

ATLAS_SPACING_MM = 0.5

# Slices of the PAM50 grid (0.5 mm, counted upward): where the labels stop being usable.
_LOWEST_SAC = 60
_HIGHEST_CORD = 984
_SLICES_BELOW = 240
_SLICES_ABOVE = 170


@dataclass(frozen=True)
class TissueAtlas:
    """A straight spine.

    Attributes
    ----------
    tissue : ndarray of uint8, (X, Y, Z)
        :class:`Tissue` values at 0.5 mm; X right to left, Y posterior to anterior, Z inferior to
        superior.
    cord : ndarray of uint8, (X, Y, Z)
        255 inside the cord, 0 outside, in between on its blurred boundary.
    centre : tuple of float
        In-plane index of the cord's axis, the same on every slice.
    cord_slices : tuple of int
        Lowest and highest slice that holds cord.
    """

    tissue: np.ndarray
    cord: np.ndarray
    centre: tuple[float, float]
    cord_slices: tuple[int, int]


def build_tissue_atlas(labels_folder: Path) -> TissueAtlas:
    """Build the atlas from the PAM50 label maps.

    Parameters
    ----------
    labels_folder : Path
        Holds ``pam50/PAM50_{cord,csf,gm,wm}.nii.gz`` and ``pam50_small/PAM50_small_t2.nii.gz``.
    """
    pam50 = labels_folder / "pam50"
    cord = _read(pam50 / "PAM50_cord.nii.gz") > 0
    sac = _without_gaps((_read(pam50 / "PAM50_csf.nii.gz") > 0) | cord)
    gray = _read(pam50 / "PAM50_gm.nii.gz")
    white = _read(pam50 / "PAM50_wm.nii.gz")
    template = _read(labels_folder / "pam50_small" / "PAM50_small_t2.nii.gz")
    template = _align_template(_enlarge(template, cord.shape), cord, sac)

    tissue = _cluster_background(template, sac)
    tissue[sac] = Tissue.CSF
    tissue[cord] = Tissue.WHITE_MATTER
    tissue[cord & (gray > white) & (gray > 0.35)] = Tissue.GRAY_MATTER

    centre = tuple(float(c) for c in ndimage.center_of_mass(cord)[:2])
    tissue = np.concatenate(
        [_sac_below(tissue), tissue[:, :, _LOWEST_SAC:_HIGHEST_CORD], _brainstem_above(tissue)],
        axis=2,
    )
    inside = (tissue == Tissue.WHITE_MATTER) | (tissue == Tissue.GRAY_MATTER)
    slices = np.flatnonzero(inside.any(axis=(0, 1)))
    soft = ndimage.gaussian_filter(inside.astype(np.float32), 0.5)
    return TissueAtlas(
        tissue=tissue,
        cord=np.rint(255 * soft).astype(np.uint8),
        centre=(centre[0], centre[1]),
        cord_slices=(int(slices[0]), int(slices[-1])),
    )


def _read(path: Path) -> np.ndarray:
    image = sitk.DICOMOrient(sitk.ReadImage(str(path), sitk.sitkFloat32), "LAS")
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0)


def _without_gaps(sac: np.ndarray) -> np.ndarray:
    """Fill what lies between the labels of cord and CSF, which do not touch everywhere.

    Left as it is, a voxel or two of background would wrap the cord, of another brightness in each
    sample: what is outlined then is smaller than what is seen on real images.
    """
    plane = ndimage.generate_binary_structure(2, 1)[:, :, None]
    closed = sac | ndimage.binary_closing(sac, plane)
    filled: np.ndarray = ndimage.binary_fill_holes(closed, plane)
    return filled


def _enlarge(template: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bring the 1 x 1 x 2 mm template onto the 0.5 mm grid; both start at the same corner."""
    axes = [np.arange(n) * factor for n, factor in zip(shape, (0.5, 0.5, 0.25), strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    return ndimage.map_coordinates(template, grid, order=1, mode="constant")


def _align_template(template: np.ndarray, cord: np.ndarray, sac: np.ndarray) -> np.ndarray:
    """Shift each slice anterior-posterior to where CSF is brightest against the cord.

    The small template carries an older affine, off by up to 2 mm along this axis.
    """
    shifts = np.arange(-8, 9)
    ring = sac & ~cord
    contrast = np.stack(
        [
            _mean_per_slice(np.roll(template, s, axis=1), ring)
            - _mean_per_slice(np.roll(template, s, axis=1), cord)
            for s in shifts
        ]
    )
    best = shifts[np.argmax(contrast, axis=0)].astype(float)
    best = ndimage.gaussian_filter1d(ndimage.median_filter(best, 41), 12)
    slices = [ndimage.shift(template[:, :, k], (0, s), order=1) for k, s in enumerate(best)]
    return np.stack(slices, axis=2)


def _mean_per_slice(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (values * mask).sum(axis=(0, 1)) / np.maximum(mask.sum(axis=(0, 1)), 1)


def _cluster_background(template: np.ndarray, sac: np.ndarray) -> np.ndarray:
    """Return tissue values outside the sac: air where the template is blank, else clusters."""
    outside = (template > 0) & ~sac
    median = np.array(
        [
            np.median(values[mask]) if mask.sum() > 50 else np.nan
            for values, mask in zip(
                template.transpose(2, 0, 1), outside.transpose(2, 0, 1), strict=True
            )
        ]
    )
    known = np.flatnonzero(np.isfinite(median))
    profile = np.interp(np.arange(median.size), known, median[known])
    profile = ndimage.gaussian_filter1d(profile, 30)
    flat = np.log(ndimage.gaussian_filter(template / profile, 0.7)[outside] + 1e-3)
    sample = np.random.default_rng(0).choice(flat, 200_000)
    start = np.quantile(sample, np.linspace(0.03, 0.97, BACKGROUND_CLASSES))
    means = np.sort(kmeans(sample, start)[0])
    tissue = np.full(template.shape, Tissue.AIR, np.uint8)
    tissue[outside] = Tissue.BACKGROUND + np.searchsorted((means[1:] + means[:-1]) / 2, flat)
    return tissue


def _sac_below(tissue: np.ndarray) -> np.ndarray:
    """Return slices to put below the conus: mirrored background around a sac without cord."""
    mirror = tissue[:, :, _LOWEST_SAC + _SLICES_BELOW : _LOWEST_SAC : -1].copy()
    in_canal = (
        (mirror == Tissue.CSF) | (mirror == Tissue.WHITE_MATTER) | (mirror == Tissue.GRAY_MATTER)
    )
    mirror[in_canal] = Tissue.CSF
    lowest = tissue[:, :, _LOWEST_SAC]
    canal = (
        (lowest == Tissue.CSF) | (lowest == Tissue.WHITE_MATTER) | (lowest == Tissue.GRAY_MATTER)
    )
    mirror[canal] = Tissue.CSF
    return mirror


def _brainstem_above(tissue: np.ndarray) -> np.ndarray:
    """Return slices to put above C1: the cord's section widening into medulla and pons."""
    mirror = tissue[:, :, _HIGHEST_CORD - 1 : _HIGHEST_CORD - 1 - _SLICES_ABOVE : -1].copy()
    top = tissue[:, :, _HIGHEST_CORD - 1]
    cord = (top == Tissue.WHITE_MATTER) | (top == Tissue.GRAY_MATTER)
    centre = np.array(ndimage.center_of_mass(cord))
    distance = ndimage.distance_transform_edt(~cord) - ndimage.distance_transform_edt(cord)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in top.shape), indexing="ij"))
    for k in range(mirror.shape[2]):
        height_mm = (k + 1) * ATLAS_SPACING_MM
        widening = 1 + 0.5 * min(height_mm / 20, 1) + 1.2 * np.clip((height_mm - 22) / 15, 0, 1)
        away = (grid - centre[:, None, None]) / widening + centre[:, None, None]
        scaled = ndimage.map_coordinates(distance, away, order=1, mode="nearest") * widening
        in_canal = np.isin(mirror[:, :, k], (Tissue.CSF, Tissue.WHITE_MATTER, Tissue.GRAY_MATTER))
        mirror[:, :, k][in_canal | (scaled < 8 + 0.1 * k)] = Tissue.CSF
        mirror[:, :, k][scaled < 0] = Tissue.NEURAL
        if height_mm <= 5:
            mirror[:, :, k][(scaled < 0)] = Tissue.WHITE_MATTER
    return mirror
