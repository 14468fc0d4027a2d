# SPDX-License-Identifier: Apache-2.0
"""The atlas built from the real label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from SpinalCordSegLib.training.tissue_atlas import build_tissue_atlas
from SpinalCordSegLib.training.tissues import TISSUE_COUNT, Tissue


def test_the_atlas_has_a_cord_between_a_sac_and_a_brainstem(shared: Path) -> None:
    atlas = build_tissue_atlas(shared / "labels")
    lowest, highest = atlas.cord_slices
    assert atlas.tissue.max() < TISSUE_COUNT
    areas = (atlas.cord > 127).sum(axis=(0, 1)) / 4
    assert not areas[: lowest - 1].any() and not areas[highest + 2 :].any()
    cervical = areas[highest - 200 : highest - 20]
    assert 50 < cervical.mean() < 90
    x, y = np.rint(atlas.centre).astype(int)
    middle = (lowest + highest) // 2
    assert atlas.tissue[x, y, middle] in (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER)
    assert atlas.tissue[x, y, highest + 40] == Tissue.NEURAL
    assert atlas.tissue[x, y + 8, lowest - 60] == Tissue.CSF


def test_fluid_touches_the_cord_on_all_sides(shared: Path) -> None:
    atlas = build_tissue_atlas(shared / "labels")
    lowest, highest = atlas.cord_slices
    tissue = atlas.tissue[:, :, lowest : highest - 10]
    cord = np.isin(tissue, (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER))
    beside = ndimage.binary_dilation(cord, ndimage.generate_binary_structure(2, 2)[:, :, None])
    assert (tissue[beside & ~cord] == Tissue.CSF).mean() > 0.999
