# SPDX-License-Identifier: Apache-2.0
"""The centerline as a curve in patient space: points, tangents, heights, files, slices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.centerline.curve import Centerline, read_centerline
from SpinalCordSegLib.centerline.smoothing import smooth_curve
from SpinalCordSegLib.errors import InvalidArgument, InvalidImage
from SpinalCordSegLib.images import to_network_order


def spine(count: int = 300, step: float = 1.0) -> np.ndarray:
    """A cord with cervical and thoracic curvature, LPS, from inferior to superior."""
    z = np.arange(count) * step
    return np.column_stack([3 * np.sin(z / 70), 18 * np.sin(z / 55), z - 150])


def distance_to(points: np.ndarray, curve: Centerline) -> float:
    """The largest distance of a point from the polyline, sampled finely."""
    fine = curve.resampled(0.05).points_mm
    return max(float(np.linalg.norm(fine - point, axis=1).min()) for point in points)


def oblique_image(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    """In network order but for a rotation by 15 degrees around x and 10 around z."""
    a, b = np.deg2rad([15.0, 10.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin((12.0, -30.0, 7.0))
    image.SetDirection((about_x @ about_z @ np.diag([1, -1, 1])).ravel())
    return image


def to_lps(image: sitk.Image, index: np.ndarray) -> np.ndarray:
    return np.array([image.TransformContinuousIndexToPhysicalPoint(i) for i in index.tolist()])


# --- the curve itself


def test_points_are_ordered_upwards_and_read_only() -> None:
    points = spine(20)
    curve = Centerline(points[::-1])
    np.testing.assert_array_equal(curve.points_mm, points)
    with pytest.raises(ValueError, match="read-only"):
        curve.points_mm[0, 0] = 1


@pytest.mark.parametrize(
    "points",
    [
        np.empty((0, 3)),
        np.zeros((3, 2)),
        np.zeros(3),
        [[0, 0, np.nan]],
        [[0, 0, 1], [0, 0, 1], [0, 0, 2]],
    ],
)
def test_meaningless_points_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError):
        Centerline(np.asarray(points, dtype=float))


def test_length_and_tangents_of_a_helix() -> None:
    angle = np.linspace(0, np.pi, 400)
    helix = np.column_stack([10 * np.cos(angle), 10 * np.sin(angle), 30 * angle])
    curve = Centerline(helix)
    assert curve.length_mm == pytest.approx(np.pi * np.hypot(10, 30), rel=1e-4)
    expected = np.column_stack([-10 * np.sin(angle), 10 * np.cos(angle), 30 + 0 * angle])
    expected /= np.hypot(10, 30)
    np.testing.assert_allclose(curve.tangents[1:-1], expected[1:-1], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(curve.tangents, axis=1), 1)


def test_tangents_do_not_depend_on_how_points_are_spread() -> None:
    """On the arc length: uneven points on a circle have the circle's tangents."""
    angle = np.cumsum(np.random.default_rng(0).uniform(0.005, 0.02, 100))
    circle = np.column_stack([0 * angle, -np.cos(angle), np.sin(angle)]) * 50
    expected = np.column_stack([0 * angle, np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(Centerline(circle).tangents[1:-1], expected[1:-1], atol=1e-4)


def test_one_point_and_two_points() -> None:
    one = Centerline(np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(one.tangents, [[0, 0, 1]])
    assert one.length_mm == 0
    np.testing.assert_array_equal(one.at(99.0), [1, 2, 3])
    two = Centerline(np.array([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]]))
    np.testing.assert_allclose(two.tangents, [[0, 0.6, 0.8]] * 2)


def test_at_interpolates_and_clamps() -> None:
    curve = Centerline(np.array([[0.0, 0.0, 0.0], [2.0, 4.0, 10.0]]))
    np.testing.assert_allclose(curve.at(5.0), [1, 2, 5])
    np.testing.assert_allclose(curve.at([-3, 2.5, 11]), [[0, 0, 0], [0.5, 1, 2.5], [2, 4, 10]])


def test_at_takes_the_middle_where_the_curve_turns_back() -> None:
    points = np.array(
        [[0.0, 0, 0], [0, 0, 10], [8.0, 0, 10], [8.0, 0, 4], [16.0, 0, 4], [16, 0, 20]]
    )
    middle = Centerline(points).at(7.0)
    np.testing.assert_allclose(middle, [8, 0, 7])


def test_resampled_keeps_ends_and_shape() -> None:
    curve = Centerline(spine())
    resampled = curve.resampled(2.5)
    steps = np.linalg.norm(np.diff(resampled.points_mm, axis=0), axis=1)
    np.testing.assert_allclose(steps, 2.5, rtol=0.01)
    np.testing.assert_array_equal(resampled.points_mm[[0, -1]], curve.points_mm[[0, -1]])
    assert distance_to(curve.points_mm, resampled) < 0.05


# --- in the slices of an image


def test_prolonged_goes_on_along_its_ends_and_levels_off() -> None:
    z = np.arange(0.0, 61.0, 2.0)
    leaning = Centerline(np.column_stack([3 + 0.5 * z, np.full_like(z, -7), z]))
    longer = leaning.prolonged(50.0)
    assert np.array_equal(longer.points_mm[50:-50], leaning.points_mm)
    assert longer.points_mm[0, 2] == -50 and longer.points_mm[-1, 2] == 110
    assert np.allclose(longer.at(62.0), (3 + 31, -7, 62), atol=0.1)
    assert np.allclose(longer.at(-2.0), (3 - 1, -7, -2), atol=0.1)
    # Half a millimetre a millimetre, for another 20 mm at most.
    assert 8 < longer.at(110.0)[0] - leaning.at(60.0)[0] < 10
    assert np.allclose(longer.tangents[-1], (0, 0, 1), atol=0.05)


def test_a_point_is_prolonged_upright_and_nothing_by_nothing() -> None:
    point = Centerline(np.array([[1.0, 2.0, 3.0]]))
    assert np.array_equal(point.prolonged(2.0).points_mm[:, 2], (1, 2, 3, 4, 5))
    assert (point.prolonged(2.0).points_mm[:, :2] == (1, 2)).all()
    assert np.array_equal(point.prolonged(0.5).points_mm, point.points_mm)


def test_in_slices_of_an_oblique_image() -> None:
    image = oblique_image((30, 40, 12), (0.8, 0.7, 5.0))
    index = np.column_stack([10 + np.arange(12) * 0.5, 30 - np.arange(12) * 0.9, np.arange(12)])
    curve = Centerline(to_lps(image, index[2:9]))
    places = curve.in_slices(image)
    np.testing.assert_allclose(places[2:9], index[2:9, :2], atol=1e-9)
    assert np.isnan(places[[0, 1, 9, 10, 11]]).all()


def test_in_slices_reaches_half_a_slice_past_the_ends() -> None:
    image = oblique_image((30, 40, 6), (1.0, 1.0, 4.0))
    covered = ~np.isnan(
        Centerline(to_lps(image, np.array([[5, 5, 1.4], [5, 6, 3.6]]))).in_slices(image)[:, 0]
    )
    assert covered.tolist() == [False, True, True, True, True, False]
    one = Centerline(to_lps(image, np.array([[5.0, 6.0, 2.3]]))).in_slices(image)
    np.testing.assert_allclose(one[2], [5, 6])
    assert np.isnan(one[[0, 1, 3, 4, 5]]).all()


def test_in_slices_averages_a_curve_that_crosses_a_slice_three_times() -> None:
    image = oblique_image((30, 40, 6), (1.0, 1.0, 4.0))
    index = np.array([[4.0, 9, 0], [4, 9, 3], [8, 9, 3], [8, 9, 1.5], [12, 9, 1.5], [12, 9, 5]])
    places = Centerline(to_lps(image, index)).in_slices(image)
    np.testing.assert_allclose(places[[0, 1, 2, 4]], [[4, 9], [4, 9], [8, 9], [12, 9]])


# --- files


def test_csv_round_trip(tmp_path: Path) -> None:
    curve = Centerline(spine(50))
    (tmp_path / "c.csv").write_text(curve.to_csv())
    assert curve.to_csv().startswith("x_mm,y_mm,z_mm\n")
    np.testing.assert_allclose(
        read_centerline(tmp_path / "c.csv").points_mm, curve.points_mm, atol=1e-4
    )


@pytest.mark.parametrize("count", [1, 2, 3, 9, 300])
def test_markups_round_trip(tmp_path: Path, count: int) -> None:
    curve = Centerline(spine(count))
    (tmp_path / "c.mrk.json").write_text(curve.to_markups_json())
    back = read_centerline(tmp_path / "c.mrk.json")
    assert distance_to(curve.points_mm, back) < 0.13
    np.testing.assert_allclose(back.points_mm[[0, -1]], curve.points_mm[[0, -1]], atol=1e-4)


def test_markups_file_is_what_slicer_reads() -> None:
    content = json.loads(Centerline(spine()).to_markups_json("Cord"))
    assert content["@schema"].endswith("markups-schema-v1.0.3.json#")
    (markup,) = content["markups"]
    assert (markup["type"], markup["coordinateSystem"], markup["name"]) == ("Curve", "LPS", "Cord")
    points = markup["controlPoints"]
    assert 25 <= len(points) <= 80
    assert len({point["id"] for point in points}) == len(points)
    assert points[0]["position"] == pytest.approx(spine()[0], abs=1e-4)
    for point in points:
        assert point["positionStatus"] == "defined"
        assert len(point["orientation"]) == 9


def test_crooked_curve_keeps_all_its_points_in_the_markups() -> None:
    points = spine(60)
    points[:, 0] += np.random.default_rng(1).normal(0, 1, 60)
    content = json.loads(Centerline(points).to_markups_json())
    assert len(content["markups"][0]["controlPoints"]) == 60


def markups(kind: str, system: str, points: list, **more: object) -> str:
    control_points = [{"id": str(i), "position": p, **more} for i, p in enumerate(points)]
    markup = {"type": kind, "coordinateSystem": system, "controlPoints": control_points}
    return json.dumps({"markups": [markup]})


@pytest.mark.parametrize("kind", ["Curve", "ClosedCurve", "Line", "Fiducial"])
def test_ras_is_converted(tmp_path: Path, kind: str) -> None:
    (tmp_path / "c.mrk.json").write_text(markups(kind, "RAS", [[1, 2, 3], [1, 2, 13]]))
    points = read_centerline(tmp_path / "c.mrk.json").points_mm
    np.testing.assert_allclose(points[[0, -1]], [[-1, -2, 3], [-1, -2, 13]])


def test_point_list_is_sorted_and_undefined_points_are_skipped(tmp_path: Path) -> None:
    content = json.loads(markups("Fiducial", "LPS", [[0, 0, 9], [0, 0, 1], [5, 5, 5], [0, 0, 4]]))
    content["markups"][0]["controlPoints"][2]["positionStatus"] = "undefined"
    (tmp_path / "p.mrk.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(
        read_centerline(tmp_path / "p.mrk.json").points_mm, [[0, 0, 1], [0, 0, 4], [0, 0, 9]]
    )


def test_curve_is_preferred_over_points(tmp_path: Path) -> None:
    both = json.loads(markups("Fiducial", "LPS", [[0, 0, 0]]))
    both["markups"] += json.loads(markups("Curve", "LPS", [[7, 0, 0], [7, 0, 9]]))["markups"]
    (tmp_path / "b.json").write_text(json.dumps(both))
    assert (read_centerline(tmp_path / "b.json").points_mm[:, 0] == 7).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("b.csv", "x,y,z\n1,2,3\n"),
        ("c.csv", "x_mm,y_mm,z_mm\n"),
        ("d.csv", "x_mm,y_mm,z_mm\n1,2\n"),
        ("e.csv", "x_mm,y_mm,z_mm\n1,2,nan\n"),
        ("f.json", "{"),
        ("g.json", "[]"),
        ("h.json", '{"markups": []}'),
        ("i.json", markups("Curve", "LPS", [])),
        ("j.json", markups("Curve", "LPS", [[1, 2]])),
        ("k.json", markups("Curve", "LPS", [[1, 2, None], [0, 0, 0], [0, 0, 1]])),
        ("l.json", markups("Curve", "xyz", [[1, 2, 3]])),
        ("m.json", markups("Curve", "LPS", [[1, 2, 3]], positionStatus="undefined")),
        ("n.json", markups("ROI", "LPS", [[1, 2, 3]])),
    ],
)
def test_files_without_a_curve_are_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument) as caught:
        read_centerline(tmp_path / name)
    assert name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x9d")
    for name in ("missing.csv", "missing.mrk.json", "b.csv"):
        with pytest.raises(InvalidArgument, match=name):
            read_centerline(tmp_path / name)
    with pytest.raises(InvalidImage, match="missing"):
        read_centerline(tmp_path / "missing.nii.gz")


