# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg evaluate``, as a person or a program calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.cli import main


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two scans each of which the prediction has half; one more that it lacks."""
    for folder, ending, slices in (("ours", "label-SC_mask", 2), ("theirs", "seg-manual", 4)):
        (tmp_path / folder).mkdir()
        for name in ("a", "b") if folder == "ours" else ("a", "b", "c"):
            array = np.zeros((6, 9, 9), np.uint8)
            array[:slices, 3:6, 3:6] = 3
            path = tmp_path / folder / f"{name}_{ending}.nii.gz"
            sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return tmp_path / "ours", tmp_path / "theirs"


def test_two_folders(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "out" / "cord.json"
    assert main(["evaluate", *map(str, folders), "-o", str(result)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(result.with_suffix(s)) for s in (".json", ".csv", ".png")]
    assert said.err == "warning: c_seg-manual.nii.gz has no prediction\n"
    report = json.loads(result.read_text(encoding="utf-8"))
    assert [pair["metrics"]["dice"] for pair in report["pairs"]] == [
        pytest.approx(2 / 3, abs=1e-6)
    ] * 2
    assert report["structure"] == "cord"


def test_a_program_reads_progress_and_result(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "gm.json"
    pair = [str(next(folder.glob("a_*"))) for folder in folders]
    options = ["--structure", "gm", "--label", "3", "--reference-label", "2", "--progress", "json"]
    assert main(["evaluate", *pair, "-o", str(result), *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"result": [str(result.with_suffix(s)) for s in (".json", ".csv", ".png")]}
    report = json.loads(result.read_text(encoding="utf-8"))
    assert (report["label"], report["reference_label"]) == (3, 2)
    # No voxel of the reference is 2: everything is too much.
    metrics = report["pairs"][0]["metrics"]
    assert metrics["dsc"] == 0 and metrics["hsd_mm"] is None and metrics["tpr_percent"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--structure", "wm"], "invalid choice"),
        (["--label", "0"], "'0' is no label"),
        (["--label", "cord"], "'cord' is no label"),
    ],
)
def test_arguments_without_meaning(
    change: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "a.nii.gz", "b.nii.gz", "-o", str(tmp_path / "x.json"), *change]) == 2
    assert words in capsys.readouterr().err


def test_results_are_replaced_only_when_told(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "cord.json"
    result.with_suffix(".csv").write_text("mine")
    command = ["evaluate", *map(str, folders), "-o", str(result)]
    assert main(command) == 2 and "--overwrite" in capsys.readouterr().err
    assert not result.exists() and result.with_suffix(".csv").read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert result.with_suffix(".csv").read_text(encoding="utf-8").startswith("name,")


def test_one_sentence_and_no_file_where_nothing_can_be_compared(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folders[0].iterdir():
        path.write_bytes(path.read_bytes()[:60])
    assert main(["evaluate", *map(str, folders), "-o", str(tmp_path / "out" / "x.json")]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("spinalcordseg: none of 2 pairs could be evaluated; a: a_label-SC")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "evaluate",
        str(tmp_path / "a.nii.gz"),
        str(tmp_path),
        "-o",
        str(tmp_path / "x.json"),
    ]
    assert main(command) == 2
    assert "a.nii.gz does not exist" in capsys.readouterr().err
