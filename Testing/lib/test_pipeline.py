# SPDX-License-Identifier: Apache-2.0
"""The whole cascade with the default weights, on the phantom that ships and on real scans.

The phantom is 64 mm wide, 112 mm deep and 168 mm tall, with a curved cord and a known mask.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

import SpinalCordSegLib as scs
from SpinalCordSegLib import pipeline
from SpinalCordSegLib.centerline.detect import Detection
from SpinalCordSegLib.evaluation.metrics import (
    centerline_error_mm,
    dice,
    localisation_rate,
    relative_volume_difference,
)
from SpinalCordSegLib.images import array_from, resample, to_network_order


@pytest.fixture(scope="module")
def phantom(checkout: Path) -> tuple[sitk.Image, sitk.Image]:
    folder = checkout / "Resources" / "sample"
    # A third of its height is enough, and three times faster.
    image, cord = (
        sitk.ReadImage(str(folder / f"phantom_t2w{suffix}.nii.gz")) for suffix in ("", "_cord")
    )
    return image[:, 60:120, :], cord[:, 60:120, :]


@pytest.fixture(scope="module")
def result(phantom: tuple[sitk.Image, sitk.Image]) -> scs.Result:
    return scs.segment(phantom[0], device="cpu")


def test_the_cord_of_the_phantom_is_found(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    assert dice(result.masks["cord"], phantom[1]) > 0.85
    assert localisation_rate(result.centerline, phantom[1]) == 1
    assert centerline_error_mm(result.centerline, phantom[1]).mean() < 1


def test_the_result_lies_on_the_images_own_grid(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    image = phantom[0]
    for part in (result.labels, result.masks["cord"], result.probabilities["cord"]):
        assert part.GetSize() == image.GetSize()
        assert part.GetOrigin() == image.GetOrigin()
        assert part.GetSpacing() == image.GetSpacing()
        assert part.GetDirection() == image.GetDirection()
    assert result.labels.GetPixelID() == sitk.sitkUInt8
    assert result.probabilities["cord"].GetPixelID() == sitk.sitkFloat32


def test_provenance_says_how_the_result_came_about(result: scs.Result) -> None:
    provenance = json.loads(json.dumps(result.provenance))
    assert {w["task"] for w in provenance["weights"]} == {"centerline", "cord", "cord_ends"}
    assert all(len(w["sha256"]) == 64 for w in provenance["weights"])
    assert {"weights", "centerline", "cord"} <= set(provenance["seconds"])


@pytest.mark.parametrize(
    ("weights", "outliner"), [("default", "cord_sagittal"), ("cord", "cord")], ids=["ours", "own"]
)
def test_thick_sagittal_slices_have_their_network_unless_the_user_chose_one(
    weights: str, outliner: str, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    image, cord = (
        resample(to_network_order(sitk.Cast(part, sitk.sitkFloat32)), (3.0, None, None))
        for part in phantom
    )
    found = scs.segment(image, weights=weights, device="cpu")
    used = [entry["task"] for entry in found.provenance["weights"]]
    assert used == ["centerline", outliner, "cord_ends"]
    assert dice(found.masks["cord"], cord >= 0.5) > 0.85


def test_weights_for_thick_slices_that_cannot_serve_are_named(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    with pytest.warns(UserWarning, match="cord_sagittal are for thick sagittal slices.*cord did"):
        found = scs.segment(phantom[0], weights="cord_sagittal", device="cpu")
    masks = (sitk.GetArrayFromImage(r.masks["cord"]) for r in (result, found))
    assert np.array_equal(*masks)


def test_a_wrong_contrast_does_the_default_weights_no_harm(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    # The phantom is T2w.
    other = scs.segment(phantom[0], contrast="t1", device="cpu")
    masks = (sitk.GetArrayFromImage(r.masks["cord"]) for r in (result, other))
    assert np.array_equal(*masks)
    assert other.provenance["contrast"]["asked"] == "t1"


def test_the_review_names_slices_of_the_image_as_stored(
    phantom: tuple[sitk.Image, sitk.Image],
) -> None:
    image = sitk.Image(phantom[0])
    # Axis 1 of the stored image runs along the cord; the patient moved during slices 21 to 24.
    array = sitk.GetArrayFromImage(image)
    array[:, 21:25, :] = np.roll(array[:, 21:25, :], 7, axis=0)
    spoiled = sitk.GetImageFromArray(array)
    spoiled.CopyInformation(image)
    review = scs.segment(spoiled, device="cpu").review
    assert any(20 <= item.slice_index <= 25 for item in review)
    for item in review:
        index = image.TransformPhysicalPointToContinuousIndex(item.position_mm)
        assert index[1] == pytest.approx(item.slice_index, abs=0.01)
    assert [i.severity for i in review] == sorted((i.severity for i in review), reverse=True)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_storage_order_does_not_matter(
    orientation: str, result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    stored = sitk.DICOMOrient(phantom[0], orientation)
    mask = scs.segment(stored, device="cpu").masks["cord"]
    assert mask.GetSize() == stored.GetSize()
    back = _on_grid(mask, result.masks["cord"])
    assert dice(back, result.masks["cord"]) >= 0.999


def test_an_oblique_header_does_not_matter(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    tilted = sitk.Image(phantom[0])
    tilted.SetDirection((_rotation(12, 20) @ _matrix(tilted)).ravel())
    mask = scs.segment(tilted, device="cpu").masks["cord"]
    assert mask.GetDirection() == tilted.GetDirection()
    mask.CopyInformation(result.masks["cord"])
    assert dice(mask, result.masks["cord"]) >= 0.99


def test_padding_does_not_matter(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    padded = sitk.ConstantPad(phantom[0], (9, 20, 0), (30, 11, 25), 0)
    mask = scs.segment(padded, device="cpu").masks["cord"]
    assert dice(_on_grid(mask, result.masks["cord"]), result.masks["cord"]) >= 0.97


def test_a_cropped_image_gives_the_same_cord(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    cropped = phantom[0][12:-12, 6:-6, 6:-6]
    mask = scs.segment(cropped, device="cpu").masks["cord"]
    assert dice(mask, _on_grid(result.masks["cord"], mask)) >= 0.97


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("scan", ["subj-a/t2w", "subj-b/t1w"])
def test_an_oblique_acquisition_gives_nearly_the_same_cord(
    scan: str, axis: int, shared: Path
) -> None:
    image = scs.read_image(shared / "data" / f"{scan}.nii.gz")
    straight = scs.segment(image, device="cpu").masks["cord"]
    angles = [0.0, 0.0, 0.0]
    angles[axis] = 15
    oblique = scs.segment(_resampled(image, _rotation(*angles)), device="cpu").masks["cord"]
    # Nearest neighbours would judge themselves: carried there and back, one and the same mask
    # agrees with itself only to 0.89.
    carried = sitk.Resample(
        sitk.Cast(oblique, sitk.sitkFloat32), straight, sitk.Transform(), sitk.sitkLinear
    )
    assert dice(carried >= 0.5, straight) >= 0.93


def test_one_thread_and_two_give_the_same_mask(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        other = scs.segment(phantom[0], device="cpu").masks["cord"]
    finally:
        torch.set_num_threads(threads)
    assert dice(other, result.masks["cord"]) == 1


def test_slice_by_slice_with_a_level_set(phantom: tuple[sitk.Image, sitk.Image]) -> None:
    image, cord = (volume[:, 20:35, :] for volume in phantom)
    other = scs.segment(image, method="csm", device="cpu")
    assert dice(other.masks["cord"], cord) > 0.85
    assert [entry["name"] for entry in other.provenance["weights"]] == ["csm_unet"]
    assert other.provenance["parameters"]["refine"] == "grlse"
    assert other.provenance["parameters"]["refine_outcomes"]
    assert localisation_rate(other.centerline, cord) == 1


def test_the_users_own_centerline_replaces_detection(
    phantom: tuple[sitk.Image, sitk.Image],
) -> None:
    curve = scs.Centerline.from_mask(phantom[1])
    result = scs.segment(phantom[0], centerline=curve, device="cpu")
    assert dice(result.masks["cord"], phantom[1]) > 0.85
    assert result.provenance["parameters"]["centerline"] == "given"
    assert [w["task"] for w in result.provenance["weights"]] == ["cord"]


def test_cord_past_the_end_of_a_curve_that_was_found_is_found(
    phantom: tuple[sitk.Image, sitk.Image],
    result: scs.Result,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = scs.Centerline(result.centerline.points_mm[: len(result.centerline.points_mm) // 2])

    def half_detected(*arguments: object) -> Detection:
        return Detection(half, np.zeros(0, int), np.zeros(0))

    monkeypatch.setattr(pipeline, "detect_cord", half_detected)
    found = scs.segment(phantom[0], device="cpu")
    assert dice(found.masks["cord"], result.masks["cord"]) > 0.97
    assert found.centerline.length_mm > 0.97 * result.centerline.length_mm
    # A curve that the user drew says how far the cord is wanted.
    given = scs.segment(phantom[0], device="cpu", centerline=half)
    assert given.centerline.length_mm < 1.1 * half.length_mm


def test_a_single_slice_is_an_image_too(phantom: tuple[sitk.Image, sitk.Image]) -> None:
    image, cord = (sitk.DICOMOrient(i, "LPS")[:, :, 30:31] for i in phantom)
    result = scs.segment(image, device="cpu")
    assert dice(result.masks["cord"], cord) > 0.75
    assert len(result.centerline.points_mm) == 1


def test_a_field_of_view_little_wider_than_the_cord(
    result: scs.Result, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    # 24 mm right to left and 30 mm anterior to posterior, the cord at its edge.
    narrow = phantom[0][46:76, :, 20:44]
    mask = scs.segment(narrow, device="cpu").masks["cord"]
    assert dice(mask, _on_grid(result.masks["cord"], mask)) > 0.9


def test_progress_rises_to_one_and_can_cancel(phantom: tuple[sitk.Image, sitk.Image]) -> None:
    fractions: list[float] = []
    before = sitk.GetArrayFromImage(phantom[0])
    scs.segment(phantom[0], device="cpu", progress=lambda f, _: fractions.append(f))
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert len(fractions) > 5

    def cancel(fraction: float, message: str) -> None:
        if fraction > 0.3:
            raise scs.Cancelled

    with pytest.raises(scs.Cancelled):
        scs.segment(phantom[0], device="cpu", progress=cancel)
    assert np.array_equal(before, sitk.GetArrayFromImage(phantom[0]))


def test_noise_has_no_cord() -> None:
    noise = np.random.default_rng(0).normal(100, 20, (30, 80, 80)).astype(np.float32)
    with pytest.raises(scs.CordNotFound, match="no spinal cord"):
        scs.segment(sitk.GetImageFromArray(noise), device="cpu")


def test_a_centerline_of_another_image_is_refused(phantom: tuple[sitk.Image, sitk.Image]) -> None:
    elsewhere = scs.Centerline(np.array([[0.0, 0, 5000], [0, 0, 5100]]))
    with pytest.raises(scs.CordNotFound, match="does not cross"):
        scs.segment(phantom[0], centerline=elsewhere, device="cpu")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"structures": ("kidney",)}, "kidney"),
        ({"structures": ()}, "structures"),
        ({"contrast": "ct"}, "ct"),
        ({"device": "abacus"}, "abacus"),
        ({"threshold": 1.5}, "1.5"),
        ({"refine": "snake"}, "snake"),
        ({"method": "atlas"}, "atlas"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: dict, what: str, phantom: tuple[sitk.Image, sitk.Image]
) -> None:
    with pytest.raises(scs.InvalidArgument, match=what):
        scs.segment(phantom[0], **arguments)


def test_published_lesion_weights_must_be_fetched(
    phantom: tuple[sitk.Image, sitk.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path))
    with pytest.raises(scs.WeightsMissing, match="weights fetch"):
        scs.segment(phantom[0], structures=("lesion",), weights="sct", device="cpu")


def test_a_lesion_is_found_and_a_healthy_cord_has_none(
    phantom: tuple[sitk.Image, sitk.Image], result: scs.Result
) -> None:
    """The phantom's cord is healthy; one lesion is painted a third of the way to the fluid."""
    image, cord = (sitk.GetArrayFromImage(part).astype(float) for part in phantom)
    spacing = np.array(phantom[0].GetSpacing()[::-1])
    depth = ndimage.distance_transform_edt(cord, spacing)
    middle = np.unravel_index(depth.argmax(), depth.shape)
    away = np.indices(cord.shape).transpose(1, 2, 3, 0) - middle
    ball = (np.linalg.norm(away * spacing, axis=-1) < 3) & (cord > 0)
    fluid = np.percentile(image, 99)
    ill = image + ball * 0.4 * (fluid - np.median(image[cord > 0]))
    painted = sitk.GetImageFromArray(ill.astype(np.float32))
    painted.CopyInformation(phantom[0])
    found = {}
    for name, scan in (("healthy", phantom[0]), ("ill", painted)):
        wanted = scs.segment(
            scan, structures=("lesion",), centerline=result.centerline, device="cpu"
        )
        found[name] = sitk.GetArrayFromImage(wanted.masks["lesion"]) > 0
    assert not found["healthy"].any()
    assert (found["ill"] & ball).sum() > 0.25 * ball.sum()
    assert (found["ill"] & ball).sum() > 0.5 * found["ill"].sum()