# --- masks


def test_from_mask_in_any_orientation() -> None:
    """A disc at a known place in each slice of an oblique image, stored flipped and permuted."""
    image = oblique_image((30, 40, 8), (0.8, 0.7, 3.0))
    array = np.zeros((8, 40, 30), np.uint8)
    for k in range(1, 7):
        array[k, 10 + k : 15 + k, 20 - k : 25 - k] = 2
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    index = np.array([[22 - k, 12 + k, k] for k in range(1, 7)], dtype=float)
    expected = to_lps(image, index)
    for orientation in ("LAS", "RAS", "PIR", "SLA"):
        stored = sitk.DICOMOrient(mask, orientation)
        np.testing.assert_allclose(Centerline.from_mask(stored).points_mm, expected, atol=1e-9)


def test_soft_masks_weigh_and_empty_ones_are_refused(tmp_path: Path) -> None:
    array = np.zeros((3, 5, 5), np.float32)
    array[1, 2, 1], array[1, 2, 3], array[1, 0, 0] = 0.25, 0.75, np.nan
    mask = to_network_order(sitk.GetImageFromArray(array))
    place = Centerline.from_mask(mask).in_slices(mask)[1]
    x = 2.5 if mask.GetDirection()[0] > 0 else 1.5
    assert place[0] == pytest.approx(x)
    sitk.WriteImage(sitk.Image((4, 4, 4), sitk.sitkUInt8), str(tmp_path / "empty.nii.gz"))
    with pytest.raises(InvalidImage, match=r"empty.nii.gz is empty"):
        read_centerline(tmp_path / "empty.nii.gz")


