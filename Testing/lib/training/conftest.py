# SPDX-License-Identifier: Apache-2.0
"""What to train on, drawn here: a small straight spine for synthetic samples, and a small study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.training.anatomy import AtlasTensors, upload
from SpinalCordSegLib.training.configuration import TrainingConfiguration
from SpinalCordSegLib.training.tissue_atlas import TissueAtlas, build_tissue_atlas
from SpinalCordSegLib.training.tissues import Tissue


@pytest.fixture(scope="session")
def atlas() -> AtlasTensors:
    x, y = np.meshgrid(np.arange(101) - 50, np.arange(101) - 50, indexing="ij")
    plane = np.full(x.shape, Tissue.BACKGROUND, np.uint8)
    plane[y > 20] = Tissue.BACKGROUND + 3
    plane[np.hypot(x, y) < 22] = Tissue.CSF
    plane[np.hypot(x, y) < 12] = Tissue.WHITE_MATTER
    plane[np.hypot(x, y) < 4] = Tissue.GRAY_MATTER
    tissue = np.repeat(plane[:, :, None], 300, axis=2)
    below = tissue[:, :, :80]
    below[np.isin(below, (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER))] = Tissue.CSF
    cord = np.isin(tissue, (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER)).astype(np.uint8) * 255
    return upload(TissueAtlas(tissue, cord, (50.0, 50.0), (80, 299)), "cpu")


@pytest.fixture(scope="session")
def template_atlas(shared: Path) -> TissueAtlas:
    """The atlas of the real label maps, which takes seconds to build."""
    return build_tissue_atlas(shared / "labels")


@pytest.fixture
def configuration() -> TrainingConfiguration:
    return TrainingConfiguration(
        model="cord",
        architecture="unet3d",
        parameters={"encoder": [[4, 4]], "bottleneck": [8, 8], "decoder": [[4, 4]]},
        patch_voxels=(16, 16, 8),
        spacing_mm=(1.5, 1.5, 1.5),
        off_centre_mm=(2.0, 2.0),
        end_fraction=0.1,
        batch=2,
        steps=6,
        learning_rate=1e-2,
        warm_up=2,
        weight_decay=1e-4,
        average=0.9,
        threshold=0.5,
        seed=3,
    )


def write_scan(
    folder: Path, stem: str, seed: int, labels: Path | None = None, slices: int = 10
) -> dict[str, Path]:
    """Write a straight cord in CSF with gray matter and a lesion, and its masks.

    Returns
    -------
    dict of str to Path
        The files: ``image``, and a mask for ``SC``, ``GM`` and ``lesion``, in `labels` or beside.
    """
    random = np.random.default_rng(seed)
    x, y, z = np.meshgrid(np.arange(36), np.arange(32), np.arange(slices), indexing="ij")
    x, y = x - 16 - seed % 3, y - 15
    masks = {
        "SC": np.hypot(x, y) < 6,
        "GM": (np.abs(x) < 3) & (np.abs(y) < 2),
        "lesion": (np.hypot(x - 3, y) < 2) & (np.abs(z - slices // 2) < 2),
    }
    volume = 300.0 + 500 * (np.hypot(x, y) < 10) - 350 * masks["SC"] + 100 * masks["GM"]
    volume = volume + 200 * masks["lesion"] + random.normal(0, 20, volume.shape)
    files = {"image": (volume, folder / f"{stem}.nii.gz")}
    for name, mask in masks.items():
        files[name] = (mask, (labels or folder) / f"{stem}_label-{name}_mask.nii.gz")
    for values, path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = np.int16 if values.dtype != bool else np.uint8
        image = sitk.GetImageFromArray(np.ascontiguousarray(values.astype(kind).transpose()))
        image.SetSpacing((1.0, 1.0, 2.0))
        # Stored as the networks have it: X right to left, Y posterior to anterior.
        image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
        sitk.WriteImage(image, str(path))
    return {name: path for name, (_, path) in files.items()}


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, a scan each, their masks below derivatives as BIDS has them."""
    folder = tmp_path_factory.mktemp("study")
    for seed, person in enumerate(("sub-01", "sub-02")):
        labels = folder / "derivatives" / "labels" / person / "anat"
        write_scan(folder / person / "anat", f"{person}_T2w", seed, labels)
    return folder