def test_gray_and_white_matter_fill_the_cord(shared: Path) -> None:
    image = scs.read_image(shared / "data" / "subj-c" / "t2s.nii.gz")
    wanted = ("cord", "gray_matter", "white_matter")
    result = scs.segment(image, structures=wanted, device="cpu")
    cord, gray, white = (sitk.GetArrayFromImage(result.masks[name]) > 0 for name in wanted)
    assert not (gray & white).any() and np.array_equal(gray | white, cord)
    labels = sitk.GetArrayFromImage(result.labels)
    assert np.array_equal(labels == 2, gray) and np.array_equal(labels > 0, cord)
    reference = sitk.ReadImage(str(shared / "data" / "subj-c" / "t2s_gm.nii.gz"))
    assert dice(result.masks["gray_matter"], reference) > 0.8
    assert result.provenance["contrast"]["found"] == "t2s"


def test_gray_matter_that_does_not_show_is_warned_of(shared: Path) -> None:
    image = scs.read_image(shared / "data" / "subj-b" / "t1w.nii.gz")
    with pytest.warns(UserWarning, match="hardly shows the gray matter"):
        scs.segment(image, structures=("gray_matter",), device="cpu")


def test_published_lesion_weights_run_on_demand(shared: Path) -> None:
    image = scs.read_image(shared / "data" / "subj-c" / "t2s.nii.gz")
    weights = ("default", shared / "weights" / "t2s_lesion.h5")
    result = scs.segment(image, structures=("lesion",), weights=weights, device="cpu")
    assert list(result.masks) == ["lesion"]
    # A healthy volunteer: the peer finds 4 voxels in the same scan.
    assert sitk.GetArrayFromImage(result.masks["lesion"]).sum() <= 10


