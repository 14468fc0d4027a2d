# SPDX-License-Identifier: Apache-2.0
"""The run of neighbours with the largest sum: where evidence for a cord outweighs what is against.

Bentley, Communications of the ACM 27, 1984 (the maximum subarray).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def heaviest_run(weights: ArrayLike) -> tuple[int, int] | None:
    """Return the first and the last of the neighbours whose sum is largest.

    Parameters
    ----------
    weights : array_like of float, (N,), N > 0
        Above 0 what speaks for a place, below 0 what speaks against it.

    Returns
    -------
    (first, last) or None
        The earliest such run; None where nothing is above 0.
    """
    total = np.concatenate([[0.0], np.cumsum(weights)])
    # The best run ends where the total is highest above the lowest before it.
    lowest = np.minimum.accumulate(total[:-1])
    last = int(np.argmax(total[1:] - lowest))
    first = int(np.argmin(total[: last + 1]))
    return (first, last) if total[last + 1] > total[first] else None
