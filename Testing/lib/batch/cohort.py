# SPDX-License-Identifier: Apache-2.0
"""A folder as ``batch`` leaves it, with scans that nobody had to segment."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from SpinalCordSegLib.batch.report_pictures import report_pictures
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.measurement.review import ReviewItem
from SpinalCordSegLib.result import Result

SLICES = 12


def scan(slices: int = SLICES, size: int = 40) -> tuple[sitk.Image, Result]:
    """Return a cylinder of 5 mm radius in 1 x 1 x 3 mm voxels, with slice 4 to be reviewed."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    disc = np.hypot(x - size // 2, y - size // 2) <= 5
    mask = sitk.GetImageFromArray(np.repeat(disc[None], slices, 0).astype(np.uint8))
    noise = np.random.default_rng(0).normal(0, 4, (slices, size, size))
    image = sitk.GetImageFromArray((disc[None] * 80 + 60 + noise).astype(np.float32))
    for each in (mask, image):
        each.SetSpacing((1.0, 1.0, 3.0))
    heights = np.arange(max(slices, 2)) * 3.0
    curve = Centerline(
        np.stack([np.full_like(heights, size // 2), np.full_like(heights, size // 2), heights], 1)
    )
    review = (
        ReviewItem(4, (20.0, 20.0, 12.0), "the outline is unsure", 0.8),
        ReviewItem(7, (20.0, 20.0, 21.0), "the area jumps", 0.4),
    )
    return image, Result(mask, {"cord": mask}, {}, curve, review[: slices // 2])


def write_batch(
    folder: Path,
    areas: Mapping[str, float],
    broken: Sequence[Mapping[str, str]] = (),
    warnings: Sequence[str] = (),
) -> Path:
    """Write a cohort: scans that are done by id with their mean area, and those that failed."""
    image, result = scan()
    scans: list[dict[str, Any]] = []
    for number, name in enumerate(areas):
        stem = f"scan{number}"
        report_pictures(image, result, folder, stem)
        review = [
            {"slice_index": item.slice_index, "reason": item.reason, "severity": item.severity}
            for item in result.review
        ]
        (folder / f"{stem}_seg.json").write_text(
            json.dumps({"review": review, "provenance": {"contrast": {"found": "t2"}}})
        )
        with (folder / f"{stem}_slices.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["slice", "whole", "position_mm", "area_mm2"])
            table.writerows([n, 1, 3 * (SLICES - 1 - n), 80 + n] for n in reversed(range(SLICES)))
        files = {
            "json": f"{stem}_seg.json",
            "slices": f"{stem}_slices.csv",
            "qc": f"{stem}_qc.json",
            "qc_axial": f"{stem}_qc_axial.jpg",
            "qc_sagittal": f"{stem}_qc_sagittal.jpg",
        }
        entry = {"id": name, "input": name, "status": "done", "reason": "", "remedy": ""}
        scans.append({**entry, "seconds": 2.5, "files": files, "warnings": list(warnings)})
    for failed in broken:
        scans.append({"input": "", "seconds": 0.1, "files": {}, "status": "failed", **failed})
    content = {"format": 1, "scans": scans, "settings": {}}
    (folder / "batch.json").write_text(json.dumps(content), encoding="utf-8")
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "slices", "area_mm2_mean", "solidity_mean"])
        for name, area in areas.items():
            guarded = f"'{name}" if name[:1] in "=+-@" else name
            table.writerow([guarded, SLICES, area, 0.95])
    return folder
