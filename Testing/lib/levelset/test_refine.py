# SPDX-License-Identifier: Apache-2.0
"""Refining a mask: an upright cord of 6 mm radius, darker or brighter than what is around it.

The image is 40 x 44 mm and 24 mm tall; its slices are 2 mm thick.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.evaluation.metrics import dice
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.levelset import refine as module
from SpinalCordSegLib.levelset.safety import Reason

RADIUS_MM = 6.0
KEPT = {reason.value for reason in Reason if reason is not Reason.REFINED}


def cord(
    spacing: tuple[float, float] = (0.5, 0.5),
    radius_mm: float = RADIUS_MM,
    offset_mm: float = 0.0,
    slices: int = 12,
) -> sitk.Image:
    """Return the mask of an upright cylinder; stored in LPS order."""
    size = [round(40 / spacing[0]), round(44 / spacing[1])]
    x, y = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(size, spacing, strict=True))
    inside = np.hypot(x[None, :] - offset_mm, y[:, None]) <= radius_mm
    mask = sitk.GetImageFromArray(np.repeat(inside[None], slices, axis=0).astype(np.uint8))
    mask.SetSpacing((*spacing, 2.0))
    mask.SetOrigin((-20.0, 31.0, -500.0))
    return mask


def scan(mask: sitk.Image, dark: float = 300.0, bright: float = 900.0) -> sitk.Image:
    """Return an image of the cord: its edge a voxel wide, noise a tenth of the contrast."""
    spacing = mask.GetSpacing()[0]
    image = sitk.DiscreteGaussian(
        sitk.Cast(mask, sitk.sitkFloat32), [(0.6 * spacing) ** 2] * 2 + [0.0]
    )
    image = bright + (dark - bright) * image
    return sitk.AdditiveGaussianNoise(image, standardDeviation=abs(bright - dark) / 20, seed=1)


@pytest.mark.parametrize("method", ["drlse", "grlse"])
@pytest.mark.parametrize("levels", [(300.0, 900.0), (900.0, 300.0)], ids=["darker", "brighter"])
@pytest.mark.parametrize("wrong", [{"offset_mm": 1.5}, {"radius_mm": 4.5}, {"radius_mm": 8.0}])
def test_a_wrong_mask_is_moved_to_the_edge(
    method: str, levels: tuple[float, float], wrong: dict[str, float]
) -> None:
    true = cord()
    refined = scs.refine(scan(true, *levels), cord(**wrong), method)
    assert all(outcome.refined for outcome in refined.outcomes)
    assert dice(cord(**wrong), true) < 0.86
    assert dice(refined.mask, true) > 0.95
    assert refined.review == ()


@pytest.mark.parametrize("spacing", [(0.3, 0.3), (1.0, 1.0), (0.4, 0.8)])
def test_millimetres_do_not_depend_on_the_pixels(spacing: tuple[float, float]) -> None:
    true = cord(spacing)
    # A weak edge, half a voxel of it counts as a pixel of the finer kind.
    image = scan(true, 300, 420)
    refined = scs.refine(image, cord(spacing, radius_mm=5.0), "drlse")
    area = array_from(refined.mask).sum(axis=(0, 1)).mean() * spacing[0] * spacing[1]
    assert np.sqrt(area / np.pi) == pytest.approx(RADIUS_MM, abs=0.5 * module.PIXEL_MM)


def test_a_good_mask_stays() -> None:
    true = cord()
    refined = scs.refine(scan(true), true)
    assert dice(refined.mask, true) > 0.97
    assert refined.review == ()


def test_the_result_lies_on_the_images_own_grid_however_it_is_stored() -> None:
    true = cord()
    image, mask = scan(true), cord(offset_mm=1.5)
    expected = array_from(to_network_order(scs.refine(image, mask).mask))
    tilt = sitk.VersorRigid3DTransform()
    tilt.SetRotation((1, 0, 0), 0.25)
    for order in ("RSP", "PIR", "LAS"):
        stored = [sitk.DICOMOrient(each, order) for each in (image, mask)]
        for each in stored:
            direction = np.reshape(tilt.GetMatrix(), (3, 3)) @ np.reshape(
                each.GetDirection(), (3, 3)
            )
            each.SetDirection(direction.ravel().tolist())
        refined = scs.refine(*stored)
        assert refined.mask.GetPixelID() == sitk.sitkUInt8
        for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(refined.mask, get)() == getattr(stored[0], get)()
        found = array_from(to_network_order(refined.mask))
        assert np.array_equal(found, expected)


def test_slices_without_an_edge_are_kept_and_named() -> None:
    true = cord()
    image = sitk.GetArrayFromImage(scan(true))
    # Stored slices 3 to 5: noise alone.
    image[3:6] = np.random.default_rng(2).normal(600, 20, image[3:6].shape)
    spoiled = sitk.GetImageFromArray(image)
    spoiled.CopyInformation(true)
    mask = cord(offset_mm=1.5)
    refined = scs.refine(spoiled, mask)
    kept = {o.slice_index: o.reason for o in refined.outcomes if not o.refined}
    assert set(kept) == {3, 4, 5}
    assert set(kept.values()) <= KEPT
    assert {item.slice_index for item in refined.review} == {3, 4, 5}
    for item in refined.review:
        index = refined.mask.TransformPhysicalPointToIndex(item.position_mm)
        assert index[2] == item.slice_index
        assert mask[index] == 1
    before, after = (sitk.GetArrayFromImage(each)[3:6] for each in (mask, refined.mask))
    assert np.array_equal(before, after)


def test_a_contour_that_leaks_is_kept_and_named() -> None:
    true = cord()
    image = sitk.GetArrayFromImage(scan(true))
    # The surroundings of slice 7 are as dark as the cord on one side.
    image[7, :, 50:] = image[7, 40:48, 38:42].mean()
    leaking = sitk.GetImageFromArray(image)
    leaking.CopyInformation(true)
    refined = scs.refine(leaking, cord(radius_mm=4.5), "drlse")
    (outcome,) = (o for o in refined.outcomes if not o.refined)
    assert (outcome.slice_index, outcome.reason) == (7, Reason.LEAKED.value)
    assert [item.slice_index for item in refined.review] == [7]


def test_only_the_slices_asked_for_are_touched() -> None:
    true, mask = cord(), cord(offset_mm=1.5)
    # Stored from top to bottom: its own slice 2 is the third from above.
    image, flipped = (sitk.DICOMOrient(each, "LPI") for each in (scan(true), mask))
    refined = scs.refine(image, flipped, slices=(2, 9))
    assert [outcome.slice_index for outcome in refined.outcomes] == [9, 2]
    changed = (sitk.GetArrayFromImage(refined.mask) != sitk.GetArrayFromImage(flipped)).any((1, 2))
    assert np.flatnonzero(changed).tolist() == [2, 9]


def test_many_slices_go_in_pieces_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    true, mask = cord(), cord(offset_mm=1.5)
    whole = scs.refine(scan(true), mask)
    fractions: list[float] = []
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 3 * 60 * 60)
    pieces = scs.refine(scan(true), mask, progress=lambda fraction, _: fractions.append(fraction))
    assert np.array_equal(*(sitk.GetArrayFromImage(each.mask) for each in (whole, pieces)))
    assert len(fractions) > 3
    assert fractions == sorted(fractions) and fractions[-1] == 1


def test_a_single_slice_and_a_mask_at_the_border_are_refined() -> None:
    true = cord(slices=1)
    assert scs.refine(scan(true), cord(offset_mm=1.5, slices=1)).outcomes[0].refined
    cut = [each[38:, :, :] for each in (scan(true), true, cord(offset_mm=1.5, slices=1))]
    refined = scs.refine(cut[0], cut[2])
    assert dice(refined.mask, cut[1]) > dice(cut[2], cut[1]) - 1e-9


def test_a_speck_is_kept() -> None:
    speck = sitk.Image(cord().GetSize(), sitk.sitkUInt8)
    speck.CopyInformation(cord())
    speck[10, 10, 4] = 1
    refined = scs.refine(scan(cord()), speck)
    assert not refined.outcomes[0].refined
    assert array_from(refined.mask).sum() == 1


def test_what_makes_no_sense_is_refused() -> None:
    image, mask = scan(cord()), cord()
    shifted = cord()
    shifted.SetOrigin((0, 0, 0))
    for wrong, error, says in (
        ({"mask": mask * 0}, scs.InvalidImage, "empty"),
        ({"mask": shifted}, scs.InvalidImage, "grid"),
        ({"mask": mask[1:, :, :]}, scs.InvalidImage, "grid"),
        ({"method": "snake"}, scs.InvalidArgument, "snake"),
        ({"slices": (99,)}, scs.InvalidArgument, "0 to 11"),
        ({"slices": ()}, scs.InvalidArgument, "no slice"),
        ({"device": "abacus"}, scs.InvalidArgument, "abacus"),
    ):
        with pytest.raises(error, match=says):
            scs.refine(**{"image": image, "mask": mask, **wrong})
    part = sitk.Image(mask)
    part[:, :, 0:3] = 0
    with pytest.raises(scs.InvalidArgument, match="slice 1"):
        scs.refine(image, part, slices=(1, 5))


def test_real_slices_are_refined_from_degraded_masks(shared: Path) -> None:
    folder = shared / "data" / "subj-e"
    image = scs.read_image(folder / "t2s_run1.nii.gz")
    reference = sitk.ReadImage(str(folder / "t2s_run1_cord.nii.gz")) != 0
    filled = array_from(reference).any(axis=(0, 1))
    eroded = sitk.BinaryErode(reference, (2, 2, 0))
    slices = [int(k) for k in np.flatnonzero(filled & array_from(eroded).any(axis=(0, 1)))]
    refined = scs.refine(image, eroded, slices=slices)
    assert dice(refined.mask, reference) > dice(eroded, reference) + 0.1
    untouched = scs.refine(image, reference)
    assert dice(untouched.mask, reference) > 0.99
