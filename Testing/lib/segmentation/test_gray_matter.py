# SPDX-License-Identifier: Apache-2.0
"""Gray matter on real scans with the published weights, and on small made-up ones.

The published weights are not part of this project: tests with them need the reference data.
"""

from __future__ import annotations

import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import Cancelled, CordNotFound, InvalidArgument, UnsupportedWeights
from SpinalCordSegLib.evaluation.metrics import dice
from SpinalCordSegLib.images import array_from, image_from, read_image, to_network_order
from SpinalCordSegLib.networks import build_network
from SpinalCordSegLib.pipeline import detect_centerline
from SpinalCordSegLib.segmentation.gray_matter import (
    segment_gray_matter,
    white_matter,
)
from SpinalCordSegLib.segmentation.published.gray_matter import (
    fitted,
    published_gray_matter,
    standardised,
    unfitted,
)
from SpinalCordSegLib.weights import (
    LoadedWeights,
    Preprocessing,
    WeightsSpecification,
    load_weights,
)


@cache
def published(shared: Path, kind: str) -> LoadedWeights:
    return load_weights(shared / "weights" / f"{kind}_model.hdf5")


@cache
def curve_of(path: Path) -> Centerline:
    return detect_centerline(read_image(path), device="cpu")


def made_up(
    intensity: str = "zscore",
    spacing_mm: float | None = 0.5,
    patch: tuple[int, int] = (32, 32),
    architecture: str = "unet2d",
    threshold: float = 0.5,
) -> LoadedWeights:
    """Return weights that were never trained."""
    torch.manual_seed(0)
    parameters = {"filters": 4} | ({"depth": 2} if architecture == "unet2d" else {})
    specification = WeightsSpecification(
        name="made-up",
        task="gray_matter",
        contrast="any",
        architecture=architecture,
        parameters=parameters,
        preprocessing=Preprocessing((spacing_mm, spacing_mm, None), patch, intensity),
        threshold=threshold,
        licence="",
        source="",
        citation="",
    )
    return LoadedWeights(build_network(architecture, parameters).eval(), specification, "")


def bright_blob(weights: LoadedWeights, above: float = 1.0) -> LoadedWeights:
    """Return weights whose network finds what lies `above` the mean by that many deviations."""

    class Bright(type(weights.network)):  # type: ignore[misc]
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            return 20 * (x - above)

    network = weights.network
    network.__class__ = Bright
    return weights


def rod(size: tuple[int, int, int], radius: float = 4.0) -> tuple[sitk.Image, Centerline]:
    """Return a bright upright rod, 1 mm voxels, off centre, and the curve through it."""
    x, y, _ = np.indices(size)
    centre = np.array(size[:2]) / 2 + (2, -1)
    distance = np.hypot(x - centre[0], y - centre[1])
    # A little noise, or the surroundings would be taken for padding.
    array = np.random.default_rng(0).normal(10, 0.1, size)
    array += 90 * np.clip(radius + 0.5 - distance, 0, 1)
    image = sitk.GetImageFromArray(array.transpose().astype(np.float32))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    ends = [
        image.TransformContinuousIndexToPhysicalPoint([*map(float, centre), float(z)])
        for z in ([0, size[2] - 1] if size[2] > 1 else [0])
    ]
    return image, Centerline(np.array(ends))


