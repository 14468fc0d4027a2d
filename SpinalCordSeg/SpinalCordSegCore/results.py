# SPDX-License-Identifier: Apache-2.0
"""The worker's result files, read and checked before anything of the scene is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SpinalCordSegLib.labels import label_named

from .messages import broken_result
from .segmentation import Mask
from .volume import Floats, Grid


@dataclass(frozen=True)
class Results:
    """What a run found, by voxel index of the volume.

    Attributes
    ----------
    masks : mapping of str to ndarray of bool, (I, J, K)
    curve : ndarray, (N, 3)
        Continuous voxel index, inferior to superior.
    review : list of dict
        ``slice_index``, ``index`` (continuous voxel index), ``reason``, ``severity``; worst first.
    provenance : mapping
        As the library gives it.
    """

    masks: Mapping[str, Mask]
    curve: Floats
    review: list[dict[str, Any]]
    provenance: Mapping[str, Any]


def read_results(folder: Path, stem: str, structures: Sequence[str], grid: Grid) -> Results:
    """Read the files that ``spinalcordseg segment`` wrote.

    Raises
    ------
    Failure
        ``internal`` if one is missing, damaged, or not on the volume's voxels.
    """
    try:
        masks = {name: _read_mask(folder, stem, name, grid) for name in structures}
        table = folder / f"{stem}_centerline.csv"
        points = np.loadtxt(table, delimiter=",", skiprows=1, ndmin=2)
        report = json.loads((folder / f"{stem}_seg.json").read_text(encoding="utf-8"))
        review = [
            {
                "slice_index": int(item["slice_index"]),
                "index": grid.to_index(np.array([item["position_mm"]]))[0],
                "reason": str(item["reason"]),
                "severity": float(item["severity"]),
            }
            for item in report["review"]
        ]
        if not (len(points) and np.isfinite(points).all()):
            raise ValueError(f"{table.name} holds no curve")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise broken_result(" ".join(str(error).split())[:200]) from error
    return Results(masks, grid.to_index(points[:, :3]), review, report["provenance"])


def _read_mask(folder: Path, stem: str, name: str, grid: Grid) -> Mask:
    import SimpleITK as sitk

    path = folder / f"{stem}_label-{label_named(name).file_label}_mask.nii.gz"
    image = sitk.ReadImage(str(path))
    if image.GetSize() != grid.size:
        raise ValueError(f"{path.name} has {image.GetSize()} voxels, not {grid.size}")
    return sitk.GetArrayFromImage(image).transpose() > 0
