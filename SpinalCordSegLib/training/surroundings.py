# SPDX-License-Identifier: Apache-2.0
"""Real surroundings of the spine: jaw, throat, shoulders and coil air, as tissue classes.

The atlas is 70 mm wide; a whole slice is two or three times that. What lies further out is taken
from real images, clustered by intensity as SynthSeg does with unlabelled tissue. Only where the
cord lies has to be known, to within a centimetre, because the atlas covers it; a centerline
network trained on the atlas alone tells it. No mask of these images is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.cluster.vq import kmeans

from ..centerline.curve import Centerline
from ..images import array_from, read_image, to_network_order
from ..pipeline import detect_centerline
from .tissues import BACKGROUND_CLASSES, Tissue

SURROUNDINGS_SPACING_MM = 1.0
SURROUNDINGS_SIZE = 240

_SLICE_STEP_MM = 5.0


def read_surroundings(scans: Sequence[Path], finder: str | Path, device: str) -> np.ndarray | None:
    """Read images, find their cords and return what :func:`cluster_surroundings` does.

    Parameters
    ----------
    scans : sequence of Path
    finder : str or Path
        Centerline weights.
    device : str
        Torch device.

    Returns
    -------
    ndarray of uint8, (N, X, Y), or None
        None if there are no scans.

    Raises
    ------
    InvalidImage, CordNotFound
        If a scan cannot be used.
    """
    if not scans:
        return None
    images = [read_image(path) for path in scans]
    curves = [detect_centerline(image, finder, device=device) for image in images]
    return cluster_surroundings(zip(images, curves, strict=True))


def cluster_surroundings(scans: Iterable[tuple[sitk.Image, Centerline]]) -> np.ndarray:
    """Cluster slices of real images into background classes.

    Parameters
    ----------
    scans : iterable of (image, centerline)
        Images in any orientation, each with where its cord runs.

    Returns
    -------
    ndarray of uint8, (N, X, Y)
        Slices at 1 mm, X right to left, Y posterior to anterior, with the cord in the middle;
        :class:`Tissue` ``AIR`` and background classes only.
    """
    slices: list[np.ndarray] = []
    for image, centerline in scans:
        ordered = to_network_order(image)
        volume, spacing = array_from(ordered), ordered.GetSpacing()
        curve = centerline.in_slices(ordered)
        crossed = np.flatnonzero(np.isfinite(curve).all(axis=1))
        step = max(1, round(_SLICE_STEP_MM / spacing[2]))
        slices += [_cluster(volume[:, :, k], spacing, curve[k]) for k in crossed[::step]]
    return np.stack(slices)


def _cluster(plane: np.ndarray, spacing: tuple[float, ...], centre: np.ndarray) -> np.ndarray:
    half = (SURROUNDINGS_SIZE - 1) / 2
    offset = (np.arange(SURROUNDINGS_SIZE) - half) * SURROUNDINGS_SPACING_MM
    grid = np.meshgrid(*(offset / spacing[a] + centre[a] for a in range(2)), indexing="ij")
    values = ndimage.map_coordinates(plane.astype(np.float32), grid, order=1, cval=-1)
    seen = values >= 0
    values = np.where(seen, values, 0)
    sensitivity = ndimage.gaussian_filter(values, 25) + 0.15 * values.mean()
    flat = ndimage.gaussian_filter(values / sensitivity, 0.5)
    air = ~seen | (ndimage.gaussian_filter(values, 1.5) < 0.12 * np.percentile(values[seen], 95))
    tissue = np.full(values.shape, Tissue.AIR, np.uint8)
    if (~air).sum() < 100:
        return tissue
    start = np.quantile(flat[~air], np.linspace(0.04, 0.97, BACKGROUND_CLASSES))
    means = np.sort(kmeans(flat[~air].astype(np.float64), start)[0])
    classes = np.searchsorted((means[1:] + means[:-1]) / 2, flat)
    tissue[~air] = Tissue.BACKGROUND + classes[~air]
    return tissue