def test_reference_centerline_and_mask_agree(shared: Path) -> None:
    folder = shared / "data" / "subj-a"
    curve = read_centerline(folder / "t2w_centerline.nii.gz")
    cord = read_centerline(folder / "t2w_cord.nii.gz")
    heights = np.linspace(cord.points_mm[0, 2], cord.points_mm[-1, 2], 50)
    assert np.linalg.norm(curve.at(heights) - cord.at(heights), axis=1).mean() < 1.0


# --- smoothing


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_smoothing_removes_noise_whatever_the_slice_distance(step: float) -> None:
    truth = spine(int(200 / step), step)
    noise = np.random.default_rng(3).normal(0, 0.3, (len(truth), 2))
    smooth = smooth_curve(truth + np.pad(noise, ((0, 0), (0, 1))))
    error = np.linalg.norm(smooth - truth, axis=1).mean()
    assert error < 0.65 * np.linalg.norm(noise, axis=1).mean()
    np.testing.assert_array_equal(smooth[:, 2], truth[:, 2])
    np.testing.assert_allclose(smooth_curve(truth)[5:-5], truth[5:-5], atol=0.1)


def test_thick_slices_are_hardly_smoothed() -> None:
    points = np.column_stack([[0, 1, 0, 1, 0, 1, 0], np.zeros(7), np.arange(7) * 12.0])
    assert np.abs(smooth_curve(points) - points).max() < 0.35


