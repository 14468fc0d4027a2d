# SPDX-License-Identifier: Apache-2.0
"""What finding the cord costs, by the peer's procedure and by ours; and the whole cascade.

    python Testing/benchmarks/cascade.py

Both procedures run the same published network on one thread: ours with two passes of whole
slices and tiles, the peer's by tracking one tile a slice (``peer_centerline.py``), each followed
by OptiC. Every figure is a process of its own; the time to start Python and to read the image
and the weights is left out for the procedures and counted for the command.

Writes ``Testing/benchmarks/cascade.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("PROCEDURE", "IMAGE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(*arguments.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        text = report(images(Path(folder)), Path(folder))
    (FOLDER / "cascade.md").write_text(text, encoding="utf-8")
    print(text)


def images(folder: Path) -> dict[str, Path]:
    """Return the scan as it is, and made taller: padded with zeros, and with its mirror image."""
    scan = SHARED / "data" / "subj-a" / "t2w_full.nii.gz"
    image = sitk.ReadImage(str(scan))
    missing = 384 - image.GetSize()[1]
    below, above = [0, missing // 2, 0], [0, missing - missing // 2, 0]
    tall = {
        "padded with zeros to 384 x 384 x 52": sitk.ConstantPad(image, below, above, 0),
        "padded with its mirror image to 384 x 384 x 52": sitk.MirrorPad(image, below, above),
    }
    result = {"as it is, 384 x 185 x 52": scan}
    for number, (name, padded) in enumerate(tall.items()):
        result[name] = folder / f"tall{number}.nii.gz"
        sitk.WriteImage(padded, str(result[name]))
    return result


def report(scans: dict[str, Path], folder: Path) -> str:
    """Measure everything and return the page."""
    lines = [
        "# What the cascade costs",
        "",
        "Made by `python Testing/benchmarks/cascade.py`: subj-a t2w_full, T2w 1 mm.",
        "",
        "## Centerline, published network (t2_ctr) in both, one thread",
        "",
        f"Medians of {REPEATS} processes. CPU seconds of detection and curve, without start-up.",
        "",
        "| image | peer, CPU s | ours, CPU s | ratio | peer, peak MB | ours, peak MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, path in scans.items():
        peer, ours = (measure(procedure, path) for procedure in ("peer", "ours"))
        lines.append(
            f"| {name} | {peer['cpu']:.2f} | {ours['cpu']:.2f} | {peer['cpu'] / ours['cpu']:.1f} "
            f"| {peer['megabytes']:.0f} | {ours['megabytes']:.0f} |"
        )
    return "\n".join([*lines, *cord_section(scans, folder)])


def cord_section(scans: dict[str, Path], folder: Path) -> list[str]:
    """Measure the cascade as a whole; return that part of the page."""
    lines = [
        "",
        "## Cord end to end, default weights: `spinalcordseg segment`, 2 threads, start-up counted",
        "",
        "*After start-up*: `scs.segment` once more in a process that did it before, median of 3.",
        "",
        "| image | wall s | CPU s | peak MB | after start-up, wall s |",
        "|---|---|---|---|---|",
    ]
    for name, path in scans.items():
        wall, cpu, megabytes = command(path, folder)
        later = seconds_after_start(path)
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {megabytes:.0f} | {later:.1f} |")
    return [*lines, "", f"`import SpinalCordSegLib`: {import_seconds():.2f} s.", ""]


def measure(procedure: str, path: Path) -> dict[str, float]:
    """Return the median figures of a procedure, each run in a fresh process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    runs = []
    for _ in range(REPEATS):
        arguments = [sys.executable, __file__, "--one", procedure, str(path)]
        done = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def run_one(procedure: str, path: str) -> dict[str, float]:
    """Detect the cord once in this process; return CPU seconds and peak memory."""
    import numpy as np
    import torch
    from peer_centerline import peer_heatmap

    from SpinalCordSegLib.centerline.detect import detect_cord
    from SpinalCordSegLib.centerline.optic import optimal_path
    from SpinalCordSegLib.images import read_image
    from SpinalCordSegLib.weights import load_weights

    torch.set_num_threads(1)
    weights = load_weights(SHARED / "weights" / "t2_ctr.h5")
    image = read_image(path)
    start = time.process_time()
    if procedure == "peer":
        heat = peer_heatmap(image, weights.network, weights.specification, brain=False)
        optimal_path(np.asarray(heat), (0.5, 0.5, 1.0))
    else:
        detect_cord(image, weights)
    cpu = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": cpu, "megabytes": peak}


def command(path: Path, folder: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak MB of the command line, the fastest of 3 runs."""
    runs = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "SpinalCordSegLib", "segment", str(path)),
                *("-o", str(folder), "--overwrite", "--progress", "none", "--device", "cpu"),
            ],
            env=os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(CHECKOUT)},
        )
        # Of this process alone, which the usage of all children is not.
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            raise RuntimeError(f"segment ended with {os.waitstatus_to_exitcode(status)}")
        wall = time.perf_counter() - start
        runs.append((wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return min(runs)


def seconds_after_start(path: Path) -> float:
    """Return the wall seconds of `segment` in a process that has segmented the image already."""
    code = (
        "import statistics, sys, time, SpinalCordSegLib as scs\n"
        "image, times = scs.read_image(sys.argv[1]), []\n"
        "for _ in range(4):\n"
        "    start = time.perf_counter()\n"
        "    scs.segment(image, device='cpu')\n"
        "    times.append(time.perf_counter() - start)\n"
        "print(statistics.median(times[1:]))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(CHECKOUT)}
    arguments = [sys.executable, "-c", code, str(path)]
    return float(subprocess.check_output(arguments, env=environment, text=True))


def import_seconds() -> float:
    """Return the seconds that importing the package takes, the median of 5."""
    clock = "time.perf_counter()"
    code = f"import time; t = {clock}; import SpinalCordSegLib; print({clock} - t)"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    times = [
        float(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True))
        for _ in range(5)
    ]
    return statistics.median(times)


if __name__ == "__main__":
    main()
