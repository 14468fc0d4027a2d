# SPDX-License-Identifier: Apache-2.0
"""The worker is followed, cancelled and survived: no process, no file, no change of the scene."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene as scenes
from SpinalCordSegCore.logic import SpinalCordSegLogic
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.private_folder import PrivateFolder, remove_leftovers
from SpinalCordSegCore.run import Run
from SpinalCordSegCore.worker import Worker

POSIX = os.name == "posix"

# Says how far it is, starts a process of its own that sleeps, writes a file, and stays.
BUSY = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
pathlib.Path(sys.argv[sys.argv.index("-o") + 1] + ".part").write_bytes(bytes(1000))
print('{"fraction": 0.25, "message": "%d"}' % child.pid, flush=True)
time.sleep(120)
"""
# As stubborn: it does not listen when it is asked to end.
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + BUSY


class Following:
    """A run, and what it told."""

    def __init__(self, scene: Any, command: list[str] | None, image: Path | None = None) -> None:
        self.volume = (
            scenes.add_volume(scene, image)
            if image
            else scenes.add_array(scene, np.ones((4, 4, 4), np.int16), np.eye(4))
        )
        self.before = scenes.nodes(scene)
        self.steps: list[tuple[float, str]] = []
        self.ends: list[tuple[Any, Failure | None]] = []
        run = SpinalCordSegLogic(command).segment(
            self.volume,
            wait=False,
            progress=lambda *step: self.steps.append(step),
            finished=lambda *end: self.ends.append(end),
        )
        assert isinstance(run, Run)
        self.run = run

    def until(self, true: Callable[[], bool]) -> None:
        """Poll until something is true, for half a minute at most."""
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline
            self.run.poll()
            time.sleep(0.02)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    # A zombie whose parent has not waited yet is gone all the same.
    if not Path("/proc/self/stat").exists():
        return True
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("script", [BUSY, STUBBORN], ids=["listening", "stubborn"])
def test_cancelled_within_a_second_without_a_trace(
    scene: Any, private_parent: Path, script: str
) -> None:
    following = Following(scene, [sys.executable, "-c", script])
    following.until(lambda: bool(following.steps))
    child = int(following.steps[0][1])
    assert _lives(child)
    (folder,) = private_parent.iterdir()
    assert (folder / "result.part").exists()
    start = time.monotonic()
    following.run.cancel()
    # The kernel may take a moment to end what was killed.
    while _lives(child) and time.monotonic() - start < 1.0:
        time.sleep(0.01)
    assert time.monotonic() - start < 1.0
    assert not _lives(child)
    assert not _lives(following.run._worker.pid)
    assert list(private_parent.iterdir()) == []
    assert scenes.nodes(scene) == following.before
    ((outcome, failure),) = following.ends
    assert outcome is None
    assert str(failure) == "the run was cancelled; press Apply to start again."
    following.run.cancel()
    following.run.poll()
    assert len(following.ends) == 1


@pytest.mark.skipif(not POSIX, reason="signals are those of POSIX")
def test_the_real_worker_killed_midway(scene: Any, checkout: Path, private_parent: Path) -> None:
    following = Following(scene, None, checkout / "Resources/sample/phantom_t2w.nii.gz")
    following.until(lambda: len(following.steps) >= 2)
    os.kill(following.run._worker.pid, signal.SIGKILL)
    following.until(lambda: bool(following.ends))
    ((outcome, failure),) = following.ends
    assert outcome is None
    assert failure is not None
    assert failure.kind == "crash"
    assert str(failure) == (
        "the process that segments was ended by signal 9 before it was done; the scene is as it "
        "was; close other programs to free memory and press Apply again; if it happens again, "
        "copy the log and report it."
    )
    assert scenes.nodes(scene) == following.before
    assert list(private_parent.iterdir()) == []
    assert not following.run.isRunning


