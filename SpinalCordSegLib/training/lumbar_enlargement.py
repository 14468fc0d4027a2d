# SPDX-License-Identifier: Apache-2.0
"""The lumbar enlargement, which the template's cord hardly has.

PAM50's cord is as wide as people's in the neck and the chest, 12.5 mm at the segment C5 and 8.5 mm
at T8 where the means of eleven studies are 13.3 and 8.3 mm; at L3 it has 8.1 mm and people 9.4 ±
1.5 mm (Frostell 2016, doi:10.3389/fneur.2016.00238). The enlargement goes from the border of T12
and L1 to that of S1 and S2 (Toossi 2021, doi:10.1038/s41598-021-81371-9).
"""

from __future__ import annotations

import torch

from .compression import resize_cord
from .randomness import Randomness

# Cords are at most so much wider than the template's, and as wide at least: 1.16 on average.
_WIDEST = 1.32
# Above the tip of the cord, mm, by PAM50's spinal segments: it begins within S2, is full from L4 to
# L2, and has ended at the upper border of T12.
_BEGINS, _FULL_FROM, _FULL_TO, _ENDS = 8.0, 30.0, 63.0, 98.0


def enlarge_lumbar_cord(
    position: torch.Tensor, above_tip_mm: torch.Tensor, random: Randomness
) -> torch.Tensor:
    """Widen the cord where people have their lumbar enlargement, each by another share.

    What is drawn later does not change by it: the same seed gives the same sample but for this.

    Parameters
    ----------
    position : Tensor of float32, (3, X, Y, Z)
        Where the voxels lie in the straight spine, mm from the cord's axis.
    above_tip_mm : Tensor of float32, (X, Y, Z)
        How far above the lower tip of the template's cord; negative below it.

    Returns
    -------
    Tensor of float32, (3, X, Y, Z)
        Where they lie instead; `position` itself where no voxel is at that height.
    """
    if float(above_tip_mm.min()) >= _ENDS or float(above_tip_mm.max()) <= _BEGINS:
        return position
    widest = random.aside(1.0, _WIDEST)
    rising = (above_tip_mm - _BEGINS) / (_FULL_FROM - _BEGINS)
    falling = (_ENDS - above_tip_mm) / (_ENDS - _FULL_TO)
    return resize_cord(position, 1 + (widest - 1) * torch.minimum(rising, falling).clamp(0, 1))
