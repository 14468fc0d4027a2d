# SPDX-License-Identifier: Apache-2.0
"""What the gray matter costs, by the published procedure and by ours, and how memory grows.

    python Testing/benchmarks/gray_matter.py

Both procedures run the same published network on one thread, in processes of their own. CPU
seconds and memory count from the moment when image, weights and centerline are there.

Writes ``Testing/benchmarks/gray_matter.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
REPEATS = 3
MADE_UP = (10, 100, 1000)
MOST_FOR_PUBLISHED = 100

# Perone 2018: 4,676 slices of 200 x 200 in 25 s on a Tesla P100. Measured on fewer, and scaled.
PAPERS_SLICES, PAPERS_SECONDS = 4676, 25
MEASURED_SLICES = {"gray_matter": 400, "challenge_model": 100}

# Freed memory otherwise stays with the process in amounts that chance decides.
_THRIFTY = {"MALLOC_MMAP_THRESHOLD_": "131072"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, metavar=("PROCEDURE", "WEIGHTS", "IMAGE"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(*arguments.one)))
        return
    text = report()
    (FOLDER / "gray_matter.md").write_text(text, encoding="utf-8")
    print(text)


def report() -> str:
    """Measure everything and return the page."""
    lines = [
        "# What the gray matter costs",
        "",
        "Made by `python Testing/benchmarks/gray_matter.py`. One thread. Ours computes the middle",
        "24 mm of each slice, the published procedure all 50 mm; the weights are the same.",
        "",
        f"## CPU seconds a slice, subj-c t2s_uncropped, 11 slices (medians of {REPEATS} processes)",
        "",
        "| weights | published procedure | ours | ratio |",
        "|---|---|---|---|",
    ]
    scan = str(SHARED / "data" / "subj-c" / "t2s_uncropped.nii.gz")
    for weights in ("challenge_model", "large_model"):
        peer, ours = (
            statistics.median(measure(how, weights, scan)["cpu"] / 11 for _ in range(REPEATS))
            for how in ("published", "ours")
        )
        lines.append(f"| {weights} | {peer:.3f} | {ours:.3f} | {peer / ours:.1f} |")
    lines += [
        "",
        "## Peak memory, slices of 200 x 200 voxels of 0.25 mm, challenge_model",
        "",
        "Peak resident memory less what was resident with the image loaded, float32. The C library",
        "is told to give freed memory back at once, so that what is counted is what is used. The",
        "published procedure is our port of it, four slices at a time; the tool itself sends all",
        "of them through the network at once since 5.7.",
        "",
        "| slices | ours, MB | of which the mask | the rest | published procedure, MB |",
        "|---|---|---|---|---|",
    ]
    for slices in MADE_UP:
        ours = measure("ours", "challenge_model", str(slices), _THRIFTY)["megabytes"]
        peer = "not run"
        if slices <= MOST_FOR_PUBLISHED:
            figures = measure("published", "challenge_model", str(slices), _THRIFTY)
            peer = f"{figures['megabytes']:.0f}"
        mask = slices * 200 * 200 / 2**20
        lines.append(f"| {slices} | {ours:.0f} | {mask:.1f} | {ours - mask:.0f} | {peer} |")
    return "\n".join([*lines, *papers_slices()])


def papers_slices() -> list[str]:
    """Measure what the paper's set of slices takes; return that part of the page."""
    lines = [
        "",
        f"## {PAPERS_SLICES:,} slices of 200 x 200 voxels of 0.25 mm, as in Perone 2018",
        "",
        f"The paper: {PAPERS_SECONDS} s on a Tesla P100. Here on one thread of a CPU that others",
        "used at the same time, on fewer slices and scaled: start-up is left out, so that CPU",
        "seconds grow with the number of slices. No GPU was at hand.",
        "",
        "| weights | procedure | slices measured | CPU s a slice | CPU s for all |",
        "|---|---|---|---|---|",
    ]
    for weights, count in MEASURED_SLICES.items():
        for procedure in ("ours", "published"):
            if procedure == "published" and weights == "gray_matter":
                continue
            slice_seconds = measure(procedure, weights, str(count))["cpu"] / count
            lines.append(
                f"| {weights} | {procedure} | {count} | {slice_seconds:.3f} "
                f"| {PAPERS_SLICES * slice_seconds:.0f} |"
            )
    return [*lines, ""]


def measure(
    procedure: str, weights: str, image: str, settings: dict[str, str] | None = None
) -> dict[str, float]:
    """Return the figures of a procedure run in a fresh process, with settings of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    environment |= settings or {}
    done = subprocess.run(
        [sys.executable, __file__, "--one", procedure, weights, image],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_one(procedure: str, weights: str, image: str) -> dict[str, float]:
    """Outline the gray matter once in this process; return CPU seconds and memory."""
    import torch

    from SpinalCordSegLib.images import read_image
    from SpinalCordSegLib.pipeline import detect_centerline
    from SpinalCordSegLib.segmentation.gray_matter import segment_gray_matter
    from SpinalCordSegLib.segmentation.published.gray_matter import published_gray_matter
    from SpinalCordSegLib.weights import load_weights

    torch.set_num_threads(1)
    published = SHARED / "weights" / f"{weights}.hdf5"
    loaded = load_weights(published if published.is_file() else weights)
    if image.isdigit():
        scan, curve, cord = made_up(int(image))
    else:
        scan, cord = read_image(image), None
        curve = detect_centerline(scan, device="cpu")
    # What making the image took is not to count: forget the peak so far (Linux).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = kilobytes("VmRSS")
    start = time.process_time()
    if procedure == "published":
        published_gray_matter(scan, loaded)
    else:
        segment_gray_matter(scan, curve, loaded, cord, keep_probability=False)
    cpu = time.process_time() - start
    return {"cpu": cpu, "megabytes": (kilobytes("VmHWM") - before) / 1024}


def made_up(slices: int):  # type: ignore[no-untyped-def]
    """Return noise, float32, of slices of 50 mm, a curve through its middle, and a square cord."""
    import numpy as np
    import SimpleITK as sitk

    from SpinalCordSegLib.centerline.curve import Centerline

    scan = sitk.Image((200, 200, slices), sitk.sitkFloat32)
    scan.SetSpacing((0.25, 0.25, 1.0))
    scan.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    # Filled in place, so that making it leaves no higher peak than holding it.
    scan = sitk.AdditiveGaussianNoise(scan, standardDeviation=1.0, mean=10.0, seed=1)
    cord = sitk.Image(scan.GetSize(), sitk.sitkUInt8)
    cord.CopyInformation(scan)
    cord[80:120, 80:120, :] = 1
    curve = Centerline(np.array([[25.0, -25.0, 0.0], [25.0, -25.0, float(slices - 1)]]))
    return scan, curve, cord


def kilobytes(what: str) -> float:
    """Return the memory of this process, resident now (VmRSS) or at most (VmHWM), on Linux."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return float(line.split()[1])
    raise RuntimeError(f"no {what} in /proc/self/status")


if __name__ == "__main__":
    main()