def test_weights_for_another_task_are_refused(
    phantom: tuple[sitk.Image, sitk.Image], shared: Path
) -> None:
    path = shared / "weights" / "t2s_lesion.h5"
    with pytest.raises(scs.InvalidArgument, match="lesion"):
        scs.segment(phantom[0], weights=path)


# Scan, reference for its centre, published network, most millimetres on average (issue 2).
PUBLISHED = [
    ("subj-a/t2w", "subj-a/t2w_cord", "t2_ctr.h5", 0.50),
    ("subj-c/t2s_uncropped", "subj-c/t2s_uncropped_gm", "t2s_ctr.h5", 0.65),
    ("subj-d/t2w_fakelesion", "subj-d/t2w_fakelesion_cord", "t2_ctr.h5", 1.0),
]


@pytest.mark.parametrize(("scan", "reference", "network", "limit_mm"), PUBLISHED)
def test_the_published_network_finds_the_cord_on_every_slice(
    scan: str, reference: str, network: str, limit_mm: float, shared: Path
) -> None:
    image = scs.read_image(shared / "data" / f"{scan}.nii.gz")
    curve = scs.detect_centerline(image, weights=shared / "weights" / network, device="cpu")
    errors = centerline_error_mm(
        curve, sitk.ReadImage(str(shared / "data" / f"{reference}.nii.gz"))
    )
    assert np.isfinite(errors).all() and errors.mean() <= limit_mm


