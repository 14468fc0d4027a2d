# SPDX-License-Identifier: Apache-2.0
"""Do two or more methods differ? The rank tests of the papers, by SciPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class TestResult:
    """What a test says.

    Attributes
    ----------
    statistic : float
        W of Wilcoxon: the smaller sum of ranks. H of Kruskal and Wallis.
    p_value : float
        Two-sided, 0 to 1.
    count : int
        Values, or pairs of values, that were used.
    """

    __test__ = False  # No test of pytest's.

    statistic: float
    p_value: float
    count: int


def wilcoxon(first: ArrayLike, second: ArrayLike) -> TestResult:
    """Test whether paired values differ: the same scans by two methods.

    Parameters
    ----------
    first, second : array_like, (N,)
        Pairs with a value that is not finite are left out.

    Returns
    -------
    TestResult
        W 0 and p 1 where all pairs are equal, or there is none.

    Raises
    ------
    ValueError
        If the two have different lengths.
    """
    from scipy import stats

    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{a.size} values are not paired with {b.size}")
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if not (a != b).any():
        return TestResult(0.0, 1.0, int(a.size))
    found = stats.wilcoxon(a, b)
    return TestResult(float(found.statistic), float(found.pvalue), int(a.size))


def kruskal_wallis(*groups: ArrayLike) -> TestResult:
    """Test whether independent groups of values differ (Gros 2019, sections 2.4.1 and 2.4.2).

    Parameters
    ----------
    *groups : array_like
        Two or more; values that are not finite are left out.

    Returns
    -------
    TestResult
        H 0 and p 1 where all values are equal.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or one is empty.
    """
    from scipy import stats

    values = [np.asarray(group, np.float64) for group in groups]
    values = [group[np.isfinite(group)] for group in values]
    if len(values) < 2 or any(group.size == 0 for group in values):
        raise ValueError("the test needs two groups or more, each with values")
    pooled = np.concatenate(values)
    if (pooled == pooled[0]).all():
        return TestResult(0.0, 1.0, int(pooled.size))
    found = stats.kruskal(*values)
    return TestResult(float(found.statistic), float(found.pvalue), int(pooled.size))


def kruskal_wallis_pairwise(
    groups: Mapping[str, ArrayLike],
) -> dict[tuple[str, str], TestResult]:
    """Test each group against each other; p adjusted with Bonferroni's correction.

    Parameters
    ----------
    groups : mapping of str to array_like
        Values by the name of their group.

    Returns
    -------
    dict
        By pair of names: as :func:`kruskal_wallis`, p multiplied by the number of pairs, at most
        1 (Gros 2019, table 1).
    """
    pairs = list(combinations(groups, 2))
    results = {}
    for first, second in pairs:
        single = kruskal_wallis(groups[first], groups[second])
        adjusted = min(1.0, len(pairs) * single.p_value)
        results[first, second] = TestResult(single.statistic, adjusted, single.count)
    return results