def where_reference(mask: sitk.Image, reference: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = (array_from(to_network_order(m)) > 0 for m in (mask, reference))
    return ours & theirs.any(axis=(0, 1)), theirs


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


# The published procedure


@pytest.mark.parametrize("kind", ["challenge", "large"])
@pytest.mark.parametrize(("scan", "stored"), [("t2s_uncropped", "uncropped"), ("t2s", "t2s")])
def test_published_procedure_gives_the_published_masks(
    shared: Path, kind: str, scan: str, stored: str
) -> None:
    image = read_image(shared / "data" / "subj-c" / f"{scan}.nii.gz")
    expected = sitk.ReadImage(str(shared / "oracle" / f"gm_{kind}_{stored}_gmseg.nii.gz"))
    mask = published_gray_matter(image, published(shared, kind))
    assert dice(mask, expected) >= 0.995
    assert mask.GetSize() == image.GetSize() and mask.GetOrigin() == image.GetOrigin()


def test_small_images_can_be_left_at_their_size(shared: Path) -> None:
    image = read_image(shared / "data" / "subj-c" / "t2s.nii.gz")
    expected = sitk.ReadImage(str(shared / "oracle" / "gm_challenge_t2s_gmseg.nii.gz"))
    mask = published_gray_matter(image, published(shared, "challenge"), pad_small=False)
    assert 0.99 < dice(mask, expected) < 1


@pytest.mark.parametrize("shape", [(200, 200), (203, 202), (198, 197), (150, 260), (1, 400)])
@pytest.mark.parametrize("size", [200, 201])
def test_what_is_fitted_can_be_unfitted(shape: tuple[int, int], size: int) -> None:
    volume = np.random.default_rng(0).random((*shape, 2), dtype=np.float32) + 1
    patch = fitted(volume, (size, size))
    assert patch.shape == (size, size, 2) and patch.min() >= 1
    back = unfitted(patch, shape)
    kept = back > 0
    assert back.shape == volume.shape
    assert np.array_equal(back[kept], volume[kept])
    assert kept.sum() == 2 * min(shape[0], size) * min(shape[1], size)


def test_a_large_volume_is_cut_where_the_published_tool_cuts_it() -> None:
    volume = np.arange(203, dtype=np.float32)[:, None, None] * np.ones((1, 202, 1), np.float32)
    assert fitted(volume, (200, 200))[0, 0, 0] == 203 // 2 - 100


def test_a_small_volume_is_filled_up_with_its_mirror_image() -> None:
    volume = np.array([1.0, 2.0, 3.0])[:, None, None] * np.ones((1, 5, 1))
    assert fitted(volume, (6, 5))[:, 0, 0].tolist() == [1, 1, 2, 3, 3, 2]


def test_standardisation_gives_mean_0_and_deviation_1() -> None:
    volume = np.random.default_rng(0).normal(500, 30, (40, 30, 5)).astype(np.float32)
    result = standardised(volume)
    assert result.dtype == np.float32
    assert abs(result.mean()) < 1e-5 and abs(result.std() - 1) < 1e-5
    assert not standardised(np.full((4, 4, 2), 7, np.float32)).any()


@pytest.mark.parametrize("size", [(200, 200, 3), (203, 202, 2), (198, 197, 1)])
@pytest.mark.parametrize("procedure", ["published", "ours"])
def test_a_constant_image_keeps_its_shape(size: tuple[int, int, int], procedure: str) -> None:
    image = image_from(np.ones(size, np.float32), sitk.Image(size, sitk.sitkFloat32))
    image.SetSpacing((0.25, 0.25, 3.0))
    weights = made_up("volume_zscore", 0.25, (200, 200), "aspp")
    if procedure == "published":
        mask = published_gray_matter(image, weights)
    else:
        curve = Centerline(np.array([[25.0, 25.0, 3.0 * z] for z in range(size[2])]))
        mask = segment_gray_matter(image, curve, weights).mask
    assert mask.GetSize() == size and mask.GetPixelID() == sitk.sitkUInt8
    assert np.isin(sitk.GetArrayFromImage(mask), (0, 1)).all()


# Ours


@pytest.mark.parametrize(
    ("kind", "scan", "least"),
    [
        ("challenge", "subj-c/t2s_uncropped", 0.885),
        ("large", "subj-c/t2s_uncropped", 0.905),
        ("large", "subj-e/t2s_run1", 0.90),
    ],
)
def test_gray_matter_of_real_scans(shared: Path, kind: str, scan: str, least: float) -> None:
    path = shared / "data" / f"{scan}.nii.gz"
    reference = sitk.ReadImage(str(shared / "data" / f"{scan}_gm.nii.gz"))
    found = segment_gray_matter(read_image(path), curve_of(path), published(shared, kind))
    assert overlap(*where_reference(found.mask, reference)) >= least
    assert found.probability is not None
    assert found.probability.GetSize() == found.mask.GetSize() == reference.GetSize()


@pytest.mark.parametrize("orientation", ["RAI", "PRI", "SLA", "LPS"])
def test_flips_and_permutations_change_nothing(shared: Path, orientation: str) -> None:
    path = shared / "data" / "subj-c" / "t2s.nii.gz"
    image, weights = read_image(path), published(shared, "challenge")
    curve = curve_of(path)
    found = segment_gray_matter(image, curve, weights).mask
    other = segment_gray_matter(sitk.DICOMOrient(image, orientation), curve, weights).mask
    assert overlap(*(array_from(to_network_order(m)) > 0 for m in (found, other))) >= 0.999


def test_padding_changes_nothing() -> None:
    image, curve = rod((30, 34, 9))
    # The patch reaches beyond the image on every side.
    weights = made_up("volume_zscore", 1.0, (48, 48))
    plain = segment_gray_matter(image, curve, weights).probability
    padded = sitk.ConstantPad(image, (4, 0, 2), (9, 5, 1), 0.0)
    found = segment_gray_matter(padded, curve, weights).probability
    cut = sitk.RegionOfInterest(found, image.GetSize(), (4, 0, 2))
    inside, whole = (sitk.GetArrayFromImage(i) for i in (cut, found))
    assert np.ptp(inside) > 0.005
    assert np.allclose(inside, sitk.GetArrayFromImage(plain), atol=1e-5)
    assert np.isclose(whole.sum(dtype=float), inside.sum(dtype=float))


@pytest.mark.parametrize("slices", [1, 3, 4, 9])
@pytest.mark.parametrize("intensity", ["zscore", "volume_zscore"])
@pytest.mark.parametrize("threshold", [0.5, 0.999])
def test_a_bright_rod_is_found_where_it_is(slices: int, intensity: str, threshold: float) -> None:
    image, curve = rod((40, 44, slices))
    found = segment_gray_matter(
        image, curve, bright_blob(made_up(intensity)), threshold=threshold
    ).mask
    expected = array_from(image) > 55
    assert overlap(array_from(found) > 0, expected) > 0.93


def test_own_spacing_and_a_threshold_of_the_weights_are_used() -> None:
    image, curve = rod((40, 44, 3))
    weights = bright_blob(made_up(spacing_mm=None, threshold=0.9))
    found = segment_gray_matter(image, curve, weights)
    assert overlap(array_from(found.mask) > 0, array_from(image) > 55) > 0.8
    stricter = segment_gray_matter(image, curve, weights, threshold=1 - 1e-6).mask
    assert 0 < array_from(stricter).sum() < array_from(found.mask).sum()


def test_normalisation_over_the_stack_keeps_a_dark_slice_dark() -> None:
    image, curve = rod((40, 44, 8))
    dimmed = sitk.GetArrayFromImage(image)
    dimmed[5] *= 0.1
    image = image_from(dimmed.transpose(), image)
    stack = segment_gray_matter(image, curve, bright_blob(made_up("volume_zscore"))).mask
    slicewise = segment_gray_matter(image, curve, bright_blob(made_up("zscore"))).mask
    assert not array_from(stack)[:, :, 5].any() and array_from(stack)[:, :, 4].any()
    assert array_from(slicewise)[:, :, 5].any()


def test_slices_without_curve_are_empty_and_a_curve_elsewhere_is_an_error() -> None:
    image, curve = rod((40, 44, 12))
    short = Centerline(curve.points_mm * (1, 1, 0.5))
    mask = array_from(segment_gray_matter(image, short, bright_blob(made_up())).mask)
    assert mask[:, :, :6].any(axis=(0, 1)).all() and not mask[:, :, 7:].any()
    with pytest.raises(CordNotFound, match="does not cross"):
        segment_gray_matter(image, Centerline(curve.points_mm + 500), made_up())


def test_nothing_lies_outside_the_cord_mask() -> None:
    image, curve = rod((40, 44, 3))
    half = np.zeros((40, 44, 3), np.uint8)
    half[:22] = 3
    cord = image_from(half, image)
    found = segment_gray_matter(image, curve, bright_blob(made_up()), cord_mask=cord)
    free = segment_gray_matter(image, curve, bright_blob(made_up()))
    inside, all_of_it = array_from(found.mask), array_from(free.mask)
    assert np.array_equal(inside, all_of_it * (half > 0)) and inside.sum() < all_of_it.sum()
    assert found.probability is not None and not array_from(found.probability)[22:].any()


def test_a_cord_mask_of_another_grid_is_refused() -> None:
    image, curve = rod((40, 44, 3))
    cord = sitk.Cast(image > 0, sitk.sitkUInt8)
    for other in (cord[1:], sitk.Flip(cord, (True, False, False))):
        with pytest.raises(InvalidArgument, match="not on the grid"):
            segment_gray_matter(image, curve, made_up(), cord_mask=other)


def test_a_network_may_look_at_the_cord_alone() -> None:
    """On each slice it finds what stands out in the cord; the bright tissue around is not shown."""
    image, curve = rod((40, 44, 3), 5.0)
    x, y, z = np.indices(image.GetSize())
    away = np.hypot(x - 22, y - 21)
    values = np.where(away < 5, 100.0, 500.0) + 20 * (away < 2)
    # Twice as bright on the second slice, and with the contrast turned around on the third.
    values = np.where(z == 2, 600 - values, values * (1 + z))
    values += np.random.default_rng(0).normal(0, 3, values.shape)
    image = image_from(values.astype(np.float32), image)
    cord = image_from((away < 5).astype(np.uint8), image)
    found = array_from(segment_gray_matter(image, curve, bright_blob(made_up("cord")), cord).mask)
    core = away < 1.5
    assert found[core & (z < 2)].mean() > 0.9 and not found[core & (z == 2)].any()
    assert found[(away > 3.5) & (z < 2)].mean() < 0.02
    with pytest.raises(InvalidArgument, match="mask of the cord"):
        segment_gray_matter(image, curve, made_up("cord"))


def test_a_network_for_volumes_is_refused() -> None:
    image, curve = rod((40, 44, 3))
    with pytest.raises(UnsupportedWeights, match="made-up"):
        segment_gray_matter(image, curve, made_up("percentile255"))


def test_augmentation_averages_nine_fixed_offsets_and_their_mirror_images() -> None:
    image, curve = rod((40, 44, 2))
    weights = made_up("volume_zscore", 0.5, (32, 32))
    levels: list[float] = []

    class Recording(type(weights.network)):  # type: ignore[misc]
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            levels.append(float(x.mean()))
            return torch.full_like(x, len(levels))

    weights.network.__class__ = Recording
    found = segment_gray_matter(image, curve, weights, augment=True).probability
    expected = np.repeat([0, *np.arange(0.125, 2, 0.25)], 2)
    assert np.allclose(np.array(levels) - levels[0], expected, atol=1e-5)
    assert np.isclose(array_from(found).max(), np.mean(1 / (1 + np.exp(-np.arange(1.0, 19)))))
    levels.clear()
    segment_gray_matter(image, curve, weights)
    assert len(levels) == 2


def test_left_and_right_are_treated_alike() -> None:
    image, curve = rod((40, 44, 2))
    values = array_from(image)
    mirrored = image_from(values[::-1].copy(), image)
    ends = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in curve.points_mm])
    ends[:, 0] = image.GetSize()[0] - 1 - ends[:, 0]
    other = Centerline(
        np.array([image.TransformContinuousIndexToPhysicalPoint(e.tolist()) for e in ends])
    )
    weights = made_up("zscore", 0.5, (32, 32))
    one, two = (
        array_from(segment_gray_matter(i, c, weights).probability)
        for i, c in ((image, curve), (mirrored, other))
    )
    assert np.ptp(one) > 0.005 and np.allclose(one, two[::-1], atol=1e-4)


