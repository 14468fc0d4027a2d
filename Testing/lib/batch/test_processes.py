# SPDX-License-Identifier: Apache-2.0
"""Processes that do tasks, die over them, and end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from SpinalCordSegLib.batch.processes import run_on_processes
from SpinalCordSegLib.batch.threads import threads_each

# What the processes do; they import it by its name.
WORK = """
import os, signal, time
from pathlib import Path

def work(task):
    name, folder = task
    tried = Path(folder) / "tried"
    if name == "poison":
        # On a slow machine it might come before the unlucky one was tried.
        while not tried.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "unlucky" and not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "wrong":
        raise ValueError("wrong")
    if name == "endless":
        (Path(folder) / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    return name.upper()

def threads(_):
    import cv2, SimpleITK, torch
    itk = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    return torch.get_num_threads(), cv2.getNumThreads(), itk
"""

ENDLESS = """
import sys
sys.path.insert(0, sys.argv[1])
from batch_work import work
from SpinalCordSegLib.batch.processes import run_on_processes

if __name__ == "__main__":
    list(run_on_processes(work, [("endless", sys.argv[1])], 1))
"""

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "batch_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "batch_work", raising=False)
    import batch_work

    return batch_work


def test_a_process_that_dies_loses_nothing_but_its_task(module: ModuleType, tmp_path: Path) -> None:
    names = ["a", "unlucky", "b", "poison", "c"]
    tasks = [(name, str(tmp_path)) for name in names]
    found = {task[0]: made for task, made in run_on_processes(module.work, tasks, 2)}
    assert found == {"a": "A", "unlucky": "UNLUCKY", "b": "B", "poison": None, "c": "C"}


def test_the_cores_are_divided(module: ModuleType) -> None:
    each = threads_each(2)
    assert list(run_on_processes(module.threads, [0], 2)) == [(0, (each, each, each))]


def test_what_a_task_raises_is_raised(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="wrong"):
        list(run_on_processes(module.work, [("wrong", "")], 1))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_processes_end_with_the_one_that_started_them(module: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment)
    pid_file = tmp_path / "pid"
    _wait_for(lambda: pid_file.exists() and pid_file.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not _alive(int(pid_file.read_text())))


def _wait_for(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