def test_asking_never_waits(scene: Any, private_parent: Path) -> None:
    following = Following(scene, [sys.executable, "-c", BUSY])
    longest = 0.0
    for _ in range(20):
        start = time.monotonic()
        following.run.poll()
        longest = max(longest, time.monotonic() - start)
        time.sleep(0.01)
    following.run.cancel()
    assert longest < 0.2
    assert following.run.secondsElapsed < 5


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("raise SystemExit(3)", "crash"),
        ("print('no json'); print('{\"result\": []}')", "internal"),
        ("import torch_that_is_missing", "crash"),
        ("print('{\"error\": 1, \"message\": \"this should not have happened (ModuleNotFoundError: "
         "No module named \\'torch\\')\", \"remedy\": \"\"}')", "torch"),
        ("print('{\"error\": 1, \"message\": \"(ModuleNotFoundError: "
         "No module named \\'cv2\\')\", \"remedy\": \"\"}')", "library"),
    ],
    ids=["status", "nothing written", "cannot start", "no torch", "no cv2"],
)  # fmt: skip
def test_what_is_not_whole_changes_nothing(
    scene: Any, private_parent: Path, script: str, kind: str
) -> None:
    following = Following(scene, [sys.executable, "-c", script])
    following.until(lambda: bool(following.ends))
    ((outcome, failure),) = following.ends
    assert outcome is None
    assert failure is not None
    assert failure.kind == kind
    assert scenes.nodes(scene) == following.before
    assert list(private_parent.iterdir()) == []


def test_what_cannot_be_started_says_so(scene: Any, private_parent: Path) -> None:
    with pytest.raises(Failure, match="could not be started"):
        Following(scene, ["no-such-python"])
    assert list(private_parent.iterdir()) == []


def test_a_full_disk_is_told_before_anything_starts(
    scene: Any, private_parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "SpinalCordSegCore.volume.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})
    )
    with pytest.raises(Failure) as caught:
        Following(scene, None)
    assert caught.value.kind == "no_disk"
    assert str(caught.value) == (
        f"there is no room for temporary files in the folder {private_parent}; free some space, "
        "or choose another temporary folder in the application settings."
    )
    assert list(private_parent.iterdir()) == []


def test_the_log_tells_what_was_started_and_said(scene: Any, private_parent: Path) -> None:
    script = "import sys; print('warning: dark', file=sys.stderr); print('{\"result\": []}')"
    following = Following(scene, [sys.executable, "-c", script])
    following.until(lambda: bool(following.ends))
    assert "segment" in following.run.log
    assert "warning: dark" in following.run.log


# Makes a private folder with a file in it and dies as if by a crash.
CRASHING = """
import os, pathlib, sys
from SpinalCordSegCore.private_folder import PrivateFolder
folder = PrivateFolder(pathlib.Path(sys.argv[1]))
(folder.path / "scan.nrrd").write_bytes(b"private")
print(folder.path, flush=True)
os._exit(1)
"""


def test_what_a_crashed_session_left_is_removed(checkout: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(checkout), str(checkout / "SpinalCordSeg")])
    said = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    left = Path(said.stdout.strip())
    assert (left / "scan.nrrd").exists()
    in_use = PrivateFolder(tmp_path)
    for folder in (left, in_use.path):
        os.utime(folder, (0, 0))
    stranger = tmp_path / "spinalcordseg-of-another-kind"
    stranger.mkdir()
    os.utime(stranger, (0, 0))
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([in_use.path, stranger])
    in_use.remove()
    assert list(tmp_path.iterdir()) == [stranger]


def test_the_command_is_the_librarys(private_parent: Path) -> None:
    worker = Worker(["weights", "verify", "--nonsense"])
    deadline = time.monotonic() + 20
    while worker.end() is None and time.monotonic() < deadline:
        worker.progress()
        time.sleep(0.02)
    end = worker.end()
    assert end is not None
    assert end.status == 2
    assert end.error is not None
    assert "--nonsense" in end.error["message"]


# Removes its file when it is asked to end, as a download does.
TIDY = """
import pathlib, signal, sys, time
part = pathlib.Path(sys.argv[1])
part.write_text("half")
def end(*_):
    part.unlink()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
print('{"fraction": 0.5, "message": "ready"}', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not POSIX, reason="signals are those of POSIX")
@pytest.mark.parametrize("at_once", [False, True])
def test_a_worker_may_tidy_up_unless_it_has_to_end_at_once(tmp_path: Path, at_once: bool) -> None:
    part = tmp_path / "part"
    worker = Worker([str(part)], [sys.executable, "-c", TIDY])
    deadline = time.monotonic() + 20
    while not worker.progress() and time.monotonic() < deadline:
        time.sleep(0.02)
    worker.kill(atOnce=at_once)
    assert not _lives(worker.pid)
    assert part.exists() == at_once
