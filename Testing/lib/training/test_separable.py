# SPDX-License-Identifier: Apache-2.0
"""Operations along axes agree with torch's own."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from SpinalCordSegLib.training.separable import (
    apply_along_axes,
    gaussian_blur,
    node_interpolation,
    slice_means,
    spectrum_truncation,
    voxel_resampling,
)


def test_interpolation_is_that_of_torch() -> None:
    values = torch.randn(2, 3, 4, 5)
    wanted = (7, 4, 9)
    for build, corners in ((node_interpolation, True), (voxel_resampling, False)):
        matrices = [build(n, m) for n, m in zip(values.shape[1:], wanted, strict=True)]
        expected = F.interpolate(values[None], wanted, mode="trilinear", align_corners=corners)[0]
        assert torch.allclose(apply_along_axes(values, matrices), expected, atol=1e-5)


def test_axes_without_a_matrix_are_left_alone() -> None:
    values = torch.randn(3, 4, 5)
    assert torch.equal(apply_along_axes(values, [None] * 3), values)
    assert apply_along_axes(values, [None, np.ones((1, 4)), None]).shape == (3, 1, 5)


def test_blur_is_that_of_scipy() -> None:
    line = np.random.default_rng(0).normal(size=40)
    expected = ndimage.gaussian_filter1d(line, 1.7, mode="nearest", radius=5)
    assert np.allclose(gaussian_blur(40, 1.7) @ line, expected)


def test_slices_side_by_side_are_means_of_blocks_and_gaps_are_left_out() -> None:
    line = np.random.default_rng(0).normal(size=40)
    assert np.allclose(slice_means(40, 8, 1.0) @ line, line.reshape(8, 5).mean(axis=1))
    assert np.allclose(slice_means(40, 8, 0.6) @ line, line.reshape(8, 5)[:, 1:4].mean(axis=1))
    assert np.allclose(slice_means(40, 7, 0.9) @ np.full(40, 3.0), 3.0)


def test_truncation_keeps_the_mean_and_rings_at_an_edge() -> None:
    edge = (np.arange(64) >= 32).astype(float)
    ringing = spectrum_truncation(64, 0.5) @ edge
    assert np.isclose(ringing.mean(), edge.mean())
    assert 1.02 < ringing.max() < 1.2 and -0.2 < ringing.min() < -0.02
    assert np.allclose(spectrum_truncation(64, 1.0) @ edge, edge)
