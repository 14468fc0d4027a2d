# SPDX-License-Identifier: Apache-2.0
"""The run with the largest sum, against all runs tried in turn."""

from __future__ import annotations

import numpy as np

from SpinalCordSegLib.heaviest_run import heaviest_run


def test_no_run_is_heavier() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        weights = random.normal(0, 1, random.integers(1, 12))
        sums = {
            (first, last): weights[first : last + 1].sum()
            for first in range(weights.size)
            for last in range(first, weights.size)
        }
        best = max(sums, key=lambda run: sums[run])
        assert heaviest_run(weights) == (best if sums[best] > 0 else None)


def test_of_equal_runs_it_is_the_earliest() -> None:
    assert heaviest_run([1.0, -2.0, 1.0]) == (0, 0)
    assert heaviest_run([-1.0, 0.0]) is None
