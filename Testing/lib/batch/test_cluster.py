# SPDX-License-Identifier: Apache-2.0
"""A Dask cluster of separate processes on this machine, one of whose workers is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from SpinalCordSegLib.batch import cluster
from SpinalCordSegLib.errors import InvalidArgument

pytest.importorskip("distributed")

WORK = """
import os, signal
from pathlib import Path

def work(task):
    name, folder = task
    if name == "unlucky" and not (Path(folder) / "tried").exists():
        (Path(folder) / "tried").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()
"""
CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "cluster_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"}
    file = tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["worker", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    started = []

    def start(arguments: list[str]) -> None:
        command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(file)]
        started.append(subprocess.Popen(command, env=environment, cwd=tmp_path))

    start(scheduler)
    for _ in range(2):
        start(worker)
    try:
        end = time.monotonic() + 120
        while not file.exists() or not file.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        import json

        yield json.loads(file.read_text())["address"]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_worker_that_dies_loses_nothing(address: str, tmp_path: Path) -> None:
    from cluster_work import work

    assert address.startswith("tcp://127.0.0.1")
    tasks = [(name, str(tmp_path)) for name in ("a", "unlucky", "b")]
    with cluster.scheduler_at(address) as client:
        found = {task[0]: made for task, made in cluster.run_on_cluster(work, tasks, client)}
    assert found == {"a": "A", "unlucky": "UNLUCKY", "b": "B"}


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 1)
    with pytest.raises(cluster.ClusterLost, match="no Dask scheduler answers"):
        cluster.scheduler_at("tcp://127.0.0.1:1").__enter__()


def test_slurm_listens_on_no_network_untold() -> None:
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(InvalidArgument, match="which network"):
        cluster.slurm(2, 1, None).__enter__()
