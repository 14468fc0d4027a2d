# SPDX-License-Identifier: Apache-2.0
"""A cohort on one machine and on a local Dask cluster: the same results, and what they cost.

    python Testing/benchmarks/batch.py [--scans 40]

The cohort is made of the development scans by known transforms (flips, crops, resampling, noise);
one in ten is broken: cut short, no image, no cord, not finite. It runs with one job of one thread,
with two jobs, and on a Dask scheduler with two workers as separate processes, of which one is
killed in the middle; then a run is killed and repeated. Files are compared byte by byte, JSON and
the report without the seconds, NRRD without the comment that says when it was written.

Writes ``Testing/benchmarks/batch.md``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
SCANS = (
    "subj-a/t2w",
    "subj-b/t1w",
    "subj-c/t2s_uncropped",
    "subj-d/t2w_fakelesion",
    "subj-e/t2s_run1",
    "subj-f-ses1/t2s_run1",
)
COMMAND = [sys.executable, "-m", "SpinalCordSegLib", "batch"]
# Where the seconds of a run stand: they differ, everything else must not.
TIMED = ("batch.json", "status.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=40)
    parser.add_argument("--note", default="", help="the machine, and whether it was busy")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = make_cohort(folder / "cohort", arguments.scans)
        runs = {
            "one job, one thread": lambda out: run(cohort, out, one_core=True),
            "--jobs 2": lambda out: run(cohort, out, "--jobs", "2"),
            "Dask, two workers, one killed": lambda out: run_on_dask(cohort, out, folder),
            "--jobs 2, killed and repeated": lambda out: run_killed(cohort, out),
        }
        text = report(runs, folder, arguments.scans, arguments.note)
    (FOLDER / "batch.md").write_text(text, encoding="utf-8")
    print(text)


def make_cohort(folder: Path, count: int) -> Path:
    """Write `count` scans, every tenth of them (from the fourth on) broken."""
    folder.mkdir()
    for n in range(count):
        image = sitk.ReadImage(str(SHARED / "data" / f"{SCANS[n % len(SCANS)]}.nii.gz"))
        path = folder / f"s{n:03d}" / "scan.nii.gz"
        path.parent.mkdir()
        if n % 10 == 3:
            _write_broken(image, path, n // 10 % 4)
        else:
            sitk.WriteImage(_transformed(image, n), str(path))
    return folder


def report(
    runs: dict[str, Callable[[Path], dict[str, float]]], folder: Path, count: int, note: str
) -> str:
    """Run everything and return the page."""
    lines = [
        "# A cohort: the same results everywhere, and what they cost",
        "",
        f"Made by `python Testing/benchmarks/batch.py --scans {count}`. {note}".strip(),
        "",
        "| run | done | failed | CPU s a scan | wall s | peak MB a process | files that differ |",
        "|---|---|---|---|---|---|---|",
    ]
    reference = None
    reasons: list[str] = []
    for number, (title, start) in enumerate(runs.items()):
        out = folder / f"out{number}"
        cost = start(out)
        scans = json.loads((out / "batch.json").read_text())["scans"]
        done = sum(scan["status"] == "done" for scan in scans)
        content = contents(out)
        if reference is None:
            reference = content
            reasons = [f"- {s['id']}: {s['reason']}" for s in scans if s["status"] == "failed"]
        names = reference.keys() | content.keys()
        differ = sum(reference.get(name) != content.get(name) for name in names)
        lines.append(
            f"| {title} | {done} | {len(scans) - done} | {_number(cost, 'cpu', count)} | "
            f"{cost['wall']:.0f} | {_number(cost, 'peak')} | {differ} of {len(names)} |"
        )
        shutil.rmtree(out)
    return "\n".join([*lines, "", "Failed, with their reasons:", "", *reasons, ""])


def run(cohort: Path, out: Path, *options: str, one_core: bool = False) -> dict[str, float]:
    """Run the command and return CPU and wall seconds and the peak memory of a process, MB."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()

    def keep_to_one_core() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    subprocess.run(
        [*COMMAND, str(cohort), "-o", str(out), "--progress", "none", *options],
        cwd=CHECKOUT,
        check=True,
        stderr=subprocess.DEVNULL,
        preexec_fn=keep_to_one_core if one_core else None,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": time.perf_counter() - start, "peak": after.ru_maxrss / 1024}


def run_on_dask(cohort: Path, out: Path, folder: Path) -> dict[str, float]:
    """Run on a scheduler and two workers; kill one after the first scans."""
    file = folder / "scheduler.json"
    at = ["--scheduler-file", str(file)]
    dask = [sys.executable, "-m", "dask"]
    started = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *at])]
    worker = [*dask, "worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", *at]
    started += [subprocess.Popen(worker, cwd=CHECKOUT) for _ in range(2)]
    try:
        while not file.exists() or not file.read_text():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        killer = threading.Thread(target=_kill_after, args=(started[1], out, 2), daemon=True)
        killer.start()
        start = time.perf_counter()
        run(cohort, out, "--scheduler", address)
        return {"wall": time.perf_counter() - start}
    finally:
        for process in started:
            process.kill()
            process.wait()


