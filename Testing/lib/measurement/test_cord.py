# SPDX-License-Identifier: Apache-2.0
"""A cylinder that leans in its grid has one area, whatever the slices show of it.

      \\  \\        slices (horizontal) see it too long; those at its flat ends,
    ---\\--\\---     which lie across it, see only a part of it
        \\  \\
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.images import array_from, image_from
from SpinalCordSegLib.measurement.cord import CordMeasurements, measure_cord, per_millimetre

RADII = (6.0, 4.5)
AREA = np.pi * RADII[0] * RADII[1]


def whole(measurements: CordMeasurements, name: str) -> np.ndarray:
    return measurements.column(name)[[row.whole for row in measurements.slices]]


@pytest.mark.parametrize("tilt", [0, 15, 30, 45])
@pytest.mark.parametrize("towards", [35, 90, 180])
@pytest.mark.parametrize("spacing", [(0.3, 0.3, 1.0), (0.3, 0.4, 3.0), (0.25, 0.25, 5.0)])
def test_the_area_is_right_to_one_percent(
    cylinder: Any, tilt: float, towards: float, spacing: tuple[float, float, float]
) -> None:
    found = measure_cord(cylinder(tilt, towards, spacing))
    areas = whole(found, "area_mm2")
    assert len(areas) >= 5
    assert areas.mean() == pytest.approx(AREA, rel=0.01)
    assert whole(found, "angle_deg") == pytest.approx(tilt, abs=1.5)
    if spacing[2] == 1.0:
        assert areas == pytest.approx(AREA, rel=0.01)
    assert whole(found, "diameter_rl_mm").mean() == pytest.approx(12.0, rel=0.01)
    assert whole(found, "diameter_ap_mm").mean() == pytest.approx(9.0, rel=0.01)
    assert whole(found, "eccentricity").mean() == pytest.approx(0.661, abs=0.01)


@pytest.mark.parametrize("stored", ["LPS", "RAI", "PSR", "ASL", "IRP"])
def test_how_the_mask_is_stored_does_not_matter(cylinder: Any, stored: str) -> None:
    spacing = (0.4, 0.5, 2.0)
    expected = measure_cord(cylinder(30, 60, spacing))
    found = measure_cord(cylinder(30, 60, spacing, stored=stored))
    for name in ("position_mm", "x_mm", "z_mm", "area_mm2", "orientation_deg", "whole"):
        assert found.column(name) == pytest.approx(expected.column(name), abs=1e-6)
    axis = stored.index(next(letter for letter in stored if letter in "SI"))
    last = cylinder(30, 60, spacing, stored=stored).GetSize()[axis] - 1
    numbers = expected.column("slice")
    expected_numbers = last - numbers if "I" in stored else numbers
    assert found.column("slice").tolist() == expected_numbers.tolist()


def test_an_oblique_grid_gives_the_same(cylinder: Any) -> None:
    turn = np.radians(25)
    oblique = np.array(
        [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    )
    straight = measure_cord(cylinder(30, 90))
    found = measure_cord(cylinder(30, 90, direction=oblique))
    for name in ("position_mm", "angle_deg", "area_mm2", "diameter_ap_mm"):
        assert found.column(name) == pytest.approx(straight.column(name))
    assert found.column("z_mm") != pytest.approx(straight.column("z_mm"), abs=1)


def test_slices_that_the_ends_cut_are_told_and_no_others(cylinder: Any) -> None:
    found = measure_cord(cylinder(45, 90))
    kept = np.array([row.whole for row in found.slices])
    areas = found.column("area_mm2")
    # The flat end of a cord 9 mm wide spans 9 sin 45 = 6.4 mm of height.
    cut = np.flatnonzero(~kept)
    assert set(cut) == {*range(cut.size // 2), *range(len(kept) - cut.size // 2, len(kept))}
    assert 6 <= cut.size // 2 <= 8
    assert (areas[kept] > 0.99 * AREA).all() and areas[~kept].min() < 0.3 * AREA
    assert all(row.whole for row in measure_cord(cylinder(0)).slices)


def test_an_end_that_follows_the_slices_is_whole(cylinder: Any) -> None:
    mask = cylinder(30, 90)
    array = array_from(mask)
    array = array * ((np.arange(array.shape[2]) > 15) & (np.arange(array.shape[2]) < 45))
    found = measure_cord(image_from(array, mask))
    assert len(found.slices) == 29 and all(row.whole for row in found.slices)
    assert found.column("area_mm2") == pytest.approx(AREA, rel=0.01)


def test_a_cord_that_the_image_cuts_is_not_whole(cylinder: Any) -> None:
    mask = cylinder(0)
    half = mask[: mask.GetSize()[0] // 2]
    assert not any(row.whole for row in measure_cord(half).slices)


def test_positions_are_lengths_along_the_cord(cylinder: Any) -> None:
    found = measure_cord(cylinder(45, 0, (0.4, 0.4, 2.0)))
    steps = np.diff(found.column("position_mm"))
    assert steps == pytest.approx(2 * np.sqrt(2), rel=0.01)
    first = found.slices[0]
    assert first.position_mm == pytest.approx(first.length_mm / 2)
    assert first.z_mm > found.slices[-1].z_mm
    assert found.column("length_mm") == pytest.approx(2 * np.sqrt(2), rel=0.01)


def test_a_landmark_moves_the_positions(cylinder: Any) -> None:
    mask = cylinder(0)
    plain = measure_cord(mask)
    below = measure_cord(mask, landmark=10.0)
    assert below.column("position_mm") == pytest.approx(plain.column("position_mm") - 10)
    assert (plain.landmark, below.landmark) == ("top of the mask", "landmark")
    row = plain.slices[20]
    # Beside the cord counts as the height at which it is; above the mask the cord goes straight on.
    beside = measure_cord(mask, landmark=(row.x_mm + 8, row.y_mm, row.z_mm))
    assert beside.slices[20].position_mm == pytest.approx(0, abs=0.05)
    above = measure_cord(mask, landmark=(row.x_mm, row.y_mm, plain.slices[0].z_mm + 25))
    assert above.slices[0].position_mm == pytest.approx(25, abs=0.05)


@pytest.mark.parametrize(
    ("landmark", "words"),
    [
        ((300.0, 0.0, 0.0), "mm beside the cord; give it in LPS"),
        ((1.0, 2.0), "not a point"),
        ((1.0, 2.0, float("nan")), "not a point"),
        (float("inf"), "not a number"),
    ],
)
def test_a_landmark_elsewhere_is_refused(cylinder: Any, landmark: Any, words: str) -> None:
    with pytest.raises(scs.InvalidArgument, match=words):
        measure_cord(cylinder(0), landmark=landmark)


def test_a_given_curve_sets_the_angle(cylinder: Any) -> None:
    mask = cylinder(30, 90)
    own = measure_cord(mask)
    points = np.column_stack([own.column(f"{axis}_mm") for axis in "xyz"])
    ends = [0, len(points) // 2, -1]
    for given in (points, points[ends]):
        found = measure_cord(mask, centerline=Centerline(given))
        assert whole(found, "area_mm2") == pytest.approx(AREA, rel=0.01)
    # A curve that stands upright does not correct anything.
    middle = points[len(points) // 2]
    upright = Centerline(middle + np.array([[0, 0, -50], [0, 0, 50]]))
    found = measure_cord(mask, centerline=upright)
    counts = array_from(sitk.DICOMOrient(mask, "LAS")).sum(axis=(0, 1))
    assert found.column("area_mm2") == pytest.approx(counts[counts > 0][::-1] * 0.09)


def test_a_curve_that_is_too_short_is_told(cylinder: Any) -> None:
    mask = cylinder(20, 90)
    own = measure_cord(mask)
    points = np.column_stack([own.column(f"{axis}_mm") for axis in "xyz"])
    with pytest.warns(UserWarning, match="does not reach"):
        found = measure_cord(mask, centerline=Centerline(points[20:-20]))
    assert whole(found, "area_mm2") == pytest.approx(AREA, rel=0.01)


def test_gray_and_white_matter(cylinder: Any) -> None:
    mask = cylinder(30, 90)
    gray = cylinder(30, 90, radii=(3.0, 2.0))
    size = [min(a, b) for a, b in zip(mask.GetSize(), gray.GetSize(), strict=True)]
    assert size != list(mask.GetSize())
    gray = sitk.Resample(gray, mask, sitk.Transform(), sitk.sitkNearestNeighbor)
    inner = array_from(mask) * array_from(gray)
    inner[:, :, : inner.shape[2] // 2] = 0
    found = measure_cord(mask, gray_matter=image_from(inner, mask))
    ratio = found.column("gray_matter_ratio")
    both = found.column("gray_matter_area_mm2") + found.column("white_matter_area_mm2")
    known = np.isfinite(ratio)
    # No gray matter on a slice means that it was not looked for there, not that there is none.
    assert 10 < known.sum() < len(known) - 10
    assert both[known] == pytest.approx(found.column("area_mm2")[known])
    assert np.nanmax(found.column("gray_matter_area_mm2")) <= np.pi * 6 * 1.01
    given = measure_cord(mask, white_matter=mask)
    assert given.column("white_matter_area_mm2") == pytest.approx(given.column("area_mm2"))
    assert np.isnan(given.column("gray_matter_ratio")).all()


def test_intensities_are_those_inside(cylinder: Any) -> None:
    mask = cylinder(0, spacing=(0.5, 0.5, 3.0))
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, mask.GetSize()) + 1000 * (array_from(mask) == 0)
    found = measure_cord(mask, image=image_from(values.astype(np.float32), mask))
    k = found.slices[4].slice
    inside = values[:, :, k][array_from(mask)[:, :, k] > 0]
    assert found.slices[4].intensity_mean == pytest.approx(inside.mean(), rel=1e-5)
    assert found.slices[4].intensity_sd == pytest.approx(inside.std(), rel=1e-4)


def test_levels_are_the_commonest_label_on_the_cord(cylinder: Any) -> None:
    mask = cylinder(0, spacing=(0.5, 0.5, 3.0))
    labels = np.zeros(mask.GetSize(), np.uint8)
    labels[:, :, 5:12] = 4
    labels[:, :, 12:] = 3
    labels[: mask.GetSize()[0] // 3, :, 12] = 7
    found = measure_cord(mask, levels=image_from(labels, mask))
    by_slice = {row.slice: row.level for row in found.slices}
    assert by_slice[13] == 3 and by_slice[12] == 3 and by_slice[11] == 4
    assert by_slice[min(by_slice)] == 0 or min(by_slice) >= 5
    with pytest.raises(scs.InvalidImage, match="labels no voxel of the cord"):
        measure_cord(mask, levels=image_from(labels * (array_from(mask) == 0), mask))


def test_every_millimetre_along_the_cord(cylinder: Any) -> None:
    found = measure_cord(cylinder(0, spacing=(0.3, 0.3, 4.0)))
    table = per_millimetre(found)
    assert np.diff(table["position_mm"]) == pytest.approx(1)
    assert table["position_mm"][0] == 0 and table["position_mm"][-1] == 60
    assert table["area_mm2"] == pytest.approx(AREA, rel=0.01)
    shifted = per_millimetre(measure_cord(cylinder(0, spacing=(0.3, 0.3, 4.0)), landmark=10.4))
    assert shifted["position_mm"][[0, -1]].tolist() == [-10, 49]


def test_nothing_is_interpolated_across_a_gap(cylinder: Any) -> None:
    mask = cylinder(0, spacing=(0.3, 0.3, 2.0))
    array = array_from(mask).copy()
    array[:, :, 15:20] = 0
    positions = per_millimetre(measure_cord(image_from(array, mask)))["position_mm"]
    gaps = np.diff(positions)
    assert (gaps == 1).sum() == len(gaps) - 1 and gaps.max() == pytest.approx(11, abs=1)


def test_one_slice_is_measured_as_it_is(cylinder: Any) -> None:
    mask = cylinder(0)
    k = mask.GetSize()[2] // 2
    found = measure_cord(mask[:, :, k : k + 1])
    (row,) = found.slices
    assert row.whole and row.angle_deg == 0
    assert row.area_mm2 == pytest.approx(AREA, rel=0.01)
    assert len(per_millimetre(found)["area_mm2"]) in (1, 2)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_few_slices_lean_too(cylinder: Any, count: int) -> None:
    for spacing, rel in (((0.25, 0.25, 1.0), 0.01), ((0.25, 0.25, 10.0), 0.01)):
        mask = cylinder(30, 90, spacing)
        k = mask.GetSize()[2] // 2
        found = measure_cord(mask[:, :, k - count // 2 : k - count // 2 + count])
        assert found.column("area_mm2") == pytest.approx(AREA, rel=rel)


def test_a_bent_cord(cylinder: Any) -> None:
    # An arc of radius 100 mm, whose direction turns by 0.57 degrees each millimetre.
    spacing = np.array([0.4, 0.4, 1.0])
    x, y, z = np.meshgrid(*[np.arange(n) * s for n, s in zip((40, 90, 80), spacing, strict=True)],
                          indexing="ij")  # fmt: skip
    along, around = np.hypot(y - 115, z - 40), x - 8
    mask = np.hypot(along - 100, around) <= 5
    image = sitk.GetImageFromArray(mask.astype(np.uint8).transpose())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    found = measure_cord(image)
    areas = whole(found, "area_mm2")
    heights = found.column("slice") - 40
    # To its very ends: there, too, the bend has to be seen.
    assert found.column("angle_deg") == pytest.approx(
        np.degrees(np.arcsin(np.abs(heights) / 100)), abs=0.7
    )
    assert areas == pytest.approx(np.pi * 25, rel=0.02)
    assert areas.mean() == pytest.approx(np.pi * 25, rel=0.005)
    length = found.slices[-1].position_mm - found.slices[0].position_mm
    assert length == pytest.approx(100 * np.radians(2 * 23.4), rel=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda array: array * 0, "the mask of the cord is empty; give"),
        (lambda array: array * np.arange(1, 1 + len(array))[:, None, None], "label map with the"),
        (lambda array: array * 0.7, "holds fractions"),
    ],
)
def test_what_is_no_mask_is_refused(cylinder: Any, change: Any, words: str) -> None:
    mask = cylinder(0, spacing=(1.0, 1.0, 4.0))
    with pytest.raises(scs.InvalidImage, match=words):
        measure_cord(image_from(change(array_from(mask)).astype(np.float32), mask))


def test_other_images_are_on_the_grid_of_the_mask(cylinder: Any) -> None:
    mask = cylinder(0, spacing=(1.0, 1.0, 4.0))
    moved = sitk.Image(mask)
    moved.SetOrigin(np.add(mask.GetOrigin(), (0, 0, 2)).tolist())
    for given in ({"image": moved}, {"gray_matter": moved}, {"levels": moved}):
        with pytest.raises(scs.InvalidImage, match="not on the grid of the cord's mask: corners"):
            measure_cord(mask, **given)
    with pytest.raises(scs.InvalidImage, match=r"voxels against"):
        measure_cord(mask, image=mask[:, :, 1:])
    nearly = sitk.Image(mask)
    nearly.SetOrigin(np.add(mask.GetOrigin(), 0.1).tolist())
    turned = sitk.DICOMOrient(nearly, "PIR")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_cord(mask, image=turned)
    assert found.slices[3].intensity_mean == 1


def test_the_mask_is_not_changed(cylinder: Any) -> None:
    mask = cylinder(30)
    before = sitk.Hash(mask), mask.GetOrigin(), mask.GetDirection()
    measure_cord(mask, image=mask, levels=mask)
    assert (sitk.Hash(mask), mask.GetOrigin(), mask.GetDirection()) == before
