# SPDX-License-Identifier: Apache-2.0
"""Where the cord ends: one run of slices, and only strong evidence takes the rest away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.segmentation.along_curve import StraightBlock, straighten
from SpinalCordSegLib.segmentation.cord import segment_cord
from SpinalCordSegLib.segmentation.cord_ends import (
    LOOK_BEYOND_MM,
    judges,
    most_likely_run,
    seen_from_afar,
    slices_with_cord,
)
from SpinalCordSegLib.weights import LoadedWeights, load_weights


@pytest.mark.parametrize(
    ("presence", "slice_mm", "expected"),
    [
        ([0.99] * 40, 1.0, (0, 39)),
        # A false piece below the conus, with less for it than the gap has against it.
        ([0.9] * 6 + [0.05] * 14 + [0.99] * 40, 1.0, (20, 59)),
        # Metal: the cord goes on beyond what is not seen.
        ([0.99] * 40 + [0.05] * 14 + [0.99] * 40, 1.0, (0, 93)),
        # Both ends.
        ([0.02] * 20 + [0.98] * 60 + [0.05] * 30, 1.0, (20, 79)),
        # A few doubtful slices are left; many are not; and it is millimetres that count.
        ([0.5] * 5 + [0.99] * 40, 1.0, (0, 44)),
        ([0.5] * 15 + [0.99] * 40, 1.0, (15, 54)),
        ([0.5] * 6 + [0.99] * 8, 5.0, (6, 13)),
        ([0.5] * 10 + [0.99] * 80, 0.5, (0, 89)),
        # One thick slice in doubt is left, one that is surely no cord is not.
        ([0.5] + [0.99] * 8, 17.0, (0, 8)),
        ([0.1] + [0.99] * 8, 17.0, (1, 8)),
        # Nothing looks like cord: no reason to take some of it away.
        ([0.1] * 30, 1.0, (0, 29)),
        ([0.9], 5.0, (0, 0)),
    ],
)
def test_the_cord_is_one_run(
    presence: list[float], slice_mm: float, expected: tuple[int, int]
) -> None:
    count = len(presence)
    everywhere = np.ones(count, bool)
    run = partial(most_likely_run, found=everywhere, near=everywhere, slice_mm=slice_mm)
    assert run(np.array(presence), threshold=0.75) == expected
    mirrored = (count - 1 - expected[1], count - 1 - expected[0])
    assert run(np.array(presence[::-1]), threshold=0.75) == mirrored


def test_only_what_has_an_outline_counts_against_it() -> None:
    presence = np.array([0.05] * 20 + [0.99] * 40)
    found = np.ones(60, bool)
    found[:19] = False
    run = partial(most_likely_run, presence, near=np.ones(60, bool), slice_mm=1.0, threshold=0.75)
    # One slice is not enough, whatever lies beyond it.
    assert run(found=found) == (0, 59)
    found[10:] = True
    assert run(found=found) == (20, 59)
    # Not all of it is taken away.
    found[20:] = False
    assert run(found=found) == (0, 59)


@pytest.mark.parametrize(("presence", "expected"), [(0.9, (20, 59)), (0.99, (0, 59))])
def test_beyond_the_curve_cord_has_to_be_surer(presence: float, expected: tuple[int, int]) -> None:
    likely = np.array([presence] * 20 + [0.9] * 40)
    near = np.arange(60) >= 20
    assert most_likely_run(likely, np.ones(60, bool), near, 1.0, 0.75) == expected


def test_the_network_sees_the_outline_and_the_image_at_half_the_size() -> None:
    values = np.random.default_rng(0).normal(50, 9, (8, 8, 5)).astype(np.float32)
    values[:, :, 4] = np.nan
    outline = np.zeros((8, 8, 5), np.float32)
    outline[2:4, 2:4, :2] = 1
    views = seen_from_afar(values, outline)
    assert views.shape == (2, 4, 4, 3)
    assert float(views[0, 1, 1, 0]) == 1 and float(views[0].sum()) == 1
    assert abs(float(views[1, :, :, :2].mean())) < 1e-5 and not views[1, :, :, 2].any()


def test_slices_beyond_the_ends_are_told_on_the_grid_of_the_image() -> None:
    # 30 slices of 3 mm; the cord, bright, begins at the tenth.
    volume = np.zeros((20, 20, 30), np.float32)
    volume[5:15, 5:15, 10:] = 1
    curve = np.full((30, 2), 9.5)
    curve[:2] = np.nan
    block = straighten(volume, (1.0, 1.0, 3.0), curve, (0.5, 0.5, 1.0), (16, 16))
    weights = _standing_in(_Bright())
    cord = slices_with_cord(block, _nothing(block), np.ones(28, bool), np.ones(28, bool), weights)
    assert cord.tolist() == [slice_ >= 10 for slice_ in range(2, 30)]


def test_a_network_judges_only_what_it_was_made_for() -> None:
    ends, outline = load_weights("cord_ends"), load_weights("cord")
    assert judges(ends, outline)
    fine = outline.specification.preprocessing
    for other in (
        replace(fine, spacing_mm=(0.5, 0.5, 0.5)),
        replace(fine, spacing_mm=(0.5, 0.5, None), patch_voxels=(64, 64)),
        replace(fine, patch_voxels=(48, 48, 48)),
    ):
        specification = replace(outline.specification, preprocessing=other)
        assert not judges(ends, replace(outline, specification=specification))


def test_the_outline_is_cut_where_the_cord_ends(checkout: Path) -> None:
    folder = checkout / "Resources" / "sample"
    image, cord = (
        sitk.ReadImage(str(folder / f"phantom_t2w{suffix}.nii.gz")) for suffix in ("", "_cord")
    )
    curve, weights = Centerline.from_mask(cord), load_weights("cord")
    whole, cut = (
        array_from(to_network_order(segment_cord(image, curve, weights, ends=ends).mask)) > 0
        for ends in (None, _standing_in(_UpperHalf()))
    )
    half = whole.shape[2] // 2
    assert whole[:, :, : half - 2].any() and not cut[:, :, : half - 2].any()
    assert np.array_equal(cut[:, :, half + 2 :], whole[:, :, half + 2 :])


@pytest.mark.parametrize(("presence", "beyond_mm"), [(0.8, 0), (0.99, LOOK_BEYOND_MM)])
def test_the_outline_goes_past_its_curve_where_a_cord_is_sure(
    presence: float, beyond_mm: float, checkout: Path
) -> None:
    folder = checkout / "Resources" / "sample"
    image, cord = (
        sitk.ReadImage(str(folder / f"phantom_t2w{suffix}.nii.gz")) for suffix in ("", "_cord")
    )
    whole = Centerline.from_mask(cord).points_mm
    upper = Centerline(whole[len(whole) // 2 :])
    ends = _standing_in(_Everywhere(presence))
    found = to_network_order(segment_cord(image, upper, load_weights("cord"), ends=ends).mask)
    lowest = int(np.flatnonzero(array_from(found).any(axis=(0, 1)))[0])
    height_mm = found.TransformIndexToPhysicalPoint((0, 0, lowest))[2]
    assert upper.points_mm[:, 2].min() - height_mm == pytest.approx(beyond_mm, abs=2)


class _Everywhere(nn.Module):
    """Says the same wherever it looks."""

    dimensions = 3
    stride = 1

    def __init__(self, presence: float) -> None:
        super().__init__()
        self.presence = presence

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return torch.full((len(views), 1, *views.shape[2:]), self.presence)


class _UpperHalf(nn.Module):
    """Says yes in the upper half of whatever it is shown."""

    dimensions = 3
    stride = 1

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(views.shape[4]) >= views.shape[4] / 2
        return torch.where(rows, 0.98, 0.02).expand(1, 1, *views.shape[2:])


class _Bright(nn.Module):
    """Says yes where the image is bright in the middle."""

    dimensions = 3
    stride = 1

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        bright = views[:, 1:2, 4:5, 4:5] > 0
        return torch.where(bright, 0.98, 0.02).expand(-1, -1, *views.shape[2:])


def _standing_in(network: nn.Module) -> LoadedWeights:
    return replace(load_weights("cord_ends"), network=network)  # type: ignore[arg-type]


def _nothing(block: StraightBlock) -> np.ndarray:
    return np.zeros(block.values.shape, np.float32)
