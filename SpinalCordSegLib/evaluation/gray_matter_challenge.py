# SPDX-License-Identifier: Apache-2.0
"""The ten metrics of the spinal cord gray matter challenge (Perone 2018, tables 4 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from .overlap import conformity, dice, jaccard, precision, sensitivity, specificity
from .surface import (
    SurfaceDistances,
    average_surface_distance,
    hausdorff,
    surface_distances,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ChallengeMetrics:
    """Ten metrics, in the challenge's units and under its names.

    Attributes
    ----------
    dsc, ji : float
        Dice and Jaccard, 0 to 1.
    msd_mm, hsd_mm : float
        Mean and largest distance of the surfaces.
    shd_mm, smd_mm : float
        Largest and median distance of the skeletons.
    tpr_percent, tnr_percent, ppv_percent : float
        Sensitivity, specificity and precision. The specificity counts every voxel of the arrays.
    cc_percent : float
        Conformity coefficient: 100 at best, negative below a Dice of 2/3.
    """

    dsc: float
    msd_mm: float
    hsd_mm: float
    shd_mm: float
    smd_mm: float
    tpr_percent: float
    tnr_percent: float
    ppv_percent: float
    ji: float
    cc_percent: float


def challenge_metrics(mask: Mask, reference: Mask, spacing_mm: Sequence[float]) -> ChallengeMetrics:
    """Compare two masks (X, Y, Z) of gray matter.

    Parameters
    ----------
    mask, reference : ndarray of bool, (X, Y, Z)
    spacing_mm : sequence of 3 floats

    Notes
    -----
    Empty masks: as each metric says in ``overlap`` and ``surface``; skeletons as surfaces.
    """
    surfaces = surface_distances(mask, reference, spacing_mm)
    skeletons = skeleton_distances(mask, reference, spacing_mm)
    return ChallengeMetrics(
        dsc=dice(mask, reference),
        msd_mm=average_surface_distance(surfaces),
        hsd_mm=hausdorff(surfaces),
        shd_mm=hausdorff(skeletons),
        smd_mm=_median(skeletons),
        tpr_percent=100 * sensitivity(mask, reference),
        tnr_percent=100 * specificity(mask, reference),
        ppv_percent=100 * precision(mask, reference),
        ji=jaccard(mask, reference),
        cc_percent=100 * conformity(mask, reference),
    )


def skeleton_distances(
    mask: Mask, reference: Mask, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Measure, slice by slice, the in-plane distances between the skeletons of two masks.

    Parameters
    ----------
    mask, reference : ndarray of bool, (X, Y, Z)
    spacing_mm : sequence of float
        Voxel size along x and y; what follows is not used.

    Returns
    -------
    SurfaceDistances
        Of every voxel of the skeletons on the slices that both masks have. On a slice that one of
        them lacks there is no distance in the plane: what is missing costs overlap, not this.
        Where no slice is shared, infinite; where both masks are empty, none.
    """
    of_mask: list[NDArray[np.float64]] = []
    of_reference: list[NDArray[np.float64]] = []
    for k in np.flatnonzero(mask.any(axis=(0, 1)) & reference.any(axis=(0, 1))):
        # A skeleton is one pixel wide, so that it is its own surface.
        ours, theirs = skeletonize(mask[:, :, k]), skeletonize(reference[:, :, k])
        distances = surface_distances(ours, theirs, spacing_mm[:2])
        of_mask.append(distances.of_mask)
        of_reference.append(distances.of_reference)
    if not of_mask:
        endless = np.full(int(mask.any() or reference.any()), np.inf)
        return SurfaceDistances(endless, endless)
    return SurfaceDistances(np.concatenate(of_mask), np.concatenate(of_reference))


def _median(distances: SurfaceDistances) -> float:
    pooled = distances.pooled
    return float(np.median(pooled)) if pooled.size else 0.0
