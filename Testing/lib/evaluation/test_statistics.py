# SPDX-License-Identifier: Apache-2.0
"""Rank tests on samples small enough to rank by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from SpinalCordSegLib.evaluation.statistics import (
    kruskal_wallis,
    kruskal_wallis_pairwise,
    wilcoxon,
)


def test_wilcoxon_by_hand() -> None:
    # Differences 1, -2, 3, 4, 5: the one negative has rank 2, so W = 2.
    found = wilcoxon([11, 18, 33, 44, 55], [10, 20, 30, 40, 50])
    assert found.statistic == 2 and found.count == 5
    # Of all 2^5 signs, those with a sum of ranks of at most 2 on the smaller side.
    sums = [sum(r for r, sign in enumerate(s, 1) if sign) for s in product((0, 1), repeat=5)]
    extreme = sum(min(total, 15 - total) <= 2 for total in sums)
    assert found.p_value == pytest.approx(extreme / 32) == pytest.approx(6 / 32)


def test_wilcoxon_of_equal_or_missing_values() -> None:
    assert wilcoxon([1, 2], [1, 2]).p_value == 1
    assert wilcoxon([], []).count == 0
    partly = wilcoxon([1, np.nan, 3, np.inf], [0, 1, 1, 1])
    assert partly.count == 2
    with pytest.raises(ValueError, match="paired"):
        wilcoxon([1, 2], [1, 2, 3])


def test_kruskal_wallis_by_hand() -> None:
    # Ranks 1 2 3, 4 5 6, 7 8 9: sums 6, 15, 24.
    found = kruskal_wallis([1, 2, 3], [4, 5, 6], [7, 8, 9])
    h = 12 / (9 * 10) * (6**2 + 15**2 + 24**2) / 3 - 3 * 10
    assert h == pytest.approx(7.2)
    assert found.statistic == pytest.approx(h) and found.count == 9
    # Chi-squared with two degrees of freedom.
    assert found.p_value == pytest.approx(math.exp(-h / 2))


def test_kruskal_wallis_of_what_cannot_be_ranked() -> None:
    assert kruskal_wallis([1, 1], [1, 1, 1]).p_value == 1
    assert kruskal_wallis([1, 2, np.inf], [3, np.nan, 4]).count == 4
    with pytest.raises(ValueError, match="two groups"):
        kruskal_wallis([1, 2])
    with pytest.raises(ValueError, match="two groups"):
        kruskal_wallis([1, 2], [np.nan])


def test_bonferroni_multiplies_by_the_number_of_pairs() -> None:
    groups = {"a": [1, 2, 3], "b": [4, 5, 6], "c": [2, 3, 4]}
    adjusted = kruskal_wallis_pairwise(groups)
    assert list(adjusted) == [("a", "b"), ("a", "c"), ("b", "c")]
    # Ranks 1 2 3 and 4 5 6: H = 12 / 42 (12 + 75) - 21 = 27 / 7, one degree of freedom.
    alone = math.erfc(math.sqrt(27 / 7 / 2))
    assert adjusted["a", "b"].p_value == pytest.approx(3 * alone)
    assert all(found.p_value <= 1 for found in adjusted.values())
