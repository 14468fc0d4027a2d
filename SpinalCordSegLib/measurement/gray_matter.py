# SPDX-License-Identifier: Apache-2.0
"""Whether an image shows the gray matter at all, judged by the outline found in it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..images import array_from, to_network_order

# The rim of the cord mixes with the fluid around it.
_RIM_MM = 1.0
_FEWEST_VOXELS = 6

# With the published networks, T2*w and MT scans give 0.50 to 0.74, T1w, T2w, DWI and a scan
# without MT 0 to 0.42 (16 scans of 8 people).
_LEAST_CORRELATION = 0.46


def gray_matter_contrast(image: sitk.Image, gray_matter: sitk.Image, cord: sitk.Image) -> float:
    """Return how well the outline of the gray matter explains the intensities inside the cord.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image.
    gray_matter, cord : SimpleITK.Image
        Masks on the grid of `image`; every voxel other than 0 is inside.

    Returns
    -------
    float
        Correlation, -1 to 1, of intensity with gray matter over the voxels of the cord more than
        1 mm away from its edge, differences between slices taken out. Positive where gray matter
        is brighter; 0 where there is nothing to compare.

    Notes
    -----
    A ratio of contrast to noise would not do: the few bright voxels that a network picks out of
    a cord without contrast always differ from the others. They explain little of the whole cord's
    intensities, though, and that is what is measured here.
    """
    ordered = to_network_order(image)
    values, gray, inside = (
        array_from(ordered),
        array_from(to_network_order(gray_matter)) != 0,
        array_from(to_network_order(cord)) != 0,
    )
    spacing = ordered.GetSpacing()[:2]
    together, of_values, of_gray = 0.0, 0.0, 0.0
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        core = _depth_mm(inside[:, :, k], spacing) > _RIM_MM
        if core.sum() < _FEWEST_VOXELS:
            continue
        a, b = values[:, :, k][core].astype(float), gray[:, :, k][core].astype(float)
        a, b = a - a.mean(), b - b.mean()
        together += float(a @ b)
        of_values += float(a @ a)
        of_gray += float(b @ b)
    product = of_values * of_gray
    return together / float(np.sqrt(product)) if product > 0 else 0.0


def has_gray_matter_contrast(image: sitk.Image, gray_matter: sitk.Image, cord: sitk.Image) -> bool:
    """Tell whether the image shows the gray matter, so that its outline means something.

    Parameters
    ----------
    image, gray_matter, cord : SimpleITK.Image
        See :func:`gray_matter_contrast`.
    """
    return abs(gray_matter_contrast(image, gray_matter, cord)) >= _LEAST_CORRELATION


def _depth_mm(mask: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Return the distance of each voxel of a slice from the outside of the mask."""
    # What lies beyond the slice is outside too.
    padded = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)
    return np.asarray(padded)[1:-1, 1:-1]
