# SPDX-License-Identifier: Apache-2.0
"""Patches of scans changed at random: moved, turned, bent, mirrored, and lit another way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from ..intensity import zero_mean_unit_variance
from .configuration import AXES, Augmentation
from .lesion_edges import vary_lesion_edges
from .randomness import Randomness

# A smooth factor over a patch: its lattice has this many nodes along each axis.
_BIAS_NODES = 3


def random_grid(
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    augmentation: Augmentation,
    random: Randomness,
) -> np.ndarray:
    """Return where the voxels of a patch are taken from.

    Parameters
    ----------
    shape : (X, Y, Z)
    spacing_mm : (x, y, z)

    Returns
    -------
    ndarray of float32, (3, X, Y, Z)
        Voxels; x and y from the middle of the patch, z from its first row. Turned, scaled and bent
        in the axial plane.
    """
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    axes[:2] = [axis - (axis.size - 1) / 2 for axis in axes[:2]]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    angle = np.deg2rad(random.uniform(-1, 1) * augmentation.rotation_degrees)
    size = 1 + random.uniform(-1, 1) * augmentation.scale
    x_mm, y_mm = x * spacing_mm[0] / size, y * spacing_mm[1] / size
    turned_x = (np.cos(angle) * x_mm - np.sin(angle) * y_mm) / spacing_mm[0]
    turned_y = (np.sin(angle) * x_mm + np.cos(angle) * y_mm) / spacing_mm[1]
    if augmentation.elastic and random.chance(augmentation.elastic_share):
        turned_x = turned_x + _displacement(shape, augmentation.elastic, random)
        turned_y = turned_y + _displacement(shape, augmentation.elastic, random)
    return np.stack([turned_x, turned_y, z]).astype(np.float32)


def flipped(values: torch.Tensor, augmentation: Augmentation, random: Randomness) -> torch.Tensor:
    """Mirror channels (C, X, Y, Z) along each of the axes, or not."""
    axes = [1 + AXES.index(axis) for axis in augmentation.flip_axes if random.chance(0.5)]
    return values.flip(axes)


def relit(image: np.ndarray, augmentation: Augmentation, random: Randomness) -> np.ndarray:
    """Return an image with other intensities, normalised.

    Parameters
    ----------
    image : ndarray of float32, (X, Y, Z)
        NaN outside the field of view.

    Returns
    -------
    ndarray of float32, (X, Y, Z)
        Of mean 0 and standard deviation 1 before noise and shift; 0 outside.
    """
    seen = np.isfinite(image)
    if not seen.any():
        return np.zeros(image.shape, np.float32)
    low, high = image[seen].min(), image[seen].max()
    varied = (image - low) / max(high - low, 1e-6)
    limit = np.log(1 + augmentation.gamma)
    varied = varied ** np.exp(random.uniform(-limit, limit))
    if augmentation.bias:
        nodes = [min(n, _BIAS_NODES) for n in image.shape]
        field = random.smooth_field(image.shape, nodes)[0].numpy()
        varied = varied * np.exp(random.uniform(0, augmentation.bias) * field)
    result = zero_mean_unit_variance(varied.astype(np.float32))
    shift = random.uniform(-1, 1) * augmentation.intensity_shift
    noise = random.uniform(0, augmentation.noise) * random.noise(image.shape).numpy()
    return np.where(seen, result + shift + noise, 0).astype(np.float32)


def with_other_edges(
    lesion: torch.Tensor, augmentation: Augmentation, random: Randomness
) -> torch.Tensor:
    """Return a lesion mask (X, Y, Z), eroded here and dilated there (Gros 2019, section 2.2.3)."""
    if not augmentation.lesion_edges:
        return lesion
    varied = vary_lesion_edges(lesion.nan_to_num(0), random, augmentation.lesion_edges)
    return torch.where(torch.isnan(lesion), lesion, varied)


def _displacement(
    shape: Sequence[int], elastic: tuple[float, float], random: Randomness
) -> np.ndarray:
    """Return a smooth displacement in voxels (Simard 2003)."""
    alpha, sigma = elastic
    noise = random.scalars.uniform(-1, 1, tuple(shape)).astype(np.float32)
    sigmas = [sigma if n > 1 else 0 for n in shape]
    smooth: np.ndarray = alpha * ndimage.gaussian_filter(noise, sigmas, mode="constant")
    return smooth
