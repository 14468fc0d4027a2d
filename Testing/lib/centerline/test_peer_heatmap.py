# SPDX-License-Identifier: Apache-2.0
"""The peer's procedure, as the benchmarks run it, gives the peer's own heat maps."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.weights import load_weights

# Heat map, image, weights, whether the brain rule was on, slices of the peer's centerline.
CASES = [
    ("t2_t2", "subj-a/t2w", "t2_ctr", True, 55),
    ("t2s_t2s", "subj-c/t2s", "t2s_ctr", False, 9),
    ("t2s_uncropped", "subj-c/t2s_uncropped", "t2s_ctr", False, 11),
    ("dwi_dwimean", "subj-a/dwi_mean", "dwi_ctr", False, 5),
    ("t2_fakelesion", "subj-d/t2w_fakelesion", "t2_ctr", True, 73),
]


@pytest.fixture(scope="module")
def peer(checkout: Path) -> ModuleType:
    path = checkout / "Testing" / "benchmarks" / "peer_centerline.py"
    spec = importlib.util.spec_from_file_location("peer_centerline", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("stored", "scan", "weights", "brain", "covered"), CASES)
def test_gives_the_stored_heat_map(
    shared: Path,
    peer: ModuleType,
    stored: str,
    scan: str,
    weights: str,
    brain: bool,
    covered: int,
) -> None:
    loaded = load_weights(shared / "weights" / f"{weights}.h5")
    image = sitk.ReadImage(str(shared / "data" / f"{scan}.nii.gz"))
    heat = peer.peer_heatmap(image, loaded.network, loaded.specification, brain)

    path = shared / "oracle" / f"cnn1_{stored}_heatmap.nii.gz"
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(2, 1, 0)
    assert heat.shape == expected.shape
    # Heat is at least 1; what is smaller is a bare probability, equal up to rounding.
    np.testing.assert_allclose(heat, expected, rtol=1e-6, atol=1e-8)
    assert len(peer.peer_covered_slices(heat)) == covered


def test_an_image_without_heat_has_no_covered_slices(peer: ModuleType) -> None:
    with pytest.raises(ValueError, match="empty"):
        peer.peer_covered_slices(np.zeros((4, 4, 3)))
