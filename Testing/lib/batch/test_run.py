# SPDX-License-Identifier: Apache-2.0
"""A batch as a whole: what it writes, what it skips, what it records.

In all but the last tests the segmentation takes no time and runs in this process.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.batch import run, worker
from SpinalCordSegLib.batch.inputs import find_scans
from SpinalCordSegLib.batch.records import read_records
from SpinalCordSegLib.batch.run import BatchSummary, Selection, run_batch
from SpinalCordSegLib.batch.settings import Settings
from SpinalCordSegLib.cli import main
from SpinalCordSegLib.errors import InvalidArgument, SpinalCordSegError
from Testing.lib.dicom_series import write_series

Make = Callable[..., Path]
CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def study(
    tmp_path: Path,
    make_scan: Make,
    segmented: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Two scans, one without a cord, and one that is no image."""

    def one_by_one(function: Callable[[Any], Any], tasks: list[Any], jobs: int) -> Iterator[Any]:
        return ((task, function(task)) for task in tasks)

    monkeypatch.setattr(run, "run_on_processes", one_by_one)
    make_scan(tmp_path / "in" / "a" / "t2.nii.gz", 1)
    make_scan(tmp_path / "in" / "b" / "t2.nii.gz", 2)
    make_scan(tmp_path / "in" / "c" / "empty.nii.gz", 13)
    (tmp_path / "in" / "c" / "broken.nii.gz").write_bytes(b"no image")
    return tmp_path


def _run(study: Path, settings: Settings | None = None, **selection: Any) -> BatchSummary:
    return run_batch([study / "in"], study / "out", settings, selection=Selection(**selection))


def _batch(study: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((study / "out" / "batch.json").read_text())
    assert content["format"] == 1
    return {scan["id"]: scan for scan in content["scans"]}


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_fails_is_recorded_and_the_rest_goes_on(study: Path) -> None:
    summary = _run(study)
    assert (summary.new, summary.earlier, summary.failed) == (2, 0, 2)
    scans = _batch(study)
    assert {name: scan["status"] for name, scan in scans.items()} == {
        "a/t2": "done",
        "b/t2": "done",
        "c/broken": "failed",
        "c/empty": "failed",
    }
    assert scans["c/empty"]["reason"] == "no spinal cord was found in the image"
    assert scans["c/empty"]["remedy"] and scans["c/broken"]["reason"]
    assert not scans["c/empty"]["files"]


def test_files_are_where_the_inputs_were_and_complete(study: Path) -> None:
    _run(study)
    files = _batch(study)["a/t2"]["files"]
    assert files["cord"] == "a/t2_label-SC_mask.nii.gz"
    assert {"seg", "json", "overview", "centerline", "slices"} <= set(files)
    assert all((study / "out" / name).stat().st_size for name in files.values())
    assert sitk.GetArrayViewFromImage(sitk.ReadImage(study / "out" / files["cord"])).any()
    provenance = json.loads((study / "out" / files["json"]).read_text())["provenance"]
    assert provenance["input"]["name"] == "a/t2.nii.gz"
    assert provenance["input"]["sha256"] == _batch(study)["a/t2"]["sha256"]


def test_one_table_of_measurements_and_one_of_statuses(study: Path) -> None:
    _run(study)
    rows = _table(study / "out" / "measurements.csv")
    assert [row["id"] for row in rows] == ["a/t2", "b/t2"]
    assert float(rows[0]["area_mm2_mean"]) == pytest.approx(29, abs=4)
    status = {row["id"]: row["status"] for row in _table(study / "out" / "status.csv")}
    assert status["c/broken"] == "failed" and status["a/t2"] == "done"


def test_nothing_tells_the_folders_of_this_computer(study: Path) -> None:
    _run(study)
    for path in (study / "out").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".csv", ".nrrd"):
            assert str(study).encode() not in path.read_bytes(), path


def test_a_second_run_does_nothing_again(study: Path, segmented: list[Any]) -> None:
    _run(study)
    before = {p: p.stat().st_mtime_ns for p in (study / "out").rglob("*.gz")}
    tables = [(study / "out" / n).read_text() for n in ("measurements.csv", "status.csv")]
    segmented.clear()
    summary = _run(study)
    assert not segmented and summary.earlier == 2 and summary.failed == 2
    assert {p: p.stat().st_mtime_ns for p in (study / "out").rglob("*.gz")} == before
    assert [(study / "out" / n).read_text() for n in ("measurements.csv", "status.csv")] == tables


def test_failed_scans_are_tried_again_on_demand(
    study: Path, make_scan: Make, segmented: list[Any]
) -> None:
    _run(study)
    segmented.clear()
    assert _run(study, retry_failed=True).failed == 2
    assert len(segmented) == 1
    make_scan(study / "in" / "c" / "empty.nii.gz", 3)
    assert _run(study).failed == 1


