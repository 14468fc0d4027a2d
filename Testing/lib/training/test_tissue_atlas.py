# SPDX-License-Identifier: Apache-2.0
"""The atlas built from the real label maps."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from SpinalCordSegLib.training.tissue_atlas import TissueAtlas
from SpinalCordSegLib.training.tissues import TISSUE_COUNT, Tissue


def test_the_cord_lies_between_a_sac_and_a_brainstem(template_atlas: TissueAtlas) -> None:
    lowest, highest = template_atlas.cord_slices
    assert template_atlas.tissue.max() < TISSUE_COUNT
    areas = (template_atlas.cord > 127).sum(axis=(0, 1)) / 4
    assert not areas[: lowest - 1].any() and not areas[highest + 2 :].any()
    cervical = areas[highest - 200 : highest - 20]
    assert 50 < cervical.mean() < 90
    x, y = np.rint(template_atlas.centre).astype(int)
    middle = (lowest + highest) // 2
    assert template_atlas.tissue[x, y, middle] in (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER)
    assert template_atlas.tissue[x, y, highest + 40] == Tissue.NEURAL
    assert template_atlas.tissue[x, y + 8, lowest - 60] == Tissue.CSF


def test_fluid_touches_the_cord_on_all_sides(template_atlas: TissueAtlas) -> None:
    lowest, highest = template_atlas.cord_slices
    tissue = template_atlas.tissue[:, :, lowest : highest - 10]
    cord = np.isin(tissue, (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER))
    beside = ndimage.binary_dilation(cord, ndimage.generate_binary_structure(2, 2)[:, :, None])
    assert (tissue[beside & ~cord] == Tissue.CSF).mean() > 0.999