def test_progress_rises_and_can_stop_the_work() -> None:
    image, curve = rod((40, 44, 9))
    seen: list[float] = []
    segment_gray_matter(
        image, curve, made_up(), progress=lambda fraction, message: seen.append(fraction)
    )
    assert seen == sorted(seen) and seen[0] == 0 and 0.8 < seen[-1] < 1 and len(seen) == 5

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segment_gray_matter(image, curve, made_up(), progress=stop)


def test_memory_does_not_grow_with_the_number_of_slices() -> None:
    def peak(slices: int) -> int:
        image, curve = rod((64, 64, slices))
        weights = made_up("volume_zscore", 0.25, (128, 128))
        tracemalloc.start()
        try:
            segment_gray_matter(image, curve, weights, keep_probability=False)
            # Arrays alone: image and mask are not among them.
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)
    image_grows_by = 4 * 64 * 64 * (200 - 20)
    assert peak(200) - peak(20) < 0.03 * image_grows_by


def test_white_matter_is_cord_without_gray_matter() -> None:
    cord, gray = np.zeros((2, 6, 6, 2), np.uint8)
    cord[1:5, 1:5] = 1
    gray[2:6, 2:4] = 1
    like = sitk.Image((6, 6, 2), sitk.sitkUInt8)
    white = array_from(white_matter(image_from(cord, like), image_from(gray, like)))
    assert np.array_equal(white, cord * (1 - gray)) and white.dtype == np.uint8
    with pytest.raises(InvalidArgument):
        white_matter(image_from(cord, like), sitk.Image((6, 6, 3), sitk.sitkUInt8))
