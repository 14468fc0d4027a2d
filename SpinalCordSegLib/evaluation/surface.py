# SPDX-License-Identifier: Apache-2.0
"""How far the surfaces of two masks lie apart, mm.

The surface of a mask is its voxels of which a face-neighbour lies outside; what is outside the
array is outside the mask, so that a cord that leaves the field of view ends there with a face.
Distances run from voxel centre to voxel centre, in two dimensions between contours.

Where both masks are empty every distance here is 0, where one is empty it is infinite: no
surface, no end to the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances to the nearest point of the other surface, mm, in no order.

    Attributes
    ----------
    of_mask : ndarray, (N,)
        Of each voxel of the mask's surface.
    of_reference : ndarray, (M,)
        Of each voxel of the reference's surface.
    """

    of_mask: Floats
    of_reference: Floats

    @property
    def pooled(self) -> Floats:
        """Both directions together, (N + M,)."""
        return np.concatenate([self.of_mask, self.of_reference])


def surface_distances(mask: Mask, reference: Mask, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """Measure the distances from each of two surfaces to the other.

    Parameters
    ----------
    mask, reference : ndarray of bool
        One shape, any number of dimensions.
    spacing_mm : sequence of float
        Voxel size along each axis of the arrays.

    Raises
    ------
    ValueError
        If shapes or the number of axes do not fit.
    """
    if mask.shape != reference.shape or len(spacing_mm) != mask.ndim:
        raise ValueError(
            f"masks of shapes {mask.shape} and {reference.shape} with spacing {tuple(spacing_mm)}"
        )
    # All that counts lies in the box around both.
    box = _box(mask | reference)
    ours, theirs = _surface(mask[box]), _surface(reference[box])
    return SurfaceDistances(
        _distances(ours, theirs, spacing_mm), _distances(theirs, ours, spacing_mm)
    )


def hausdorff(distances: SurfaceDistances) -> float:
    """Return the largest distance, mm (Zhang 2021, equation 21)."""
    return float(distances.pooled.max(initial=0.0))


def hausdorff95(distances: SurfaceDistances) -> float:
    """Return the larger one of both directions' 95th percentiles, mm."""
    return max(_percentile95(distances.of_mask), _percentile95(distances.of_reference))


def average_surface_distance(distances: SurfaceDistances) -> float:
    """Return the mean over both surfaces' voxels, mm (ASSD; the challenge's MSD)."""
    pooled = distances.pooled
    return float(pooled.mean()) if pooled.size else 0.0


def rms_surface_distance(distances: SurfaceDistances) -> float:
    """Return the root of the mean square over both surfaces' voxels, mm (Zhang 2021, eq. 22)."""
    pooled = distances.pooled
    return float(np.sqrt(np.square(pooled).mean())) if pooled.size else 0.0


def _box(mask: Mask) -> tuple[slice, ...]:
    places = ndimage.find_objects(mask.astype(np.uint8))
    return places[0] if places else (slice(0),) * mask.ndim


def _surface(mask: Mask) -> Mask:
    surface: Mask = mask & ~ndimage.binary_erosion(mask)
    return surface


def _distances(points: Mask, others: Mask, spacing_mm: Sequence[float]) -> Floats:
    if not points.any() or not others.any():
        return np.full(int(points.sum()), np.inf)
    away: Floats = ndimage.distance_transform_edt(~others, sampling=spacing_mm)
    return away[points]


def _percentile95(distances: Floats) -> float:
    # Between two infinities a percentile would be NaN.
    if distances.size == 0 or np.isinf(distances).any():
        return float(distances.max(initial=0.0))
    return float(np.percentile(distances, 95))
