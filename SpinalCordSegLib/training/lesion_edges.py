# SPDX-License-Identifier: Apache-2.0
"""Lesion masks with edges drawn a little further in or out, here and there.

Gros 2019, section 2.2.3: "small local erosions and dilations of the manual lesion edges", because
where a lesion ends is a matter of opinion.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .randomness import Randomness


def vary_lesion_edges(
    lesion: torch.Tensor, random: Randomness, share: float = 0.5, patch_voxels: int = 6
) -> torch.Tensor:
    """Erode a lesion mask by a voxel in some places and dilate it in others.

    Parameters
    ----------
    lesion : Tensor of float32, (X, Y, Z)
        0 to 1; a soft mask stays soft.
    share : float
        Of the edge that is changed, half of it inward.
    patch_voxels : int
        About how far a change reaches.

    Returns
    -------
    Tensor of float32, (X, Y, Z)
    """
    volume = lesion[None, None]
    grown = F.max_pool3d(volume, 3, stride=1, padding=1)[0, 0]
    shrunk = -F.max_pool3d(-volume, 3, stride=1, padding=1)[0, 0]
    nodes = [max(2, n // patch_voxels) for n in lesion.shape]
    where = random.smooth_field(lesion.shape, nodes)[0].flatten()
    limit = torch.quantile(where.abs(), 1 - share) if share < 1 else where.new_zeros(())
    where = where.view(lesion.shape)
    changed = torch.where(where > limit, grown, lesion)
    return torch.where(where < -limit, shrunk, changed)
