# SPDX-License-Identifier: Apache-2.0
"""A straight cord of 5 mm radius in an oblique image, with gray matter and a lesion inside it:

x-z plane        cord   . . # # # # # . .
                 gray   . . . . # . . . .    every slice
                 lesion . . . # # # . . .    slices 6 to 8
"""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from SpinalCordSegLib import output, result_files
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import (
    OutOfResources,
    OutputExists,
    OutputNotWritable,
    SpinalCordSegError,
)
from SpinalCordSegLib.measurement.review import ReviewItem
from SpinalCordSegLib.output import check_output
from SpinalCordSegLib.result import Result
from SpinalCordSegLib.result_files import (
    centerline_paths,
    result_paths,
    stem_of,
    write_centerline,
    write_result,
)

SIZE = (24, 22, 16)
CORD_FILES = [
    "scan_label-SC_mask.nii.gz",
    "scan_seg.seg.nrrd",
    "scan_centerline.mrk.json",
    "scan_centerline.csv",
    "scan_seg.json",
    "scan_overview.png",
]


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    values = np.random.default_rng(1).normal(100, 10, SIZE[::-1]).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.25, 2.5))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.15)
    image.SetDirection(turn.GetMatrix())
    image.SetOrigin((-31.5, 12.25, 7.0))
    return image


@pytest.fixture(scope="module")
def result(image: sitk.Image) -> Result:
    z, y, x = np.indices(SIZE[::-1])
    cord = ((x - 12) ** 2 + (1.25 * (y - 11)) ** 2 < 25).astype(np.uint8)
    gray = cord * (np.abs(x - 12) <= 1)
    lesion = cord * (np.abs(x - 11) <= 2) * (np.abs(z - 7) <= 1)
    masks = {"cord": cord, "gray_matter": gray, "lesion": lesion}
    return Result(
        labels=_like(image, np.maximum(np.maximum(cord, 2 * gray), 3 * lesion)),
        masks={name: _like(image, mask) for name, mask in masks.items()},
        probabilities={
            name: _like(image, mask.astype(np.float32) * 0.75) for name, mask in masks.items()
        },
        centerline=Centerline(
            np.array([image.TransformIndexToPhysicalPoint((12, 11, k)) for k in range(16)])
        ),
        review=(ReviewItem(7, (1.0, 2.0, 3.0), "the area jumps", 0.5),),
        provenance={"seconds": {"cord": np.float32(1.5)}, "worst": math.nan, "sizes": (1, 2)},
    )


@pytest.fixture
def cord_only(result: Result) -> Result:
    return replace(result, masks={"cord": result.masks["cord"]})


def test_the_files_have_the_names_that_others_rely_on() -> None:
    paths = result_paths("out", "scan", ("cord", "gray_matter", "white_matter", "lesion"), True)
    assert [path.name for path in paths] == [
        "scan_label-SC_mask.nii.gz",
        "scan_label-GM_mask.nii.gz",
        "scan_label-WM_mask.nii.gz",
        "scan_label-lesion_mask.nii.gz",
        "scan_label-SC_prob.nii.gz",
        "scan_label-GM_prob.nii.gz",
        "scan_label-WM_prob.nii.gz",
        "scan_label-lesion_prob.nii.gz",
        *CORD_FILES[1:],
    ]
    assert {path.parent for path in paths} == {Path("out")}