# The development scans that are quick; Testing/evaluation/cord.py scores them all.
@pytest.mark.parametrize("scan", ["subj-a/t2w", "subj-a/mt1", "subj-b/t1w", "subj-c/t2s"])
def test_the_default_weights_segment_real_scans(scan: str, shared: Path) -> None:
    image = scs.read_image(shared / "data" / f"{scan}.nii.gz")
    reference = sitk.ReadImage(str(shared / "data" / f"{scan}_cord.nii.gz"))
    result = scs.segment(image, device="cpu")
    assert dice(result.masks["cord"], reference) >= 0.90
    assert abs(relative_volume_difference(result.masks["cord"], reference)) < 20
    assert localisation_rate(result.centerline, reference) >= 0.97


def test_every_slice_has_cord_where_the_scan_is_all_neck(shared: Path) -> None:
    image = scs.read_image(shared / "data" / "subj-a" / "t2w_full.nii.gz")
    mask = to_network_order(scs.segment(image, device="cpu").masks["cord"])
    areas = array_from(mask).sum(axis=(0, 1))
    assert (areas > 25).all() and (areas < 130).all()


def _on_grid(mask: sitk.Image, grid: sitk.Image) -> sitk.Image:
    return sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)


def _matrix(image: sitk.Image) -> np.ndarray:
    return np.array(image.GetDirection()).reshape(3, 3)


def _rotation(about_x: float, about_y: float = 0.0, about_z: float = 0.0) -> np.ndarray:
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*np.deg2rad([about_x, about_y, about_z]))
    return np.array(turn.GetMatrix()).reshape(3, 3)


def _resampled(image: sitk.Image, rotation: np.ndarray) -> sitk.Image:
    """Return the image as a scan on a turned grid around the same centre would be."""
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    centre = image.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist())
    larger = (size * 1.25).astype(int) + 1
    grid = sitk.Image(larger.tolist(), sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    grid.SetDirection((rotation @ _matrix(image)).ravel())
    half = (rotation @ _matrix(image)) @ ((larger - 1) / 2 * spacing)
    grid.SetOrigin((np.array(centre) - half).tolist())
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0)
