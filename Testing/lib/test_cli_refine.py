# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg refine``, and ``segment --refine``: a cord of 6 mm radius on 4 slices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.cli import main


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    down, right = np.indices((60, 60)) - 29.5
    noise = np.random.default_rng(0).normal(0, 10, (4, 60, 60))
    image = np.where(np.hypot(down, right) < 12, 100, 300) + noise
    _write(image.astype(np.float32), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    down, right = np.indices((60, 60)) - 29.5
    shifted = np.repeat((np.hypot(down - 3, right) < 12)[None], 4, axis=0)
    _write(shifted.astype(np.uint8), tmp_path / "mask.nii.gz")
    return tmp_path / "mask.nii.gz"


def _write(values: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.5, 3.0))
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("name", ["new.nii.gz", "new.nii", "new.nrrd", "new.mha"])
def test_refine_writes_a_mask(
    scan: Path, mask: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / name
    assert main(["refine", str(scan), str(mask), "-o", str(output), "--method", "drlse"]) == 0
    assert capsys.readouterr().out.split() == [str(output)]
    assert [path.name for path in output.parent.iterdir()] == [name]
    written = sitk.ReadImage(str(output))
    assert written.GetPixelID() == sitk.sitkUInt8
    library = scs.refine(scs.read_image(scan), sitk.ReadImage(str(mask)), "drlse").mask
    assert np.array_equal(*(sitk.GetArrayFromImage(each) for each in (written, library)))


def test_refine_takes_slices_and_reports_progress(
    scan: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new.nii.gz"
    command = ["refine", str(scan), str(mask), "-o", str(output), "--slices", "0-1, 3"]
    assert main([*command, "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"result": [str(output)]}
    fractions = [line["fraction"] for line in lines[:-1]]
    assert len(fractions) >= 3 and fractions == sorted(fractions)
    old, new = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (mask, output))
    assert np.flatnonzero((old != new).any(axis=(1, 2))).tolist() == [0, 1, 3]


def test_refine_replaces_a_file_only_when_told(
    scan: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = mask.read_bytes()
    command = ["refine", str(scan), str(mask), "-o", str(mask)]
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert mask.read_bytes() == before
    assert main([*command, "--overwrite"]) == 0
    assert mask.read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "new.txt"], "nii.gz"),
        (["-o", "new.nii.gz", "--slices", "5-2"], "slices"),
        (["-o", "new.nii.gz", "--slices", "9"], "0 to 3"),
        (["-o", "new.nii.gz", "--slices", "0-999999999"], "999999999"),
        (["-o", "new.nii.gz", "--method", "snake"], "snake"),
        ([], "-o"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    scan: Path,
    mask: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    there = sorted(path.name for path in tmp_path.iterdir())
    assert main(["refine", str(scan), str(mask), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == there


def test_segment_can_refine(checkout: Path) -> None:
    folder = checkout / "Resources" / "sample"
    image = sitk.ReadImage(str(folder / "phantom_t2w.nii.gz"))[:, 60:90, :]
    told: list[tuple[float, str]] = []
    plain = scs.segment(image, device="cpu")
    refined = scs.segment(
        image, refine="grlse", device="cpu", progress=lambda *step: told.append(step)
    )
    # What is told of can be cancelled.
    assert "refining the outline" in {message for _, message in told}
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    outcomes = refined.provenance["parameters"]["refine_outcomes"]
    slices = sitk.GetArrayFromImage(plain.masks["cord"]).any(axis=(0, 2)).sum()
    assert sum(outcomes.values()) == slices
    assert plain.provenance["parameters"]["refine"] == "none"
    assert refined.provenance["parameters"]["refine"] == "grlse"
    expected = scs.refine(image, plain.masks["cord"]).mask
    found = refined.masks["cord"]
    assert np.array_equal(*(sitk.GetArrayFromImage(each) for each in (expected, found)))
    indices = [item.slice_index for item in refined.review]
    assert len(indices) == len(set(indices))
    severities = [item.severity for item in refined.review]
    assert severities == sorted(severities, reverse=True)
