# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg weights``: what is asked, what is printed, and the exit statuses."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from SpinalCordSegLib.cli import main
from SpinalCordSegLib.weights import load_weights


def kept_in(folder: Path) -> list[str]:
    return sorted(set(os.listdir(folder)) - {".lock"}) if folder.exists() else []


def test_list(publisher: Any, weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    printed = capsys.readouterr()
    heading, *rows = printed.out.splitlines()
    assert heading.split() == ["NAME", "TASK", "CONTRAST", "STATE", "SIZE", "LICENCE"]
    assert {"cord", "centerline", "t1_sc", "t2_sc"} <= {row.split()[0] for row in rows}
    assert printed.err == ""
    assert not weights_folder.exists()


def test_fetch_import_and_verify(
    publisher: Any, weights_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", "t2_sc", "--yes"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(weights_folder / "t2_sc.safetensors")]
    assert printed.err == ""
    given = tmp_path / "t1_sc.h5"
    given.write_bytes(publisher.files["t1_sc"])
    assert main(["weights", "import", str(given), "--yes", "--progress", "none"]) == 0
    assert capsys.readouterr() == ("", "")
    assert load_weights("t1_sc").specification.threshold == 0.15
    assert main(["weights", "verify", "--progress", "json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert {Path(path).stem for path in json.loads(line)["result"]} >= {"t1_sc", "t2_sc", "cord"}


def test_progress_as_json(
    publisher: Any, weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", "sct", "--yes", "--progress", "json"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [Path(path).stem for path in lines[-1]["result"]] == ["t1_sc", "t2_sc"]
    assert all(set(line) == {"fraction", "message"} for line in lines[:-1])
    assert printed.err == ""


@pytest.mark.parametrize("action", ["fetch", "import"])
@pytest.mark.parametrize("style", ["bar", "json", "none"])
def test_without_a_terminal_consent_must_be_given_beforehand(
    publisher: Any,
    weights_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    action: str,
    style: str,
) -> None:
    given = tmp_path / "t2_sc.h5"
    given.write_bytes(publisher.files["t2_sc"])
    what = "t2_sc" if action == "fetch" else str(given)
    assert main(["weights", action, what, "--progress", style]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "consent" in sentence and "--yes" in sentence
    assert publisher.requests == []
    assert not weights_folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(("typed", "status"), [("y", 0), ("Yes", 0), ("n", 130), ("", 130)])
def test_on_a_terminal_a_person_is_asked(
    publisher: Any, weights_folder: Path, typed: str, status: int
) -> None:
    ours, theirs = os.openpty()
    with publisher.start("fetch", "t2_sc", stdin=theirs, stderr=theirs) as run:
        os.close(theirs)
        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(ours, 1000).decode()
        assert publisher.requests == []
        os.write(ours, f"{typed}\n".encode())
        while _more(ours):
            pass
        assert run.wait(timeout=60) == status
    os.close(ours)
    for expected in ("t2_sc", "MB", "Licence: none stated", "Please cite: Gros"):
        assert expected in shown
    assert kept_in(weights_folder) == (["t2_sc.safetensors"] if status == 0 else [])


@pytest.mark.parametrize(
    ("arguments", "status", "remedy"),
    [
        ("", 2, "--help"),
        ("unknown", 2, "--help"),
        ("fetch", 2, "--help"),
        ("fetch nothing --yes", 2, "weights list"),
        ("import ABSENT --yes", 4, "check its name"),
        ("import WRONG --yes", 4, "get it again"),
        ("import WRONG --like nothing", 4, "choose one of"),
        ("fetch t1_sc --yes", 4, "weights import FILE"),
    ],
)
def test_one_sentence_says_what_is_wrong_and_what_to_do(
    publisher: Any,
    weights_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    status: int,
    remedy: str,
) -> None:
    publisher.pages.clear()
    wrong = tmp_path / "t2_sc.h5"
    wrong.write_bytes(b"wrong")
    given = arguments.replace("ABSENT", str(tmp_path / "absent")).replace("WRONG", str(wrong))
    assert main(["weights", *given.split()]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    (sentence,) = printed.err.splitlines()
    assert remedy in sentence
    assert kept_in(weights_folder) == []


def test_verify_fails_on_a_corrupt_file(
    publisher: Any, weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", "t2_sc", "--yes", "--progress", "none"]) == 0
    path = weights_folder / "t2_sc.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert main(["weights", "verify"]) == 4
    (sentence,) = capsys.readouterr().err.splitlines()
    assert str(path) in sentence and "weights fetch t2_sc" in sentence
    assert main(["weights", "fetch", "t2_sc", "--yes", "--progress", "none"]) == 0
    assert main(["weights", "verify"]) == 0


def test_a_file_that_nobody_published(publisher: Any, weights_folder: Path, tmp_path: Path) -> None:
    given = tmp_path / "mine.h5"
    given.write_bytes(publisher.files["t2_sc"])
    publisher.registry["published"][1]["git_blob_sha1"] = "0" * 40
    assert main(["weights", "import", str(given), "--yes", "--progress", "none"]) == 4
    arguments = ["weights", "import", str(given), "--like", "t2_sc", "--progress", "none"]
    assert main(arguments) == 0
    assert load_weights("mine").specification.name == "mine"


def _more(terminal: int) -> bytes:
    """Read on; nothing when the other end has closed it."""
    try:
        return os.read(terminal, 1000)
    except OSError:
        return b""
