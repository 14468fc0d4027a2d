# SPDX-License-Identifier: Apache-2.0
"""Which scans of a cohort measure unlike the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, ASQC, section 3.3.
LIMIT = 3.5
# Fewer values have no spread that could be relied on.
FEWEST = 5

# The sizes and shapes that a wrong outline changes. Lengths and volumes differ with what of the
# spine a scan shows, and intensities with the scanner.
JUDGED = (
    "area_mm2_mean",
    "area_mm2_min",
    "area_mm2_max",
    "area_mm2_sd",
    "diameter_ap_mm_mean",
    "diameter_rl_mm_mean",
    "eccentricity_mean",
    "solidity_mean",
    "solidity_min",
    "gray_matter_area_mm2_mean",
    "gray_matter_ratio_mean",
)


def robust_z(values: Sequence[float] | Floats) -> Floats:
    """Return how far each value lies from the middle of all, in robust standard deviations.

    Parameters
    ----------
    values : array_like, (N,)
        NaN where unknown.

    Returns
    -------
    ndarray, (N,)
        ``(x - median) / (1.4826 MAD)``, the modified z-score of Iglewicz and Hoaglin 1993. Where
        more than half of the values are equal, so that the MAD is 0, ``1.2533`` times the mean
        absolute deviation takes its place, as they propose. 0 where all values are equal; NaN
        where a value is unknown, and everywhere with fewer than five known ones.
    """
    each = np.asarray(values, dtype=np.float64)
    known = each[np.isfinite(each)]
    if len(known) < FEWEST:
        return np.full(each.shape, np.nan)
    away = each - np.median(known)
    deviations = np.abs(away[np.isfinite(each)])
    spread = 1.4826 * np.median(deviations)
    # Rounding alone must not make an outlier.
    if spread <= 1e-9 * (np.abs(known).max() + 1e-300):
        spread = 1.2533 * deviations.mean()
    if spread <= 1e-9 * (np.abs(known).max() + 1e-300):
        return np.where(np.isfinite(each), 0.0, np.nan)
    return np.where(np.isfinite(each), away / spread, np.nan)


def outlying(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return, for each scan, the robust z-scores beyond the limit, by measure.

    Parameters
    ----------
    rows : sequence of mapping of str to float
        The measures of each scan; of these the ones in ``JUDGED`` count.

    Returns
    -------
    list of dict of str to float
        One a scan, most often empty.
    """
    found: list[dict[str, float]] = [{} for _ in rows]
    for name in JUDGED:
        scores = robust_z([row.get(name, np.nan) for row in rows])
        for scan, score in enumerate(scores):
            if abs(score) > LIMIT:
                found[scan][name] = round(float(score), 1)
    return found