def run_killed(cohort: Path, out: Path) -> dict[str, float]:
    """Kill a run after the first scans; repeat it, and make sure that nothing is done twice."""
    start = time.perf_counter()
    command = [*COMMAND, str(cohort), "-o", str(out), "--progress", "none", "--jobs", "2"]
    first = subprocess.Popen(command, cwd=CHECKOUT)
    _kill_after(first, out, 3)
    first.wait()
    time.sleep(1)
    kept = {path: path.stat().st_mtime_ns for path in _finished(out)}
    assert kept
    for path in out.glob("s*/*.nii.gz"):
        with gzip.open(path) as file:
            file.read()
    run(cohort, out, "--jobs", "2")
    assert kept == {path: path.stat().st_mtime_ns for path in kept}, "a finished scan was redone"
    return {"wall": time.perf_counter() - start}


def contents(out: Path) -> dict[str, str]:
    """Return a hash of every result, without the seconds."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_dir() or name in TIMED or name.startswith("."):
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(_without_seconds(json.loads(data))).encode()
        elif path.suffix == ".html":
            data = re.sub(rb'"seconds":[0-9.]+', b"", data)
        elif path.suffix == ".nrrd":
            data = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"# "))
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def _number(cost: dict[str, float], name: str, count: int = 1) -> str:
    return f"{cost[name] / count:.2f}" if name in cost else "-"


def _transformed(image: sitk.Image, n: int) -> sitk.Image:
    rng = np.random.default_rng(n)
    if n // 6 % 2:
        image = sitk.DICOMOrient(image, ("RAI", "ASL", "LPS")[n % 3])
    if n // 6 % 3 == 1:
        size = [int(s * 0.9) if s > 30 else s for s in image.GetSize()]
        image = sitk.RegionOfInterest(image, size, [0, 0, 0])
    if n // 6 % 3 == 2:
        spacing = [s * 1.15 for s in image.GetSpacing()]
        size = [max(1, round(s / 1.15)) for s in image.GetSize()]
        image = sitk.Resample(
            sitk.Cast(image, sitk.sitkFloat32),
            size,
            sitk.Transform(),
            sitk.sitkLinear,
            image.GetOrigin(),
            spacing,
            image.GetDirection(),
        )
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    noisy = sitk.GetImageFromArray(array + rng.normal(0, 0.02 * array.std(), array.shape))
    noisy.CopyInformation(image)
    return sitk.Cast(noisy, sitk.sitkFloat32)


def _write_broken(image: sitk.Image, path: Path, kind: int) -> None:
    sitk.WriteImage(image, str(path))
    if kind == 0:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == 1:
        path.write_bytes(b"this is no image")
    elif kind == 2:
        sitk.WriteImage(image * 0, str(path))
    else:
        sitk.WriteImage(sitk.Cast(image * 0, sitk.sitkFloat32) / 0.0, str(path))


def _kill_after(process: subprocess.Popen[Any], out: Path, scans: int) -> None:
    while len(list(_finished(out))) < scans and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)


def _finished(out: Path) -> list[Path]:
    from SpinalCordSegLib.batch.records import read_records

    done = [record for record in read_records(out) if record.status == "done"]
    return [out / record.files["cord"] for record in done]


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(v) for key, v in value.items() if key != "seconds"}
    return [_without_seconds(v) for v in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
