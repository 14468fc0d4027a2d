# SPDX-License-Identifier: Apache-2.0
"""From which probability on a voxel is cord: it depends on the fluid around.

Of one and the same cord a network sees more where the fluid is darker than the cord, as in T1w
images, than where it is brighter. The two thresholds that make up for it are chosen on the
development scans, and checked on pairs of scans of the same person, without a reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..weights.specification import WeightsSpecification
from .along_curve import StraightBlock

# Between these contrasts the threshold goes from the one for dark to the one for bright fluid.
_DARK, _BRIGHT = -0.3, 0.1
# What is looked at around the outline: fluid, and all that an intensity is compared with.
_FLUID_MM = (0.7, 2.5)
_NEIGHBOURHOOD_MM = 10.0
_MOST_ROWS = 60


def boundary_threshold(
    specification: WeightsSpecification, block: StraightBlock, probability: np.ndarray
) -> float:
    """Return the probability from which on a voxel is cord.

    Parameters
    ----------
    specification : WeightsSpecification
        Of the network that gave the probability; one with a single threshold keeps it.
    block : StraightBlock
        The image around the curve.
    probability : ndarray, (X, Y, Z)
        On the block.
    """
    dark, bright = specification.dark_fluid_threshold, specification.threshold
    if dark is None:
        return bright
    contrast = fluid_contrast(block.values, probability, block.spacing_mm)
    return float(np.interp(contrast, (_DARK, _BRIGHT), (dark, bright)))


def fluid_contrast(
    values: np.ndarray, probability: np.ndarray, spacing_mm: Sequence[float]
) -> float:
    """Return how much brighter than the cord its surroundings are, as a share of all spread.

    Parameters
    ----------
    values, probability : ndarray, (X, Y, Z)
        The block around the curve; NaN outside the image.
    spacing_mm : (x, y, z)

    Returns
    -------
    float
        Median over the slices of the difference of the medians of what lies around the cord and
        of the cord, over the standard deviation within a centimetre; 0 where there is no cord.
    """
    rows = np.flatnonzero((probability >= 0.5).any(axis=(0, 1)))
    found = [
        _contrast_on(values[:, :, k], probability[:, :, k] >= 0.5, spacing_mm[:2])
        for k in rows[:: max(1, rows.size // _MOST_ROWS)]
    ]
    known = np.array(found)[np.isfinite(found)] if found else np.zeros(0)
    return float(np.median(known)) if known.size else 0.0


def _contrast_on(plane: np.ndarray, cord: np.ndarray, pixel_mm: Sequence[float]) -> float:
    away = ndimage.distance_transform_edt(~cord, pixel_mm)
    seen = np.isfinite(plane)
    fluid = plane[seen & (away > _FLUID_MM[0]) & (away < _FLUID_MM[1])]
    near, inside = plane[seen & (away < _NEIGHBOURHOOD_MM)], plane[seen & cord]
    if fluid.size == 0 or inside.size == 0 or near.std() == 0:
        return np.nan
    return float((np.median(fluid) - np.median(inside)) / near.std())
