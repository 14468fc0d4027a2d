# SPDX-License-Identifier: Apache-2.0
"""How the published tools resample: the centres of the first voxels stay on each other.

Outer edges move by part of a voxel this way, which ``images.resample`` avoids; it is kept only
where a published result is to be reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def size_at_spacing(
    shape: Sequence[int],
    spacing_mm: Sequence[float] | np.ndarray,
    wanted_mm: Sequence[float | None],
) -> tuple[int, ...]:
    """Return how many voxels an array has after resampling.

    Parameters
    ----------
    shape : (X, Y, Z)
    spacing_mm, wanted_mm : (x, y, z)
        Voxel size before and after; None keeps the axis as it is.
    """
    return tuple(
        count if wanted is None else max(1, round(count * own / wanted))
        for count, own, wanted in zip(shape, spacing_mm, wanted_mm, strict=True)
    )


def resample_to_size(volume: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resample an array linearly to a number of voxels.

    Parameters
    ----------
    volume : ndarray, (X, Y, Z)
    size : (X, Y, Z)
        A voxel is (old count / new count) old voxels wide; beyond the last old centre the values
        there are repeated.

    Returns
    -------
    ndarray of float32
    """
    volume = volume.astype(np.float32)
    if tuple(size) == volume.shape:
        return volume
    step = np.array([old / new for old, new in zip(volume.shape, size, strict=True)])
    return ndimage.affine_transform(volume, step, output_shape=tuple(size), order=1, mode="nearest")
