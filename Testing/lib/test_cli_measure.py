# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg measure``, as a person or a program calls it: a cord of 10 mm on 8 slices."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.cli import main

SIZE = (8, 40, 40)


def _write(values: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.5, 3.0))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A folder with a cord, its gray matter, a lesion, levels, a scan and a curve."""
    down, right = np.indices(SIZE[1:]) - 19.5
    cord = np.repeat((np.hypot(down, right) < 10)[None], 8, axis=0)
    gray = np.repeat((np.hypot(down, right) < 4)[None], 8, axis=0)
    lesion = cord & (right > 4) & (np.arange(8) == 5)[:, None, None]
    levels = cord * np.array([0, 3, 3, 3, 2, 2, 2, 2])[:, None, None]
    folder = tmp_path / "in"
    folder.mkdir()
    for name, values in {
        "cord_mask": cord, "gm": gray, "lesion": lesion, "levels": levels, "t2": 100 + 5 * cord,
    }.items():  # fmt: skip
        _write(values.astype(np.uint8), folder / f"{name}.nii.gz")
    points = "\n".join(f"9.75,-9.75,{z}" for z in range(-3, 28, 3))
    (folder / "curve.csv").write_text(f"x_mm,y_mm,z_mm\n{points}\n")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everything_at_once(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "sub-1.csv"
    options = ["--image", "t2", "--gray-matter", "gm", "--lesion", "lesion", "--levels", "levels"]
    options = [o if o.startswith("--") else str(scan / f"{o}.nii.gz") for o in options]
    command = ["measure", str(scan / "cord_mask.nii.gz"), *options, "-o", str(output)]
    more = ["--centerline", str(scan / "curve.csv"), "--vertebrae", "2", "--landmark", "6"]
    assert main([*command, *more]) == 0
    names = ["", "_mm", "_summary", "_lesions"]
    written = [output.with_name(f"sub-1{name}.csv") for name in names]
    written += [output.with_suffix(".json"), output.with_suffix(".png")]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in written]
    assert sorted(output.parent.iterdir()) == sorted(written)
    table = rows(output)
    assert len(table) == 8
    assert [row["level"] for row in table] == ["2", "2", "2", "2", "3", "3", "3", ""]
    assert {row["intensity_mean"] for row in table} == {"105"}
    area = float(table[0]["area_mm2"])
    assert area == pytest.approx(np.pi * 25, rel=0.03)
    assert float(table[0]["gray_matter_ratio"]) == pytest.approx(16 / 100, abs=0.02)
    assert float(table[0]["position_mm"]) == pytest.approx(1.5 - 6)
    summary = rows(written[2])
    assert [row["range"] for row in summary] == ["level 2", "level 3"]
    assert summary[0]["slices"] == "4"
    (lesion,) = rows(written[3])
    assert lesion["part"] == "left" and lesion["length_mm"] == "3"


def test_distances_may_lie_above_the_landmark(scan: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    command = ["measure", str(scan / "cord_mask.nii.gz"), "-o", str(output), "--progress", "json"]
    assert main([*command, "--landmark=9.75,-9.75,12", "--distance=-7:1"]) == 0
    (summary,) = rows(tmp_path / "a_summary.csv")
    assert (summary["range"], summary["slices"]) == ("from -7 to 1 mm below the landmark", "3")


def test_a_program_reads_progress_and_result(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "a.csv"
    command = ["measure", str(scan / "cord_mask.nii.gz"), "-o", str(output), "--slices", "2-4,6"]
    assert main([*command, "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(path).name[1:] for path in lines[-1]["result"]] == [
        ".csv", "_mm.csv", "_summary.csv", ".json", ".png",
    ]  # fmt: skip
    assert lines[0]["message"] == "reading the mask"
    (summary,) = rows(tmp_path / "a_summary.csv")
    assert summary["range"] == "slices 2-4,6"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--landmark", "1,2"], "neither a point such as 1,-20,35 nor mm"),
        (["--landmark", "nan"], "neither a point"),
        (["--distance", "20"], "no range of distances such as 20:50"),
        (["--distance", "20:x"], "no range of distances"),
        (["--vertebrae", "C2"], "no list of slices"),
        (["--vertebrae", "2"], "no slice with cord in the range (level 2)"),
        (["--slices", "90"], "in the range (slices 90); choose within slices 0 to 7"),
        (["--landmark", "900,0,0"], "beside the cord; give it in LPS"),
        (["--image", "none.nii.gz"], "none.nii.gz does not exist"),
        (["-o", "table.txt"], "ends with .csv"),
    ],
)
def test_arguments_without_meaning(
    scan: Path,
    change: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["measure", str(scan / "cord_mask.nii.gz"), "-o", str(tmp_path / "out" / "x.csv")]
    assert main([*command, *change]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_mask_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(np.zeros(SIZE, np.uint8), tmp_path / "mask.nii.gz")
    assert main(["measure", str(tmp_path / "mask.nii.gz"), "-o", str(tmp_path / "x.csv")]) == 2
    assert "the mask of the cord is empty; give a mask" in capsys.readouterr().err


def test_results_are_replaced_only_when_told(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "a.csv"
    output.with_name("a_mm.csv").write_text("mine")
    command = ["measure", str(scan / "cord_mask.nii.gz"), "-o", str(output)]
    assert main(command) == 2
    assert "a_mm.csv exists already" in capsys.readouterr().err
    assert not output.exists()
    assert main([*command, "--overwrite"]) == 0
    assert output.with_name("a_mm.csv").read_text() != "mine"
