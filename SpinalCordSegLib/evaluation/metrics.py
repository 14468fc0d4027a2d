# SPDX-License-Identifier: Apache-2.0
"""The metrics most asked for, of SimpleITK images.

Masks must lie on the same grid, stored in whatever order; every voxel other than 0 is inside.
"""

from __future__ import annotations

import SimpleITK as sitk

from . import overlap, surface
from .centerline import centerline_error_mm, localisation_rate
from .grids import masks_on_one_grid

__all__ = [
    "centerline_error_mm",
    "dice",
    "hausdorff95",
    "localisation_rate",
    "relative_volume_difference",
]


def dice(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return the Dice similarity coefficient, 0 to 1; 1 where both are empty."""
    ours, theirs, _ = masks_on_one_grid(mask, reference)
    return overlap.dice(ours, theirs)


def relative_volume_difference(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return 100 (V - V_reference) / V_reference, per cent; NaN where the reference is empty."""
    ours, theirs, _ = masks_on_one_grid(mask, reference)
    return overlap.relative_volume_difference(ours, theirs)


def hausdorff95(mask: sitk.Image, reference: sitk.Image) -> float:
    """Return the 95th percentile of the surface distances, mm; infinite where one is empty."""
    return surface.hausdorff95(surface.surface_distances(*masks_on_one_grid(mask, reference)))
