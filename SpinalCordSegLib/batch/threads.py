# SPDX-License-Identifier: Apache-2.0
"""Dividing the cores of a machine among the processes of a batch."""

from __future__ import annotations

import os
import sys

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def threads_each(jobs: int) -> int:
    """Return the threads of each of some processes beside each other on this machine."""
    return max(1, cores() // jobs)


def limit_threads(count: int) -> None:
    """Let every library that computes use some threads and no more, in this process."""
    # Those that are not imported yet read these; the others have functions.
    os.environ.update(dict.fromkeys(_VARIABLES, str(count)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(count)
    if "SimpleITK" in sys.modules:
        sys.modules["SimpleITK"].ProcessObject.SetGlobalDefaultNumberOfThreads(count)
