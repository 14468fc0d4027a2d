# SPDX-License-Identifier: Apache-2.0
"""The cord along a curve with networks of other kinds than our own, as published ones are."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.segmentation.cord import segment_cord
from SpinalCordSegLib.weights import LoadedWeights, Preprocessing, WeightsSpecification


class BrightMiddle(nn.Module):
    """Stands for a network that knows gray levels: finds what was half bright on a 0 to 255 scale.

    With mean 100 and deviation 50 of the preprocessing, 127 arrives as about 0.5.
    """

    stride = 4

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.ndim == self.dimensions + 2 and x.min() >= -2.01 and x.max() <= 3.11
        return ((x > 0) & (x < 1.5)).float()


@pytest.mark.parametrize("patch", [(32, 32), (32, 32, 16)])
def test_networks_on_the_percentile_scale(patch: tuple[int, ...]) -> None:
    x, y, z = np.indices((40, 40, 20))
    values = np.where((x > 2) & (x < 11), 4000.0, 1000.0 + 10 * (z % 2))
    rod = np.hypot(x - 21, y - 19) <= 4
    values[rod] = 2500
    image = sitk.GetImageFromArray(values.transpose().astype(np.float32))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    ends = [image.TransformContinuousIndexToPhysicalPoint([21.0, 19.0, k]) for k in (0.0, 19.0)]
    specification = WeightsSpecification(
        name="bright middle",
        task="cord",
        contrast="t2",
        architecture="unet2d" if len(patch) == 2 else "unet3d",
        parameters={},
        preprocessing=Preprocessing((1.0, 1.0, None), patch, "percentile255", 100.0, 50.0),
        threshold=0.5,
        licence="",
        source="",
        citation="",
    )
    weights = LoadedWeights(BrightMiddle(len(patch)), specification, "")  # type: ignore[arg-type]
    found = segment_cord(image, Centerline(np.array(ends)), weights)
    mask = sitk.GetArrayFromImage(found.mask).transpose() > 0
    # The outermost voxels of the rod are darkened where it is resampled.
    assert not (mask & ~rod).any() and mask.sum() > 0.7 * rod.sum()
