# SPDX-License-Identifier: Apache-2.0
"""Published weights from inside Slicer: told about, fetched, imported, cancelled, deleted."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from SpinalCordSegCore import weights
from SpinalCordSegCore.command_run import CommandRun
from SpinalCordSegCore.messages import Failure

_FETCHING = """
import json, sys, time
print(json.dumps({"fraction": 0.5, "message": "fetching t2_ctr"}), flush=True)
if "slowly" in sys.argv:
    time.sleep(60)
if "offline" in sys.argv:
    print(json.dumps({"error": 4, "message": "t2_ctr is out of reach", "remedy": "?"}), flush=True)
    sys.exit(4)
print(json.dumps({"result": ["t2_ctr.safetensors"]}), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights."""
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


class Ending:
    """Keeps how a run ended."""

    def __init__(self) -> None:
        self.files: Any = None
        self.failure: Failure | None = None

    def __call__(self, files: Any, failure: Failure | None) -> None:
        self.files, self.failure = files, failure


def finish(run: CommandRun) -> None:
    end = time.monotonic() + 30
    while run.isRunning and time.monotonic() < end:
        run.poll()
        time.sleep(0.02)
    assert not run.isRunning


def command(*how: str) -> list[str]:
    return [sys.executable, "-c", _FETCHING, *how]


def test_the_offer_says_size_licence_and_citation(folder: Path) -> None:
    text = weights.offer("sct")
    assert text is not None
    for told in ("t2_ctr", "1.6 MB", "Licence: none stated", "Gros et al.", str(folder)):
        assert told in text


def test_nothing_is_offered_that_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from SpinalCordSegLib.weights import install

    monkeypatch.setattr(install, "is_installed", lambda entry: True)
    assert weights.offer("sct") is None


def test_a_file_that_holds_no_weights_is_not_offered(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.h5").write_text("dear reader")
    with pytest.raises(Failure) as failed:
        weights.import_offer(str(tmp_path / "letter.h5"))
    assert failed.value.kind == "weights"


def test_a_download_is_followed_to_its_end(folder: Path) -> None:
    steps: list[tuple[float, str]] = []
    ending = Ending()
    run = weights.fetch("sct", lambda *step: steps.append(step), ending, command())
    finish(run)
    assert steps == [(0.5, "fetching t2_ctr")]
    assert [path.name for path in ending.files] == ["t2_ctr.safetensors"]
    assert ending.failure is None
    assert "--yes" in run.log


def test_without_a_network_the_user_is_told_what_to_do(folder: Path) -> None:
    ending = Ending()
    finish(weights.fetch("sct", None, ending, command("offline")))
    assert ending.files is None
    assert ending.failure is not None
    assert ending.failure.kind == "weights"
    assert "import" in ending.failure.remedy


def test_a_cancelled_download_leaves_no_process(folder: Path) -> None:
    ending = Ending()
    run = weights.fetch("sct", None, ending, command("slowly"))
    start = time.monotonic()
    run.cancel()
    assert time.monotonic() - start < 1.5
    assert not run.isRunning
    assert ending.failure is not None
    assert ending.failure.kind == "cancelled"


def test_clearing_takes_the_weights_alone(folder: Path) -> None:
    folder.mkdir()
    for name in ("t2_ctr.safetensors", ".t2_sc.h5.part", "letter.txt"):
        (folder / name).write_bytes(b"0" * 100)
    assert weights.cached_bytes() == 200
    assert weights.clear() == 200
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    assert weights.clear() == 0


def test_published_weights_are_imported_from_a_file(shared: Path, folder: Path) -> None:
    path = next((shared / "weights").rglob("t2_ctr.h5"))
    assert "t2_ctr" in weights.import_offer(str(path))
    ending = Ending()
    finish(weights.import_files(str(path), None, ending))
    assert ending.failure is None
    assert (folder / "t2_ctr.safetensors").is_file()
    assert weights.cached_bytes() > 100_000
