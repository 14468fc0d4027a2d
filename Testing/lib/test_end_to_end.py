# SPDX-License-Identifier: Apache-2.0
"""The command as users run it: a process of its own, the real networks, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """A third of the phantom's height: as good, and faster."""
    path = tmp_path_factory.mktemp("scan") / "neck.nii.gz"
    whole = sitk.ReadImage(str(checkout / "Resources" / "sample" / "phantom_t2w.nii.gz"))
    sitk.WriteImage(whole[:, 60:120, :], str(path))
    return path


def start(arguments: Sequence[str | Path], checkout: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "SpinalCordSegLib", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )


def run(arguments: Sequence[str | Path], checkout: Path) -> tuple[int, str, str]:
    process = start(arguments, checkout)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_scan_becomes_files_with_progress_as_json(
    scan: Path, tmp_path: Path, checkout: Path
) -> None:
    status, out, err = run(["segment", scan, "-o", tmp_path, "--progress", "json"], checkout)
    assert status == 0 and err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    fractions = [line["fraction"] for line in lines[:-1]]
    assert fractions == sorted(fractions)
    written = {Path(path).name for path in lines[-1]["result"]}
    assert written == {path.name for path in tmp_path.iterdir()} and len(written) == 6
    mask = sitk.ReadImage(str(tmp_path / "neck_label-SC_mask.nii.gz"))
    image = sitk.ReadImage(str(scan))
    assert mask.GetSize() == image.GetSize()
    assert np.allclose(mask.GetDirection(), image.GetDirection())
    assert 3500 < sitk.GetArrayFromImage(mask).sum() < 6000

    again, _, sentence = run(["segment", scan, "-o", tmp_path, "--progress", "none"], checkout)
    assert again == 2 and "--overwrite" in sentence


def test_an_image_without_a_cord(tmp_path: Path, checkout: Path) -> None:
    noise = np.random.default_rng(1).normal(100, 20, (30, 80, 80)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(tmp_path / "noise.nii.gz"))
    output = tmp_path / "out"
    status, out, err = run(["segment", tmp_path / "noise.nii.gz", "-o", output], checkout)
    assert status == 3 and out == ""
    assert "no spinal cord was found" in err.splitlines()[-1]
    assert not output.exists() or not any(output.iterdir())


def test_corrupt_weights(scan: Path, tmp_path: Path, checkout: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"\x10" * 200)
    output = tmp_path / "out"
    arguments = ["segment", scan, "-o", output, "--weights", weights, "--progress", "none"]
    status, _, err = run(arguments, checkout)
    assert status == 4 and len(err.strip().splitlines()) == 1 and "mine.safetensors" in err


def test_a_truncated_scan(scan: Path, tmp_path: Path, checkout: Path) -> None:
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(scan.read_bytes()[:20_000])
    status, _, err = run(["segment", cut, "-o", tmp_path, "--progress", "none"], checkout)
    assert status == 2 and len(err.strip().splitlines()) == 1 and "cut.nii.gz" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT between processes")
def test_ctrl_c_in_the_middle_leaves_nothing(scan: Path, tmp_path: Path, checkout: Path) -> None:
    output = tmp_path / "out"
    process = start(["segment", scan, "-o", output, "--progress", "json"], checkout)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("fraction", 0) > 0.1:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "cancelled" in err
    assert json.loads(out.splitlines()[-1])["error"] == 130
    assert not output.exists() or not any(output.iterdir())