def test_results_of_another_input_are_replaced_only_on_demand(
    study: Path, make_scan: Make, segmented: list[Any]
) -> None:
    _run(study)
    make_scan(study / "in" / "a" / "t2.nii.gz", 9)
    segmented.clear()
    summary = _run(study)
    assert summary.changed == 1 and not segmented
    assert "changed" in _batch(study)["a/t2"]["reason"]
    assert _run(study, overwrite=True).new == 1
    assert len(segmented) == 1
    assert _batch(study)["a/t2"]["reason"] == ""


def test_other_settings_are_other_results(study: Path, segmented: list[Any]) -> None:
    _run(study)
    assert _run(study, Settings(threshold=0.3)).changed == 2
    summary = _run(study, Settings(threshold=0.3, soft=True), overwrite=True)
    assert summary.new == 2 and segmented[-1]["threshold"] == 0.3
    assert "cord_prob" in _batch(study)["a/t2"]["files"]
    # Without --soft the probabilities of the earlier run go.
    _run(study, Settings(threshold=0.4), overwrite=True)
    assert not list((study / "out").rglob("*_prob.nii.gz"))


def test_a_result_that_is_missing_is_made_again(study: Path) -> None:
    _run(study)
    (study / "out" / "a" / "t2_overview.png").unlink()
    assert _run(study).new == 1


def test_files_of_others_are_not_replaced(study: Path) -> None:
    mask = study / "out" / "a" / "t2_label-SC_mask.nii.gz"
    mask.parent.mkdir(parents=True)
    mask.write_text("drawn by hand")
    _run(study)
    assert _batch(study)["a/t2"]["status"] == "failed"
    assert mask.read_text() == "drawn by hand"
    assert _run(study, overwrite=True, retry_failed=True).new == 1


def test_a_folder_named_after_the_patient_is_not_named(study: Path) -> None:
    image = sitk.Image(8, 8, 4, sitk.sitkUInt16)
    folder = write_series(study / "in" / "Doe_Jane", image, PatientName="DOE^JANE")
    # One slice is missing, which the reason names the folder for.
    sorted(folder.iterdir())[1].unlink()
    _run(study)
    written = [p for p in (study / "out").rglob("*") if p.suffix in (".json", ".csv", ".html")]
    assert len(written) > 3
    assert not any("jane" in (p.name + p.read_text(encoding="utf-8")).lower() for p in written)
    (reason,) = (s["reason"] for name, s in _batch(study).items() if name.startswith("dicom-"))
    assert "slice" in reason


def test_marks_of_the_report(study: Path, segmented: list[Any]) -> None:
    _run(study)
    marks = study / "marks.json"
    entries = {"a/t2": {"mark": "fail", "note": "=1"}, "b/t2": {"mark": "pass", "note": ""}}
    marks.write_text(json.dumps({"format": 1, "marks": entries}))
    segmented.clear()
    assert _run(study, marks=marks, only_failed=True).new == 1
    assert len(segmented) == 1
    assert _batch(study)["b/t2"]["status"] == "done"
    _run(study, marks=marks, exclude=True)
    assert _batch(study)["a/t2"]["status"] == "excluded"
    assert [row["id"] for row in _table(study / "out" / "measurements.csv")] == ["b/t2"]
    _run(study)
    assert _batch(study)["a/t2"]["status"] == "done"


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "marks": {}}', '{"marks": {"a": 1}}'])
def test_a_file_without_marks_is_refused(study: Path, text: str) -> None:
    (study / "marks.json").write_text(text)
    with pytest.raises(InvalidArgument, match="marks"):
        _run(study, marks=study / "marks.json", exclude=True)


