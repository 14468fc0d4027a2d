# SPDX-License-Identifier: Apache-2.0
"""What a batch makes of a BIDS dataset, judged by the schema of BIDS."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SpinalCordSegLib.batch import run
from SpinalCordSegLib.batch.run import run_batch
from SpinalCordSegLib.batch.settings import Settings

VALIDATOR = shutil.which("bids-validator-deno") or shutil.which(
    "bids-validator-deno", path=str(Path(sys.executable).parent)
)


@pytest.mark.skipif(VALIDATOR is None, reason="no bids-validator-deno")
def test_the_validator_finds_no_error(
    tmp_path: Path,
    make_scan: Callable[..., Path],
    segmented: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one_by_one(function: Callable[[Any], Any], tasks: list[Any], jobs: int) -> Iterator[Any]:
        return ((task, function(task)) for task in tasks)

    monkeypatch.setattr(run, "run_on_processes", one_by_one)
    raw = tmp_path / "raw"
    for name in (
        "sub-1/anat/sub-1_T1w",
        "sub-1/anat/sub-1_T2w",
        "sub-2/ses-a/anat/sub-2_ses-a_acq-ax_T2starw",
        "sub-2/ses-a/anat/sub-2_ses-a_mt-on_MTS",
    ):
        make_scan(raw / f"{name}.nii.gz", 1)
    (raw / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    output = tmp_path / "spinalcordseg"
    assert run_batch([raw], output, Settings(soft=True)).new == 4
    judged = subprocess.run(
        [str(VALIDATOR), str(output), "--format", "json"], capture_output=True, text=True
    )
    issues = json.loads(judged.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue.get("severity") == "error"]
    assert not errors, json.dumps(errors, indent=1)