def test_exactly_these_files_are_written(
    result: Result, cord_only: Result, image: sitk.Image, tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    paths = write_result(cord_only, folder, "scan", False, False, image)
    assert [path.name for path in paths] == CORD_FILES
    assert sorted(os.listdir(folder)) == sorted(CORD_FILES)
    paths = write_result(result, tmp_path, "all", True, False, image)
    assert sorted(path for path in tmp_path.iterdir() if path.is_file()) == sorted(paths)


def test_masks_lie_on_the_grid_of_the_image_file(
    result: Result, image: sitk.Image, tmp_path: Path
) -> None:
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    stored = sitk.ReadImage(str(tmp_path / "scan.nii.gz"))
    write_result(_on_grid_of(result, stored), tmp_path / "out", "scan", True, False, stored)
    for file_label, name in (("SC", "cord"), ("GM", "gray_matter"), ("lesion", "lesion")):
        mask = sitk.ReadImage(str(tmp_path / "out" / f"scan_label-{file_label}_mask.nii.gz"))
        assert mask.GetPixelID() == sitk.sitkUInt8
        _assert_same_grid(mask, stored)
        assert np.array_equal(_array(mask), _array(result.masks[name]))
        soft = sitk.ReadImage(str(tmp_path / "out" / f"scan_label-{file_label}_prob.nii.gz"))
        assert soft.GetPixelID() == sitk.sitkFloat32
        _assert_same_grid(soft, stored)
        assert np.array_equal(_array(soft), _array(result.probabilities[name]))


@pytest.mark.parametrize(
    "name", ["subj-a/t2w", "subj-b/t1w", "subj-c/t2s", "subj-e/t2s_run1", "subj-g/t2s_7t"]
)
def test_the_grid_of_a_real_scan_is_kept(shared: Path, tmp_path: Path, name: str) -> None:
    scan = sitk.ReadImage(str(shared / "data" / f"{name}.nii.gz"))
    mask = sitk.Image(scan.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(scan)
    result_files._write_image(mask, tmp_path / "mask.nii.gz", sitk.sitkUInt8)
    stored = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    _assert_same_grid(stored, scan)


def test_slicer_finds_names_colours_terminology_and_overlap(
    result: Result, image: sitk.Image, tmp_path: Path
) -> None:
    write_result(result, tmp_path, "scan", False, False, image)
    segmentation = slicerio.read_segmentation(str(tmp_path / "scan_seg.seg.nrrd"))
    assert slicerio.segment_names(segmentation) == [
        "Spinal cord",
        "Spinal cord gray matter",
        "Spinal cord lesion",
    ]
    for segment, name in zip(segmentation["segments"], result.masks, strict=True):
        mask = _array(result.masks[name]).transpose(2, 1, 0) > 0
        assert np.array_equal(slicerio.segment_mask(segmentation, segment), mask)
        assert segment["extent"] == [0, 23, 0, 21, 0, 15]
    cord, gray, lesion = segmentation["segments"]
    assert len({cord["layer"], gray["layer"], lesion["layer"]}) == 3
    assert np.allclose(cord["color"], [244 / 255, 214 / 255, 49 / 255], atol=1e-5)
    assert cord["terminology"]["type"][:2] == ["SCT", "2748008"]
    assert gray["terminology"]["category"][:2] == ["SCT", "123037004"]
    assert lesion["terminology"]["anatomicRegion"] == ["SCT", "2748008", "Spinal cord"]
    corner = segmentation["ijkToLPS"] @ [*(size - 1 for size in SIZE), 1]
    far = image.TransformIndexToPhysicalPoint([size - 1 for size in SIZE])
    assert np.allclose(corner[:3], far, atol=1e-9)


def test_the_curve_can_be_read_back(cord_only: Result, image: sitk.Image, tmp_path: Path) -> None:
    write_result(cord_only, tmp_path, "scan", False, False, image)
    points = cord_only.centerline.points_mm
    table = Centerline.from_csv(tmp_path / "scan_centerline.csv")
    assert np.allclose(table.points_mm, points, atol=1e-3)
    curve = Centerline.from_markups_json(tmp_path / "scan_centerline.mrk.json")
    assert np.allclose(curve.points_mm[[0, -1]], points[[0, -1]], atol=1e-3)
    assert curve.length_mm == pytest.approx(cord_only.centerline.length_mm, rel=1e-3)


def test_the_report_is_strict_json_with_measurements(
    result: Result, image: sitk.Image, tmp_path: Path
) -> None:
    write_result(result, tmp_path, "scan", False, False, image)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (tmp_path / "scan_seg.json").read_text()
    report = json.loads(text, parse_constant=refuse)
    voxels = int(_array(result.masks["cord"]).sum())
    cord = report["measurements"]["cord"]
    assert cord["voxels"] == voxels
    assert cord["volume_mm3"] == pytest.approx(voxels * 1.0 * 1.25 * 2.5)
    assert cord["length_mm"] == pytest.approx(15 * 2.5, abs=1e-3)
    (lesion,) = report["lesions"]
    voxels = int(_array(result.masks["lesion"]).sum())
    assert lesion["voxels"] == voxels and lesion["volume_mm3"] == pytest.approx(voxels * 3.125)
    assert 7.5 - 1e-6 <= lesion["length_mm"] < 8.5 and 80 < lesion["mean_intensity"] < 120
    assert report["review"] == [
        {
            "slice_index": 7,
            "position_mm": [1.0, 2.0, 3.0],
            "reason": "the area jumps",
            "severity": 0.5,
        }
    ]
    assert report["provenance"] == {"seconds": {"cord": 1.5}, "worst": None, "sizes": [1, 2]}


def test_existing_results_stay_unless_told_otherwise(
    cord_only: Result, image: sitk.Image, tmp_path: Path
) -> None:
    kept = tmp_path / "scan_seg.json"
    kept.write_text("precious")
    with pytest.raises(OutputExists, match="--overwrite"):
        write_result(cord_only, tmp_path, "scan", False, False, image)
    assert os.listdir(tmp_path) == ["scan_seg.json"]
    assert kept.read_text() == "precious"
    write_result(cord_only, tmp_path, "scan", False, True, image)
    assert sorted(os.listdir(tmp_path)) == sorted(CORD_FILES)
    assert kept.read_text() != "precious"


def test_probabilities_of_an_earlier_run_do_not_survive_beside_a_new_mask(
    cord_only: Result, image: sitk.Image, tmp_path: Path
) -> None:
    soft = tmp_path / "scan_label-SC_prob.nii.gz"
    soft.write_text("old")
    with pytest.raises(OutputExists):
        write_result(cord_only, tmp_path, "scan", False, False, image)
    assert soft.read_text() == "old"
    write_result(cord_only, tmp_path, "scan", False, True, image)
    assert not soft.exists()


def test_other_files_in_the_folder_are_not_touched(
    cord_only: Result, image: sitk.Image, tmp_path: Path
) -> None:
    others = ["scan2_seg.json", "scan_label-GM_mask.nii.gz", "notes.txt"]
    for name in others:
        (tmp_path / name).write_text(name)
    write_result(cord_only, tmp_path, "scan", False, True, image)
    assert [(tmp_path / name).read_text() for name in others] == others


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize("step", ["overview_png", "_write_segmentation", "_write_curve"])
def test_a_failure_while_writing_leaves_nothing(
    cord_only: Result,
    image: sitk.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    exception: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise exception

    monkeypatch.setattr(result_files, step, fail)
    with pytest.raises((KeyboardInterrupt, OutOfResources)):
        write_result(cord_only, tmp_path / "new" / "folder", "scan", False, False, image)
    assert os.listdir(tmp_path) == []
    (tmp_path / "scan_seg.json").write_text("precious")
    with pytest.raises((KeyboardInterrupt, OutOfResources)):
        write_result(cord_only, tmp_path, "scan", False, True, image)
    assert os.listdir(tmp_path) == ["scan_seg.json"]
    assert (tmp_path / "scan_seg.json").read_text() == "precious"


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_failure_while_moving_brings_the_old_results_back(
    cord_only: Result,
    image: sitk.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    old = {"scan_seg.json": "precious", "scan_overview.png": "beautiful"}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    calls = 0

    def replace_once_less(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise KeyboardInterrupt
        os.rename(source, target)

    monkeypatch.setattr(output.os, "replace", replace_once_less)
    with pytest.raises(KeyboardInterrupt):
        write_result(cord_only, tmp_path, "scan", False, True, image)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == old


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
@pytest.mark.parametrize("limit", [0, 1000, 5000, 100_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, limit: int) -> None:
    # A file size limit makes every library below us fail as on a full disk, without a full disk.
    # The largest file is the one of probabilities, which ITK truncates without a word.
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import numpy as np, SimpleITK as sitk
from SpinalCordSegLib import result_files
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import OutOfResources
from SpinalCordSegLib.result import Result
from SpinalCordSegLib.result_files import write_result
noise = np.random.default_rng(1).random((40, 40, 40))
image = sitk.GetImageFromArray(noise.astype(np.float32))
mask = sitk.GetImageFromArray((noise > 0.5).astype(np.uint8))
curve = Centerline(np.array([[20.0, 20.0, k] for k in range(40)]))
probability = sitk.GetImageFromArray(noise.astype(np.float32))
result_files.overview_png = lambda *_: b"small"
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    write_result(Result(mask, {{"cord": mask}}, {{"cord": probability}}, curve),
                 {str(tmp_path / "out")!r}, "scan", True, False, image)
except OutOfResources:
    sys.exit(5)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 5, run.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable, match="file, not a folder"):
        check_output(tmp_path / "file" / "out", [])


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path, ordinary_user: None) -> None:
    with pytest.raises(OutputNotWritable):
        check_output(tmp_path / "locked" / "out", [])
    with pytest.raises(OutputNotWritable):
        check_output(tmp_path / "locked", [])


@pytest.fixture
def ordinary_user(tmp_path: Path) -> Iterator[None]:
    """Make ``tmp_path / "locked"`` read-only and, under root, be somebody who must obey that."""
    locked = tmp_path / "locked"
    locked.mkdir()
    if sys.platform == "win32":
        pytest.skip("Windows folders have no read-only bit")
    locked.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    if was == 0:
        os.seteuid(0)
    locked.chmod(0o755)


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_output(tmp_path / "a" / "b", [tmp_path / "a" / "b" / "file"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("t2.nii.gz", "t2"),
        ("T2.NII.GZ", "T2"),
        ("sub-01_T2w.nii", "sub-01_T2w"),
        ("a.b.nrrd", "a.b"),
        ("a.mha", "a"),
        ("folder.nii/scan.nii.gz", "scan"),
        ("noextension", "noextension"),
        (".nii", ".nii"),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_stem_of_a_dicom_folder_is_its_series_description(tmp_path: Path) -> None:
    folder = tmp_path / "series1"
    folder.mkdir()
    assert stem_of(folder) == "series1"
    plane = sitk.Image((8, 8), sitk.sitkUInt16)
    plane.SetMetaData("0008|103e", "T2 sag / TSE ")
    sitk.WriteImage(plane, str(folder / "1.dcm"))
    assert stem_of(folder) == "T2_sag_TSE"


def test_the_curve_alone(result: Result, tmp_path: Path) -> None:
    paths = write_centerline(result.centerline, tmp_path, "scan", False)
    assert paths == centerline_paths(tmp_path, "scan")
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    with pytest.raises(SpinalCordSegError):
        write_centerline(result.centerline, tmp_path, "scan", False)


def _like(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def _on_grid_of(result: Result, image: sitk.Image) -> Result:
    return replace(
        result,
        masks={name: _like(image, _array(mask)) for name, mask in result.masks.items()},
        probabilities={name: _like(image, _array(p)) for name, p in result.probabilities.items()},
    )


def _array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def _assert_same_grid(one: sitk.Image, other: sitk.Image) -> None:
    assert one.GetSize() == other.GetSize()
    for grid in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert np.allclose(getattr(one, grid)(), getattr(other, grid)(), rtol=0, atol=1e-6)
