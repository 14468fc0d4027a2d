# SPDX-License-Identifier: Apache-2.0
"""Small scans, and a segmentation that takes no time; everything around it is real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib import pipeline
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import CordNotFound
from SpinalCordSegLib.result import Result

SIZE = (16, 16, 8)


def write_scan(path: Path, seed: int = 0) -> Path:
    """Write noise with a cord of 3 mm radius in its middle; seed 13 gives one without."""
    values = np.random.default_rng(seed).normal(50, 5, SIZE[::-1]).astype(np.float32)
    values[:, 0, 0] = -1000.0 if seed == 13 else 0.0
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    return path


@pytest.fixture
def make_scan() -> Callable[..., Path]:
    """Return what writes a scan: a path, and a seed that makes it another one."""
    return write_scan


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace the segmentation; the list receives the arguments of each call."""
    calls: list[dict[str, Any]] = []

    def segment(image: sitk.Image, **rest: Any) -> Result:
        calls.append(rest)
        if sitk.GetArrayViewFromImage(image).min() <= -1000:
            raise CordNotFound("no spinal cord was found in the image", "look at the image")
        return a_result(image)

    monkeypatch.setattr(pipeline, "segment", segment)
    monkeypatch.setattr(pipeline, "check_request", lambda *_: ())
    return calls


def a_result(image: sitk.Image) -> Result:
    """Return a cord along the middle of an image."""
    x, y, _ = np.indices(SIZE) - np.array(SIZE)[:, None, None, None] / 2
    array = np.uint8(np.hypot(x, y) <= 3).transpose()
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    points = [
        image.TransformContinuousIndexToPhysicalPoint((8.0, 8.0, float(k))) for k in range(SIZE[2])
    ]
    probability = sitk.Cast(mask, sitk.sitkFloat32)
    provenance = {"contrast": {"found": "t2", "asked": "auto"}, "seconds": {"cord": 0.1}}
    return Result(
        mask, {"cord": mask}, {"cord": probability}, Centerline(np.array(points)), (), provenance
    )


@pytest.fixture
def phantoms(tmp_path: Path, checkout: Path) -> Path:
    """Three pieces of the phantom in a folder `in`, small enough to take a moment each."""
    phantom = sitk.ReadImage(checkout / "Resources" / "sample" / "phantom_t2w.nii.gz")
    size = phantom.GetSize()
    (tmp_path / "in").mkdir()
    for n in range(3):
        low = [size[0] // 2 - 20, 0, size[2] // 2 - 20 + 4 * n]
        piece = sitk.RegionOfInterest(phantom, [min(40, size[0]), size[1], 24], low)
        sitk.WriteImage(piece, tmp_path / "in" / f"p{n}.nii.gz")
    return tmp_path
