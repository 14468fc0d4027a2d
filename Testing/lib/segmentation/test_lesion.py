# SPDX-License-Identifier: Apache-2.0
"""Lesions: the published tool's masks, the toolbox's phantom, and what our way adds.

The phantom in one slice: a bright ring of fluid around a dark cord, and in the cord, on 26 of 96
slices, a block of lesion in between.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage
from torch import nn

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import Cancelled, CordNotFound, InvalidArgument, WeightsMissing
from SpinalCordSegLib.segmentation.lesion import predict_lesions, segment_lesions
from SpinalCordSegLib.segmentation.published.lesion import (
    predict_in_blocks,
    segment_lesions_as_published,
)
from SpinalCordSegLib.segmentation.published.resampling import resample_to_size, size_at_spacing
from SpinalCordSegLib.weights import (
    LoadedWeights,
    Preprocessing,
    WeightsSpecification,
    load_weights,
)

# Weights, image, mask that stands for the centerline, stored mask, its voxels.
PUBLISHED = [
    ("t2s_lesion", "data/subj-c/t2s", "data/subj-c/t2s_centerline", "t2s_t2s", 4),
    ("t2_ax_lesion", "data/subj-a/t2w", "data/subj-a/t2w_centerline", "t2ax_t2", 0),
    (
        "t2_ax_lesion",
        "data/subj-d/t2w_fakelesion",
        "data/subj-d/t2w_fakelesion_cord",
        "t2ax_fakelesion",
        24,
    ),
    (
        "t2s_lesion",
        "data/subj-c/t2s_uncropped",
        "oracle/cnn1_t2s_uncropped_ctl",
        "t2s_uncropped",
        16,
    ),
]


@pytest.mark.parametrize(("weights", "image", "centerline", "stored", "voxels"), PUBLISHED)
def test_published_mode_gives_the_stored_mask(
    shared: Path, weights: str, image: str, centerline: str, stored: str, voxels: int
) -> None:
    loaded = load_weights(shared / "weights" / f"{weights}.h5")
    scan, curve = (sitk.ReadImage(str(shared / f"{name}.nii.gz")) for name in (image, centerline))
    mask = segment_lesions_as_published(scan, curve, loaded)
    expected = sitk.GetArrayFromImage(
        sitk.ReadImage(str(shared / "oracle" / f"lesion_{stored}_lesion.nii.gz"))
    )
    assert (expected > 0).sum() == voxels
    assert mask.GetSize() == scan.GetSize() and mask.GetOrigin() == scan.GetOrigin()
    # The limit is 2 voxels; equality is what we have.
    assert ((sitk.GetArrayFromImage(mask) > 0) != (expected > 0)).sum() == 0


def test_published_mode_takes_a_curve_for_the_mask_of_one(shared: Path) -> None:
    loaded = load_weights(shared / "weights" / "t2s_lesion.h5")
    scan = sitk.ReadImage(str(shared / "data" / "subj-c" / "t2s.nii.gz"))
    mask = sitk.ReadImage(str(shared / "data" / "subj-c" / "t2s_centerline.nii.gz"))
    of_curve = segment_lesions_as_published(scan, Centerline.from_mask(mask), loaded)
    of_mask = segment_lesions_as_published(scan, mask, loaded)
    assert np.array_equal(*(sitk.GetArrayFromImage(found) for found in (of_curve, of_mask)))


def test_the_lesion_of_the_toolbox_s_phantom_is_found_and_nothing_else(shared: Path) -> None:
    """As the toolbox tests it: on intensities that are on the standard scale already."""
    path = shared / "weights" / "t2_lesion.h5"
    try:
        loaded = load_weights(path if path.is_file() else "t2_lesion")
    except WeightsMissing:
        pytest.skip("the published weights t2_lesion are not on this computer")
    phantom = fluid_cord_and_lesion()
    for predict in (predict_lesions, predict_in_blocks):
        found = predict(phantom, loaded) >= loaded.specification.threshold
        assert found[16:22, 16:22, 64:90].any()
        assert (phantom[found] == 1000).all()


def test_a_lesion_in_a_phantom_more_like_a_scan_is_found_and_nothing_else(shared: Path) -> None:
    """For the network at hand, made for thick axial T2w, which does not see that block."""
    loaded = load_weights(shared / "weights" / "t2_ax_lesion.h5")
    phantom = fluid_cord_and_lesion()
    block = np.zeros(phantom.shape, bool)
    block[16:22, 16:22, 64:90] = True
    phantom[block] = 1200
    phantom[phantom == 0] = 400
    noise = np.random.default_rng(0).normal(0, 80, phantom.shape)
    scan = (ndimage.gaussian_filter(phantom, 1) + noise).astype(np.float32)
    found = segment_lesions(image_of(scan), straight_curve(), loaded)
    mask = sitk.GetArrayFromImage(found.mask).transpose() > 0
    assert mask[block].sum() > 0.1 * block.sum()
    assert not mask[~ndimage.binary_dilation(block)].any()
    assert sum(row.voxels for row in found.table) == mask.sum()


def test_healthy_scans_stay_nearly_clean(shared: Path) -> None:
    for weights, scan, most in (("t2_ax_lesion", "subj-a/t2w", 0), ("t2s_lesion", "subj-c/t2s", 4)):
        loaded = load_weights(shared / "weights" / f"{weights}.h5")
        image, curve, cord = (
            sitk.ReadImage(str(shared / "data" / f"{scan}{part}.nii.gz"))
            for part in ("", "_centerline", "_cord")
        )
        found = segment_lesions(image, Centerline.from_mask(curve), loaded, cord)
        assert sum(row.voxels for row in found.table) <= most


class Bright(nn.Module):
    """Stands for a lesion network: sure where the standardised value is above 1400.

    Of the phantom that is the fluid and the lesion: the cord becomes 1305, the median landmark.
    """

    dimensions = 3
    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.first_plane: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.first_plane += x[:, 0, 0].unique().tolist()
        return (x * 500 + 800 > 1400).float()


@pytest.fixture
def bright() -> LoadedWeights:
    landmarks = tuple(float(v) for v in np.linspace(0, 2611, 11))
    specification = WeightsSpecification(
        name="bright",
        task="lesion",
        contrast="t2_ax",
        architecture="unet3d",
        parameters={},
        preprocessing=Preprocessing((0.5, 0.5, 0.5), (48, 48, 48), "nyul", 800.0, 500.0, landmarks),
        threshold=0.1,
        licence="none",
        source="this test",
        citation="none",
    )
    return LoadedWeights(Bright(), specification, "")  # type: ignore[arg-type]


def test_lesions_lie_in_the_cord_or_beside_it(bright: LoadedWeights) -> None:
    phantom = fluid_cord_and_lesion()
    phantom[16:22, 16:22, 64:90] = 2400
    image, curve = image_of(phantom), straight_curve()
    free = sitk.GetArrayFromImage(segment_lesions(image, curve, bright).mask).transpose() > 0
    lesion = fluid_cord_and_lesion() == 1000
    fluid = (phantom == 2400) & ~lesion
    assert free[fluid].mean() > 0.9  # which is bright too
    assert free[phantom == 500].mean() < 0.2

    cord = (phantom == 500) | lesion
    inside = segment_lesions(image, curve, bright, image_of(cord.astype(np.uint8)))
    mask = sitk.GetArrayFromImage(inside.mask).transpose() > 0
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(image_of(cord.astype(np.uint8)), False, False, False)
    ).transpose()
    assert mask.any() and distance[mask].max() <= np.sqrt(2) + 1e-6
    assert free[mask].all() and mask[lesion].mean() > 0.9
    assert mask[fluid].mean() < 0.3
    probability = sitk.GetArrayFromImage(inside.probability).transpose()
    assert (probability[free] > 0.1).all()  # what the network saw is not hidden


def test_thresholds_and_sizes_are_respected(bright: LoadedWeights) -> None:
    phantom = np.where(fluid_cord_and_lesion() == 2400, 500, fluid_cord_and_lesion())
    phantom[23:27, 23:27, 20:24] = 1000  # 8 mm³
    image, curve = image_of(phantom), straight_curve()
    cord = image_of(np.isin(phantom, (500, 1000)).astype(np.uint8))
    everything = segment_lesions(image, curve, bright, cord, threshold=0.999).table
    large = segment_lesions(image, curve, bright, cord, threshold=0.999, minimum_mm3=20)
    assert any(row.volume_mm3 < 20 for row in everything)
    assert large.table and all(row.volume_mm3 >= 20 for row in large.table)
    kept = sitk.GetArrayFromImage(large.mask)
    assert kept.sum() == sum(row.voxels for row in large.table)


@pytest.mark.parametrize("orientation", ["LPS", "PSR", "RAI"])
def test_how_the_image_is_stored_does_not_matter(bright: LoadedWeights, orientation: str) -> None:
    image, curve = image_of(fluid_cord_and_lesion()), straight_curve()
    expected = segment_lesions(image, curve, bright).mask
    stored = sitk.DICOMOrient(image, orientation)
    found = segment_lesions(stored, curve, bright).mask
    assert found.GetSize() == stored.GetSize() and found.GetOrigin() == stored.GetOrigin()
    back = sitk.DICOMOrient(found, "LAS")
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(expected))


def test_outside_the_image_the_network_sees_black(bright: LoadedWeights) -> None:
    phantom = fluid_cord_and_lesion()[14:, :, :]
    edge = image_of(phantom)
    edge.SetOrigin((7.0, 0, 0))
    segment_lesions(edge, straight_curve(), bright)
    assert set(np.round(bright.network.first_plane, 5)) == {-800 / 500}


def test_a_curve_elsewhere_is_refused(bright: LoadedWeights) -> None:
    far = Centerline(np.array([[0.0, 0.0, 1000.0], [0.0, 0.0, 1100.0]]))
    for run in (segment_lesions, segment_lesions_as_published):
        with pytest.raises(CordNotFound, match="does not cross"):
            run(image_of(fluid_cord_and_lesion()), far, bright)


def test_a_cord_on_another_grid_is_refused(bright: LoadedWeights) -> None:
    image = image_of(fluid_cord_and_lesion())
    with pytest.raises(InvalidArgument, match="grid"):
        segment_lesions(image, straight_curve(), bright, image[:-1])


def test_a_network_may_look_at_the_cord_alone(bright: LoadedWeights) -> None:
    """It is sure of what is brighter than the cord; the fluid, brighter still, is not shown."""
    preprocessing = Preprocessing((0.5, 0.5, 1.0), (64, 64, 32), "cord")
    ours = replace(bright, specification=replace(bright.specification, preprocessing=preprocessing))
    phantom, curve = fluid_cord_and_lesion(), straight_curve()
    noise = np.random.default_rng(0).normal(0, 20, phantom.shape)
    image = image_of((phantom + noise).astype(np.float32))
    cord = np.isin(phantom, (500, 1000))
    found = segment_lesions(image, curve, ours, image_of(cord.astype(np.uint8)))
    mask = sitk.GetArrayFromImage(found.mask).transpose() > 0
    lesion = phantom == 1000
    # At the cord's edge the voxels hold some fluid.
    inner = ndimage.binary_erosion(cord, np.ones((3, 3, 1)), 2) & ~ndimage.binary_dilation(lesion)
    assert mask[lesion].mean() > 0.9 and mask[inner].mean() < 0.05
    with pytest.raises(InvalidArgument, match="mask of the cord"):
        segment_lesions(image, curve, ours)


def test_a_network_that_sees_the_cord_alone_says_nothing_of_the_rest(
    bright: LoadedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessing = Preprocessing((0.5, 0.5, 1.0), (64, 64, 32), "cord")
    ours = replace(bright, specification=replace(bright.specification, preprocessing=preprocessing))
    monkeypatch.setattr(Bright, "forward", lambda _, x: torch.ones_like(x))
    cord = np.isin(fluid_cord_and_lesion(), (500, 1000))
    image, mask = image_of(fluid_cord_and_lesion()), image_of(cord.astype(np.uint8))
    found = segment_lesions(image, straight_curve(), ours, mask)
    probability = sitk.GetArrayFromImage(found.probability).transpose()
    beside = ndimage.binary_dilation(cord, np.ones((3, 3, 1)))
    assert (probability[cord] > 0.9).all() and not probability[~beside].any()


def test_progress_can_stop_it(bright: LoadedWeights) -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    image = image_of(fluid_cord_and_lesion())
    for run in (segment_lesions, segment_lesions_as_published):
        with pytest.raises(Cancelled):
            run(image, straight_curve(), bright, progress=stop)


def test_the_published_resampling_keeps_the_first_voxel_in_place() -> None:
    ramp = np.arange(8.0)[:, None, None] * np.ones((8, 4, 2))
    assert size_at_spacing(ramp.shape, (1, 1, 3), (0.5, 0.5, None)) == (16, 8, 2)
    fine = resample_to_size(ramp, (16, 8, 2))
    assert fine.dtype == np.float32
    np.testing.assert_allclose(fine[:, 0, 0], np.minimum(np.arange(16) / 2, 7))
    np.testing.assert_allclose(resample_to_size(fine, ramp.shape), ramp)


def fluid_cord_and_lesion() -> np.ndarray:
    x, y = np.meshgrid(np.arange(48) - 24, np.arange(48) - 24, indexing="ij")
    square = (x**2 + y**2)[..., None] * np.ones(96)
    phantom = np.zeros(square.shape, np.float32)
    phantom[square < 400] = 2400
    phantom[square < 200] = 500
    phantom[16:22, 16:22, 64:90] = 1000
    return phantom


def image_of(array: np.ndarray) -> sitk.Image:
    """Return an array in network order as an image, 0.5 mm."""
    image = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing((0.5, 0.5, 0.5))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    return image


def straight_curve() -> Centerline:
    return Centerline(np.array([[12.0, -12.0, 0.0], [12.0, -12.0, 47.5]]))
