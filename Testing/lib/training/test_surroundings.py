# SPDX-License-Identifier: Apache-2.0
"""Real surroundings around synthetic spines."""

from __future__ import annotations

import numpy as np

from SpinalCordSegLib.resources import resources_folder
from SpinalCordSegLib.training.surroundings import SURROUNDINGS_SIZE, read_surroundings
from SpinalCordSegLib.training.tissues import BACKGROUND_CLASSES, Tissue

SAMPLE = resources_folder() / "sample" / "phantom_t2w.nii.gz"


def test_slices_of_a_scan_become_classes_around_its_cord() -> None:
    slices = read_surroundings([SAMPLE], "default", "cpu")
    assert slices is not None and slices.shape[1:] == (SURROUNDINGS_SIZE, SURROUNDINGS_SIZE)
    found = set(np.unique(slices).tolist())
    assert found <= {Tissue.AIR, *range(Tissue.BACKGROUND, Tissue.BACKGROUND + BACKGROUND_CLASSES)}
    # The cord is in the middle, darker than the fluid near it; beyond the field of view is air.
    near = slice(SURROUNDINGS_SIZE // 2 - 10, SURROUNDINGS_SIZE // 2 + 10)
    cord = slices[:, SURROUNDINGS_SIZE // 2, SURROUNDINGS_SIZE // 2]
    assert (cord != Tissue.AIR).all() and (slices[:, near, near].max(axis=(1, 2)) > cord).all()
    assert (slices[:, 0, 0] == Tissue.AIR).all()


def test_without_scans_there_are_none() -> None:
    assert read_surroundings([], "default", "cpu") is None
