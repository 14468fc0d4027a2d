# SPDX-License-Identifier: Apache-2.0
"""Samples as the cascade sees thick sagittal slices: straightened along a curve, but for CNN1.

Voxels are as wide as half a cord there. Straightening moves each axial row so that the curve runs
down the middle, and with the cord at rest it is the edges of the voxels that wander from row to
row: a pattern that no patch cut straight out of an image shows. CNN1, which has yet to find the
curve, sees axial cuts through the slices as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .acquisition import thick_sagittal_slices
from .anatomy import AnatomyRange, AtlasTensors
from .randomness import seeded
from .samples import synthetic_sample
from .straightened import straightened_sample


def sagittal_sample(
    atlas: AtlasTensors,
    seed: Sequence[int],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one scan in thick sagittal slices and the cord in it, the same for the same seed.

    Parameters and result are those of :func:`.straightened.straightened_sample`; of a single axial
    cut, Z = 1, those of :func:`.samples.synthetic_sample`.
    """
    random = seeded((*seed, 2), atlas.tissue.device)
    acquisition = thick_sagittal_slices(random)
    if shape[2] == 1:
        return synthetic_sample(
            atlas, seed, shape, spacing_mm, ranges, ("cord",), acquisition=acquisition
        )
    return straightened_sample(atlas, seed, shape, spacing_mm, ranges, acquisition, random)
