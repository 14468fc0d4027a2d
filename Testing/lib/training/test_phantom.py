# SPDX-License-Identifier: Apache-2.0
"""The sample that ships is what its code draws, and its truth is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.training.phantom import Phantom, draw_phantom


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom()


def test_the_mask_surrounds_the_axis(phantom: Phantom) -> None:
    array = sitk.GetArrayFromImage(phantom.cord)
    for point in phantom.centre_mm[::20]:
        index = phantom.cord.TransformPhysicalPointToIndex(point)
        assert array[index[::-1]] == 1
    area = array.sum() / phantom.cord.GetSize()[1]
    assert 60 < area < 90


def test_the_shipped_sample_is_drawn_by_the_shipped_code(phantom: Phantom, checkout: Path) -> None:
    for name, drawn in (("phantom_t2w", phantom.image), ("phantom_t2w_cord", phantom.cord)):
        shipped = sitk.ReadImage(str(checkout / "Resources" / "sample" / f"{name}.nii.gz"))
        assert shipped.GetSize() == drawn.GetSize()
        assert np.allclose(shipped.GetOrigin(), drawn.GetOrigin())
        difference = sitk.GetArrayFromImage(shipped) != sitk.GetArrayFromImage(drawn)
        # Another numpy may round a handful of voxels differently.
        assert difference.mean() < 1e-3