def test_a_killed_worker_is_recorded(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(function: Any, tasks: list[Any], jobs: int) -> Iterator[Any]:
        for task in tasks:
            settings = isinstance(task, Settings)
            yield task, function(task) if settings or task.scan.id == "a/t2" else None

    monkeypatch.setattr(run, "run_on_processes", dies)
    assert _run(study).failed == 3
    assert "ended" in _batch(study)["b/t2"]["reason"]


def test_killed_between_two_files(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was moved belongs to the batch, and is replaced by the next run without --overwrite."""
    real, moved = os.replace, []

    def replace(source: Any, target: Any) -> None:
        if "staging" in str(source) and "staging" not in str(target):
            moved.append(target)
            if len(moved) == 3:
                raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(worker.os, "replace", replace)
        _run(study)
    assert [record.status for record in read_records(study / "out")] == ["writing"]
    assert _run(study).new == 2
    assert _batch(study)["a/t2"]["status"] == "done"


def test_two_batches_in_one_folder_are_refused(study: Path) -> None:
    (study / "out").mkdir()
    with run._alone_in(study / "out"), pytest.raises(SpinalCordSegError, match="another"):
        _run(study)


def test_the_names_of_bids_derivatives(study: Path, make_scan: Make) -> None:
    dataset = study / "in" / "bids"
    for suffix in ("T1w", "T2w"):
        make_scan(dataset / "sub-1" / "anat" / f"sub-1_{suffix}.nii.gz", 4)
    (dataset / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    output = dataset / "derivatives" / "spinalcordseg"
    run_batch([dataset], output)
    made = sorted(p.name for p in (output / "sub-1" / "anat").glob("*_mask.*"))
    assert made == [
        f"sub-1_label-SC_desc-{suffix}_mask.{kind}"
        for suffix in ("T1w", "T2w")
        for kind in ("json", "nii.gz")
    ]
    sidecar = json.loads((output / "sub-1" / "anat" / made[0]).read_text())
    assert sidecar["Sources"] == ["bids:raw:sub-1/anat/sub-1_T1w.nii.gz"]
    description = json.loads((output / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"


def test_a_dicom_segmentation_of_each_series(study: Path, segmented: list[Any]) -> None:
    values = np.random.default_rng(0).integers(0, 99, (8, 16, 16), np.uint16)
    write_series(study / "dicom" / "x", sitk.GetImageFromArray(values), SeriesDescription="t2")
    settings = Settings(dicom_seg=True)
    with pytest.raises(InvalidArgument, match=r"nii.gz is not DICOM"):
        run_batch([study / "dicom", study / "in"], study / "out", settings)
    assert not segmented and not (study / "out").exists()
    run_batch([study / "dicom"], study / "out", settings)
    (record,) = read_records(study / "out")
    assert record.files["dicom_seg"] == "x/t2_seg.dcm"
    assert pydicom.dcmread(study / "out" / "x" / "t2_seg.dcm").Modality == "SEG"
    # It is a result, not a scan, where results lie among the inputs.
    with pytest.raises(InvalidArgument, match="no scan"):
        find_scans([study / "out"], study / "elsewhere")


def test_results_beside_a_series_do_not_make_it_look_changed(
    study: Path, segmented: list[Any]
) -> None:
    values = np.random.default_rng(0).integers(0, 99, (8, 16, 16), np.uint16)
    folder = write_series(study / "x", sitk.GetImageFromArray(values), SeriesDescription="t2")
    run_batch([folder], folder)
    summary = run_batch([folder], folder)
    assert (summary.new, summary.earlier, summary.changed) == (0, 1, 0)
    assert any(file.suffix == ".gz" for file in folder.iterdir())
    (folder / "1.dcm").unlink()
    assert run_batch([folder], folder).changed == 1


def test_volumes_with_diffusion_weighting_are_averaged(tmp_path: Path) -> None:
    table = tmp_path / "x.bval"
    table.write_text("0 5 1000 1000\n0 2000")
    assert worker.weighted_volumes(table) == [2, 3, 5]


def test_the_command_says_what_failed(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["batch", str(study / "in"), "-o", str(study / "out"), "--progress", "json"]
    assert main(command) == 0
    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1]["result"][0].endswith("batch.json")
    assert any("4 of 4 scans, 2 failed" in line.get("message", "") for line in lines)
    assert "2 of 4 scans failed" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_killed_in_the_middle_and_resumed(phantoms: Path) -> None:
    """The whole of it: real processes, the real networks, and SIGKILL after the first scan."""
    output = phantoms / "killed"
    command = [sys.executable, "-m", "SpinalCordSegLib", "batch", str(phantoms / "in")]
    command += ["--progress", "none"]
    first = subprocess.Popen([*command, "-o", str(output)], cwd=CHECKOUT)
    end = time.monotonic() + 300
    while not any(record.status == "done" for record in read_records(output)):
        assert time.monotonic() < end and first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(0.5)
    for path in output.rglob("*.nii.gz"):
        if ".spinalcordseg-batch" not in path.parts:
            sitk.ReadImage(path)
    kept = {p: p.stat().st_mtime_ns for p in output.glob("p0_*")}
    subprocess.run([*command, "-o", str(output)], cwd=CHECKOUT, check=True)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert [record.status for record in read_records(output)] == ["done"] * 3
    whole = phantoms / "whole"
    subprocess.run([*command, "-o", str(whole)], cwd=CHECKOUT, check=True)
    same = sorted(p.name for p in whole.glob("*") if p.suffix in (".gz", ".csv", ".nrrd"))
    assert len(same) == 3 * 4 + 2
    for name in set(same) - {"status.csv"}:
        one, other = ((folder / name).read_bytes() for folder in (whole, output))
        assert _undated(one) == _undated(other), name
    assert not list((output / ".spinalcordseg-batch").glob("staging/*"))
    shutil.rmtree(output)


def _undated(content: bytes) -> bytes:
    """Return a file without the comments of its header, one of which is the time of writing."""
    if not content.startswith(b"NRRD"):
        return content
    return b"\n".join(line for line in content.split(b"\n") if not line.startswith(b"# "))
