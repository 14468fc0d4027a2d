# SPDX-License-Identifier: Apache-2.0
"""A small straight spine to train on, drawn here: a cord in a sac in bone."""

from __future__ import annotations

import numpy as np
import pytest

from SpinalCordSegLib.training.anatomy import AtlasTensors, upload
from SpinalCordSegLib.training.configuration import TrainingConfiguration
from SpinalCordSegLib.training.tissue_atlas import TissueAtlas
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
