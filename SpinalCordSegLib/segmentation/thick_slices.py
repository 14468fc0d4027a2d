# SPDX-License-Identifier: Apache-2.0
"""Thick sagittal slices, which most clinical scans of the spine have: a cord network of their own.

The cord is two or three voxels wide there, and most of these are partly cord. A network that serves
fine voxels too is less good at telling how much of them. Gros 2019 has one network for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk

from ..images import to_network_order

CORD_SAGITTAL = "cord_sagittal"
"""The task of that network."""

# From which distance of the slices on, alone and compared with their pixels. On real necks averaged
# into slices of 1.6 to 2.4 mm the network for all voxels does better.
_LEAST_MM = 2.7
_LEAST_RATIO = 1.5


def in_thick_sagittal_slices(image: sitk.Image) -> bool:
    """Tell whether an image, 3D in any orientation, was taken in thick sagittal slices."""
    return is_thick_sagittal(to_network_order(image).GetSpacing())


def is_thick_sagittal(voxel_mm: Sequence[float]) -> bool:
    """Tell whether voxels are those of thick sagittal slices.

    Parameters
    ----------
    voxel_mm : (x, y, z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    """
    right_left, *in_slice = voxel_mm
    return bool(right_left >= _LEAST_MM and right_left >= _LEAST_RATIO * max(in_slice))
