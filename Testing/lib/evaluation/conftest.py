# SPDX-License-Identifier: Apache-2.0
"""Real masks in pairs, and what MONAI says of two masks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.evaluation.grids import masks_on_one_grid

# Two masks on one grid. "sessions": one person twice, not aligned, so that much differs.
REAL = {
    "cord 1 mm": ("oracle/t2_seg-deepseg_sc-3d", "oracle/t2_seg-deepseg_sc-2d"),
    "cord 0.8 x 3 mm, sessions": (
        "data/subj-f-ses1/t2s_run1_cord",
        "data/subj-f-ses2/t2s_run1_cord",
    ),
    "gray matter 0.5 x 7.5 mm": (
        "oracle/gm_challenge_uncropped_gmseg",
        "data/subj-c/t2s_uncropped_gm",
    ),
    "gray matter 0.8 x 3 mm, sessions": (
        "data/subj-f-ses1/t2s_run1_gm",
        "data/subj-f-ses2/t2s_run1_gm",
    ),
}

Masks = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]


@pytest.fixture(params=REAL, ids=lambda name: name.replace(" ", "_"))
def real_images(request: pytest.FixtureRequest, shared: Path) -> tuple[sitk.Image, sitk.Image]:
    """Two real masks as images."""
    first, second = (sitk.ReadImage(str(shared / f"{p}.nii.gz")) for p in REAL[request.param])
    return first, second


@pytest.fixture
def real_masks(real_images: tuple[sitk.Image, sitk.Image]) -> Masks:
    """Two real masks as arrays, and their spacing."""
    return masks_on_one_grid(*real_images)


@pytest.fixture
def monai_metric() -> Callable[..., float]:
    """A metric of MONAI's by its name, of two masks as arrays of bool."""
    monai_metrics = pytest.importorskip("monai.metrics")

    def metric(name: str, mask: np.ndarray, reference: np.ndarray, **options: Any) -> float:
        function = getattr(monai_metrics, name)
        with warnings.catch_warnings():
            # It warns of its own use of an argument that it will give up.
            warnings.simplefilter("ignore", FutureWarning)
            return float(
                function(_tensor(mask), _tensor(reference), include_background=True, **options)
            )

    return metric


@pytest.fixture
def monai_distances() -> Callable[..., np.ndarray]:
    """MONAI's distances from each voxel of one surface to another surface."""
    pytest.importorskip("monai")

    def distances(mask: np.ndarray, reference: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        from monai.metrics.utils import get_edge_surface_distance

        _, (one_way,), _ = get_edge_surface_distance(
            _tensor(mask)[0, 0], _tensor(reference)[0, 0], spacing=list(spacing), symmetric=False
        )
        return np.asarray(one_way)

    return distances


def _tensor(mask: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(mask.astype(np.uint8))[None, None]
