# SPDX-License-Identifier: Apache-2.0
"""How large the report of 200 scans is, and how long a browser takes to open it.

    python Testing/benchmarks/report.py

The scans are the phantom that ships with five kinds of noise, so that they share five sets of
pictures; each is in the page as often as it is shown.
Opening is timed by the browser itself, from the start of the navigation: until the first scan is
shown with its pictures, and until the whole file is read. Needs Chromium, ChromeDriver, selenium.

Writes ``Testing/benchmarks/report.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from SpinalCordSegLib.batch.report import write_report
from SpinalCordSegLib.batch.report_pictures import report_pictures
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.images import read_image
from SpinalCordSegLib.result import Result

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
SCANS = 200
KINDS = 5
REPEATS = 2
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Runs in the page: when was the first scan there, and when everything?
_TIMES = """
const done = arguments[0];
const look = () => {
  const picture = document.querySelector("#sagittal img");
  if (!picture || !picture.complete) return setTimeout(look, 5);
  window.firstShown = window.firstShown || performance.now();
  if (document.readyState !== "complete") return setTimeout(look, 5);
  const all = performance.getEntriesByType("navigation")[0].loadEventEnd;
  done([window.firstShown, all || performance.now()]);
};
look();
"""
# Runs in the page: how long does the next scan take, to the next painted frame?
_NEXT = """
const done = arguments[0], start = performance.now();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true}));
document.querySelector("#sagittal img").decode().then(() =>
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start))));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=SCANS)
    parser.add_argument("--keep", type=Path, help="keep the page here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cpu = write_cohort(Path(folder), arguments.scans)
        start = time.process_time()
        page = write_report(folder)
        seconds = time.process_time() - start
        text = report(page, arguments.scans, cpu, seconds, measure(page))
        if arguments.keep:
            shutil.copyfile(page, arguments.keep)
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    print(text)


def report(
    page: Path, scans: int, pictures_seconds: float, seconds: float, times: dict[str, list[float]]
) -> str:
    """Return the page of this benchmark."""
    rows = "\n".join(
        f"| {what} | {statistics.median(each):.0f} ms | {max(each):.0f} ms |"
        for what, each in times.items()
    )
    load = os.getloadavg()[0]
    return f"""# What the report costs

Made by `python Testing/benchmarks/report.py`: {scans} scans, the phantom with five kinds
of noise; every scan has its own copy of its pictures in the page.
{os.cpu_count()} cores; load average while the browser ran: {load:.1f}.

| | |
|---|---|
| file | {page.stat().st_size / 1e6:.1f} MB |
| pictures of one scan | {pictures_seconds:.2f} CPU s |
| writing the page | {seconds:.1f} CPU s |

| in headless Chromium, from the start of the navigation ({REPEATS} times) | median | worst |
|---|---|---|
{rows}
"""


def write_cohort(folder: Path, count: int) -> float:
    """Write results of `count` scans; return the median CPU seconds of the pictures of one."""
    image = read_image(CHECKOUT / "Resources" / "sample" / "phantom_t2w.nii.gz")
    voxels = sitk.GetArrayFromImage(image).astype(np.float32)
    mask = image > float(np.percentile(voxels, 99.5))
    size = image.GetSize()
    ends = [
        image.TransformIndexToPhysicalPoint((size[0] // 2, size[1] // 2, z))
        for z in (0, size[2] - 1)
    ]
    curve = Centerline(np.linspace(*np.asarray(ends), 50))
    scans: list[dict[str, Any]] = []
    rows, seconds = ["id,area_mm2_mean,solidity_mean"], []
    kinds = ("qc_sagittal", "qc_axial", "qc")
    pictures = []
    random = np.random.default_rng(0)
    for kind in range(KINDS):
        noise = random.normal(0, voxels.std() / 10, voxels.shape).astype(np.float32)
        noisy = sitk.GetImageFromArray(voxels + noise)
        noisy.CopyInformation(image)
        start = time.process_time()
        paths = report_pictures(
            noisy, Result(mask, {"cord": mask}, {}, curve), folder, f"kind{kind}"
        )
        seconds.append(time.process_time() - start)
        pictures.append({name: path.name for name, path in zip(kinds, paths, strict=True)})
    for number in range(count):
        scan = f"sub-{number:03d}/T2w"
        scans.append({"id": scan, "status": "done", "files": pictures[number % KINDS]})
        rows.append(f"{scan},{random.normal(75, 5):.2f},{random.normal(0.95, 0.01):.3f}")
    (folder / "batch.json").write_text(json.dumps({"format": 1, "scans": scans, "settings": {}}))
    (folder / "measurements.csv").write_text("\n".join(rows) + "\n")
    return statistics.median(seconds)


def measure(page: Path) -> dict[str, list[float]]:
    """Open the page in a browser, milliseconds."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    times: dict[str, list[float]] = {
        "first scan shown": [],
        "whole file read": [],
        "next scan shown": [],
    }
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as profile:
            options = webdriver.ChromeOptions()
            for flag in (*FLAGS, f"--user-data-dir={profile}"):
                options.add_argument(flag)
            options.binary_location = str(shutil.which("chromium"))
            options.page_load_strategy = "none"
            driver = webdriver.Chrome(
                options=options, service=Service(str(shutil.which("chromedriver")))
            )
            driver.set_script_timeout(120)
            driver.get("about:blank")
            driver.get(page.as_uri())
            while driver.current_url != page.as_uri():
                time.sleep(0.01)
            first, whole = driver.execute_async_script(_TIMES)
            times["first scan shown"].append(first)
            times["whole file read"].append(whole)
            times["next scan shown"] += [driver.execute_async_script(_NEXT) for _ in range(10)]
            driver.quit()
    return times


if __name__ == "__main__":
    main()