def test_slices_without_evidence_are_not_used() -> None:
    truth = spine(100)
    wrong = truth.copy()
    wrong[40:50] += [30, -30, 0]
    weights = np.ones(100)
    weights[40:50] = 0
    assert np.abs(smooth_curve(wrong, weights) - truth).max() < 0.3


def test_curve_goes_on_past_the_evidence_and_levels_off() -> None:
    z = np.arange(60.0)
    points = np.column_stack([0.3 * z, 5 + 0 * z, z])
    smooth = smooth_curve(points, at_mm=np.array([-200.0, -1.0, 30.0, 60.0, 400.0]))
    np.testing.assert_allclose(smooth[:, 0], [-6, -0.3, 9, 18, 17.7 + 6], atol=0.02)
    np.testing.assert_allclose(smooth[:, 1], 5)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_slices_stay_as_they_are(count: int) -> None:
    points = spine(count, 7.5)
    np.testing.assert_allclose(smooth_curve(points), points)
    np.testing.assert_allclose(smooth_curve(points, np.zeros(count)), points)
    ends = smooth_curve(points, at_mm=[-1e3, 1e3])
    np.testing.assert_allclose(ends[:, :2], points[[0, -1], :2])


def test_smoothing_needs_rising_slices() -> None:
    with pytest.raises(ValueError, match="rise"):
        smooth_curve(spine(10)[::-1])
