# SPDX-License-Identifier: Apache-2.0
"""Folders of masks compared, and what is written of it."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.errors import Cancelled, InvalidArgument, InvalidImage, OutputExists
from SpinalCordSegLib.evaluation.comparison import compare, summarise
from SpinalCordSegLib.evaluation.comparison_files import (
    comparison_csv,
    comparison_paths,
    comparison_report,
    write_comparison,
)


def write(path: Path, *voxels: tuple[int, int, int], size: int = 8) -> Path:
    """Write a mask of 2 x 2 x 3 mm, of some voxels (z, y, x) and all those next to them."""
    array = np.zeros((size, 8, 8), np.uint8)
    for z, y, x in voxels:
        array[z : z + 2, y : y + 2, x : x + 2] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2, 2, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Right, half right, damaged, on another grid, missing, extra; and one with nothing to see."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(ours / "right_label-lesion_mask.nii.gz", (1, 1, 1))
    write(theirs / "right_lesion.nii.gz", (1, 1, 1))
    write(ours / "half_label-lesion_mask.nii.gz", (1, 1, 1), (5, 5, 5))
    write(theirs / "half_lesion.nii.gz", (1, 1, 1), (5, 1, 1))
    whole = write(ours / "damaged_label-lesion_mask.nii.gz", (1, 1, 1))
    whole.write_bytes(whole.read_bytes()[:90])
    write(theirs / "damaged_lesion.nii.gz", (1, 1, 1))
    write(ours / "grid_label-lesion_mask.nii.gz", (1, 1, 1), size=9)
    write(theirs / "grid_lesion.nii.gz", (1, 1, 1))
    write(theirs / "missing_lesion.nii.gz", (1, 1, 1))
    write(ours / "extra_label-lesion_mask.nii.gz", (1, 1, 1))
    write(ours / "healthy_label-lesion_mask.nii.gz")
    write(theirs / "healthy_lesion.nii.gz")
    write(ours / "alarm_label-lesion_mask.nii.gz", (1, 1, 1))
    write(theirs / "alarm_lesion.nii.gz")
    return ours, theirs


def test_one_bad_file_does_not_stop_the_others(folders: tuple[Path, Path]) -> None:
    found = compare(*folders, "lesion")
    reasons = {row.pair.name: row.reason for row in found.rows}
    assert list(reasons) == ["alarm", "damaged", "grid", "half", "healthy", "right"]
    assert "damaged" in reasons["damaged"] and "grid" in reasons["grid"]
    assert [name for name in reasons if not reasons[name]] == ["alarm", "half", "healthy", "right"]
    assert found.missing == ("missing_lesion.nii.gz",)
    assert found.extra == ("extra_label-lesion_mask.nii.gz",)
    assert found.values("dice") == [0, 0.5, 1, 1]
    assert found.unscored == 3 and len(found.warnings) == 4


def test_the_report_is_json_without_nan_and_without_folders(folders: tuple[Path, Path]) -> None:
    report = comparison_report(compare(*folders, "lesion"))
    text = json.dumps(report, allow_nan=False)
    assert str(folders[0].parent) not in text
    metrics = {pair["name"]: pair["metrics"] for pair in report["pairs"]}
    assert metrics["alarm"]["hausdorff_mm"] is None
    assert metrics["alarm"]["lesion_sensitivity"] is None
    assert metrics["half"]["lesion_sensitivity"] == metrics["half"]["lesion_precision"] == 0.5
    # Of two scans without lesions one was left without.
    assert report["volume_wise_specificity"] == 0.5
    # Of seven references two are right, and three were not evaluated.
    assert report["reliability"]["scans"] == 7
    assert report["reliability"]["of_which_not_evaluated"] == 3
    assert report["reliability"]["share_with_dice_above"]["0.9"] == pytest.approx(2 / 7)
    assert report["summary"]["dice"]["count"] == 4
    assert report["summary"]["dice"]["mean"] == pytest.approx(2.5 / 4)
    assert {failed["name"] for failed in report["failed"]} == {"damaged", "grid"}
    assert report["missing_predictions"] == ["missing_lesion.nii.gz"]
    assert report["definitions_version"] == 1 and report["software"]["version"]


def test_the_table_has_a_row_for_every_file(folders: tuple[Path, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(comparison_csv(compare(*folders, "lesion")))))
    assert len(rows) == 8
    by_name = {row["name"]: row for row in rows}
    assert by_name["half"]["dice"] == "0.5" and by_name["half"]["reason"] == ""
    assert by_name["alarm"]["hausdorff_mm"] == "" and by_name["grid"]["dice"] == ""
    assert [row["reason"] for row in rows[-2:]] == ["no prediction", "no reference"]


def test_everything_is_written_or_nothing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare(*folders, "lesion")
    path = tmp_path / "out" / "agreement.json"
    written = write_comparison(found, path)
    assert written == comparison_paths(path) == sorted(path.parent.iterdir(), key=written.index)
    before = [file.read_bytes() for file in written]
    assert json.loads(before[0])["structure"] == "lesion" and before[2].startswith(b"\x89PNG")
    with pytest.raises(OutputExists):
        write_comparison(found, path)
    write_comparison(found, path, overwrite=True)
    assert [file.read_bytes() for file in written] == before
    with pytest.raises(InvalidArgument, match=r"ends with \.json"):
        write_comparison(found, tmp_path / "agreement.csv")


def test_without_matplotlib_there_is_no_picture(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compare(*folders, "lesion")
    path = tmp_path / "agreement.json"
    write_comparison(found, path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert [p.suffix for p in write_comparison(found, path, overwrite=True)] == [".json", ".csv"]
    # A picture of an earlier run would belong to other numbers.
    assert not path.with_suffix(".png").exists()


def test_a_single_pair(tmp_path: Path) -> None:
    ours = write(tmp_path / "a.nii.gz", (1, 1, 1))
    theirs = write(tmp_path / "b_seg.nii.gz", (1, 1, 1), (3, 1, 1))
    found = compare(ours, theirs)
    assert found.rows[0].pair.name == "b_seg" and found.values("dice") == [pytest.approx(2 / 3)]
    report = comparison_report(found)
    assert report["pairs"][0]["prediction"] == "a.nii.gz"
    assert [s["dice"] for s in report["pairs"][0]["slices"]] == [1, 1, 0, 0]
    assert "volume_wise_specificity" not in report


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours" / "a_seg.nii.gz", (1, 1, 1))
    write(tmp_path / "theirs" / "b_seg.nii.gz", (1, 1, 1))
    with pytest.raises(InvalidArgument, match="one is a folder"):
        compare(ours, tmp_path / "theirs")
    with pytest.raises(InvalidArgument, match=r"a_seg\.nii\.gz against b_seg\.nii\.gz"):
        compare(tmp_path / "ours", tmp_path / "theirs")
    with pytest.raises(InvalidImage, match="does not exist"):
        compare(ours, tmp_path / "nowhere.nii.gz")
    write(tmp_path / "theirs" / "a_seg.nii.gz", (1, 1, 1), size=5)
    with pytest.raises(InvalidImage, match="none of 1 pairs could be evaluated"):
        compare(tmp_path / "ours", tmp_path / "theirs")


def test_a_comparison_can_be_stopped(folders: tuple[Path, Path]) -> None:
    def stop(fraction: float, message: str) -> None:
        if message == "comparing damaged":
            raise Cancelled

    with pytest.raises(Cancelled):
        compare(*folders, "lesion", progress=stop)


def test_summaries_by_hand() -> None:
    plain = summarise([1, 2, 3, 4, math.nan])
    assert (plain.count, plain.mean, plain.median) == (4, 2.5, 2.5)
    assert (plain.lower_quartile, plain.upper_quartile) == (1.75, 3.25)
    assert plain.standard_deviation == pytest.approx(math.sqrt(5 / 3))
    assert (plain.minimum, plain.maximum) == (1, 4)


def test_summaries_know_the_infinite() -> None:
    mostly = summarise([1, 2, 3, math.inf, 4])
    assert (mostly.median, mostly.upper_quartile) == (3, 4)
    assert mostly.maximum == mostly.mean == math.inf
    worst = summarise([math.inf, math.inf, 1])
    assert (worst.lower_quartile, worst.upper_quartile) == (1, math.inf)
    assert worst.median == math.inf and math.isnan(worst.standard_deviation)
    assert summarise([math.nan]).count == 0 and math.isnan(summarise([]).median)
