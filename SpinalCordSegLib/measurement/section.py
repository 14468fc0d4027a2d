# SPDX-License-Identifier: Apache-2.0
"""The shape of one cross-section of the cord, seen across the cord."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import regionprops

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Section:
    """Measures of a cross-section.

    Attributes
    ----------
    area_mm2 : float
        Across the cord.
    diameter_ap_mm, diameter_rl_mm : float
        Axes of the ellipse that has the section's second moments: the one that lies nearer to
        posterior-anterior, and the other.
    eccentricity : float
        Of that ellipse: distance of its foci over its long axis; 0 (circle) to 1.
    solidity : float
        Area over the area of the convex hull; 1 where there is no dent.
    orientation_deg : float
        How far the right-left axis of the ellipse is turned against that of the image, -45 to 45;
        positive where the left side lies more to the front. It means nothing for a circle.
    """

    area_mm2: float
    diameter_ap_mm: float
    diameter_rl_mm: float
    eccentricity: float
    solidity: float
    orientation_deg: float


def measure_section(
    plane: NDArray[np.bool_], spacing_mm: ArrayLike, slope: ArrayLike = (0.0, 0.0)
) -> Section:
    """Measure the cross-section that a slice shows.

    Parameters
    ----------
    plane : ndarray of bool, (X, Y)
        Network order: right to left, posterior to anterior. Not empty; all of it counts, in
        however many pieces.
    spacing_mm : (x, y)
    slope : (x, y)
        Millimetres that the cord moves sideways for each millimetre across the slices.

    Notes
    -----
    A slice that the cord passes at the angle θ shows it too long by 1 / cos θ in the direction in
    which it leans. Second moments and the hull change with such a stretch as points do, so that
    the ellipse can be set right and the solidity stays the same; moments, hull and ellipse are
    those of ``skimage.measure.regionprops``, and its numbers come out where the slope is 0. The
    area, number of pixels times their area times cos θ, and the diameters follow De Leener et al.
    2017, NeuroImage 145:24-43 (``sct_process_segmentation``).
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    region = regionprops(plane.astype(np.uint8), spacing=tuple(spacing))[0]
    moments = np.asarray(region.moments_central) / region.moments_central[0, 0]
    covariance = np.array([[moments[2, 0], moments[1, 1]], [moments[1, 1], moments[0, 2]]])
    straighten = _shortening(np.asarray(slope, dtype=np.float64))
    squares, axes = np.linalg.eigh(straighten @ covariance @ straighten)
    # An ellipse's axes are four standard deviations long.
    small, large = 4 * np.sqrt(np.maximum(squares, 0))
    long_is_rl = abs(axes[0, 1]) >= abs(axes[1, 1])
    rl_axis = axes[:, 1] if long_is_rl else axes[:, 0]
    return Section(
        area_mm2=int(plane.sum()) * float(np.prod(spacing)) * float(np.linalg.det(straighten)),
        diameter_ap_mm=float(small if long_is_rl else large),
        diameter_rl_mm=float(large if long_is_rl else small),
        eccentricity=float(np.sqrt(1 - (small / large) ** 2)) if large > 0 else 0.0,
        solidity=float(region.solidity),
        orientation_deg=float(np.degrees(np.arctan(rl_axis[1] / rl_axis[0]))),
    )


def across_the_cord(offsets_mm: Floats, slope: ArrayLike) -> Floats:
    """Return offsets (N, 2) in a slice from the cord's centre as they are across the cord."""
    return offsets_mm @ _shortening(np.asarray(slope, dtype=np.float64))


def _shortening(slope: Floats) -> Floats:
    """Return the symmetric matrix (2, 2) that takes the lean out of a slice.

    It shortens by cos θ in the direction of the slope and leaves the other: the slice seen along
    the cord, turned back about the axis about which the cord leans.
    """
    steepness = float(np.hypot(*slope))
    if steepness == 0:
        return np.eye(2)
    direction = slope / steepness
    cosine = 1 / np.sqrt(1 + steepness**2)
    return np.asarray(np.eye(2) - (1 - cosine) * np.outer(direction, direction))
