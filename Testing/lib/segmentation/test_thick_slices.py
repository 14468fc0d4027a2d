# SPDX-License-Identifier: Apache-2.0
"""Which images count as taken in thick sagittal slices, however they are stored."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from SpinalCordSegLib.segmentation.thick_slices import in_thick_sagittal_slices

SAGITTAL = (0, 0, 1, 1, 0, 0, 0, -1, 0)
AXIAL = (1, 0, 0, 0, 1, 0, 0, 0, 1)
CORONAL = (1, 0, 0, 0, 0, 1, 0, -1, 0)


@pytest.mark.parametrize(
    ("direction", "spacing_mm", "thick"),
    [
        (SAGITTAL, (0.65, 0.65, 3.9), True),
        (SAGITTAL, (1.0, 1.0, 3.0), True),
        (SAGITTAL, (1.0, 1.0, 2.5), False),
        (SAGITTAL, (0.8, 0.8, 1.5), False),
        (SAGITTAL, (1.0, 1.0, 1.0), False),
        (AXIAL, (3.9, 0.65, 0.65), True),
        (AXIAL, (0.5, 0.5, 4.0), False),
        (AXIAL, (2.5, 2.5, 5.0), False),
        (AXIAL, (2.5, 2.5, 2.5), False),
        (CORONAL, (0.65, 0.65, 3.9), False),
    ],
)
def test_slices_are_sagittal_and_thick(
    direction: tuple[float, ...], spacing_mm: tuple[float, ...], thick: bool
) -> None:
    image = sitk.Image(4, 5, 6, sitk.sitkInt16)
    image.SetDirection(direction)
    image.SetSpacing(spacing_mm)
    assert in_thick_sagittal_slices(image) is thick
