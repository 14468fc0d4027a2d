# SPDX-License-Identifier: Apache-2.0
"""Candidates that look at a rod: one sees it, one sees it at times, one sees other things too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from SpinalCordSegLib.centerline.choose import rank_candidates
from SpinalCordSegLib.errors import Cancelled
from SpinalCordSegLib.weights import (
    LoadedWeights,
    Preprocessing,
    WeightsSpecification,
    load_weights,
)


class Seer(nn.Module):
    """Stands for a network: passes on what `see` makes of a slice."""

    dimensions = 2
    stride = 4

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.slices = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = (x > 1).float()
        for one in seen:
            self.slices += 1
            if self.what == "sometimes" and self.slices % 2:
                one.zero_()
            if self.what == "more":
                one[:, :52, :18] = 1
            if self.what == "elsewhere":
                one.zero_()
                left = 17 + 37 * (self.slices % 2)
                one[:, left : left + 8, left : left + 8] = 1
            if self.what == "nothing":
                one.zero_()
        return seen


def candidate(what: str) -> LoadedWeights:
    specification = WeightsSpecification(
        name=what,
        task="centerline",
        contrast="any",
        architecture="dilated_unet2d",
        parameters={},
        preprocessing=Preprocessing((1.0, 1.0, None), (32, 32), "zscore"),
        threshold=0.5,
        licence="none",
        source="this test",
        citation="none",
    )
    return LoadedWeights(Seer(what), specification, "")  # type: ignore[arg-type]


@pytest.fixture
def rod() -> sitk.Image:
    values = np.random.default_rng(0).random((60, 64, 64)).astype(np.float32)
    values[:, 28:36, 30:38] += 20
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1, 1, 2))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    return image


def test_the_candidate_that_sees_the_rod_and_only_the_rod_comes_first(rod: sitk.Image) -> None:
    names = ["nothing", "more", "sometimes", "rod", "elsewhere"]
    ranked = rank_candidates(rod, [candidate(name) for name in names])
    assert ranked[0].name == "rod" and ranked[0].score == pytest.approx(1)
    assert ranked[0].index == 3
    found = {entry.name: entry for entry in ranked}
    assert found["nothing"].score == 0
    assert found["sometimes"].sureness == pytest.approx(0.5, abs=0.1)
    assert found["more"].singleness < 0.9
    assert found["elsewhere"].steadiness < 0.3
    scores = [entry.score for entry in ranked]
    assert scores == sorted(scores, reverse=True)


def test_equals_keep_their_order(rod: sitk.Image) -> None:
    ranked = rank_candidates(rod, [candidate("rod"), candidate("rod")])
    assert [entry.index for entry in ranked] == [0, 1]


def test_few_slices_are_looked_at(rod: sitk.Image) -> None:
    seer = candidate("rod")
    rank_candidates(rod, [seer], slices=5)
    assert seer.network.slices == 5
    single = rank_candidates(rod[:, :, 30:31], [candidate("rod")])
    assert single[0].score == pytest.approx(1)


def test_progress_can_stop_it(rod: sitk.Image) -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        rank_candidates(rod, [candidate("rod")], progress=stop)


@pytest.mark.parametrize(
    ("scan", "best"),
    [
        ("subj-a/t2w", "t2_ctr"),
        ("subj-a/dwi_mean", "dwi_ctr"),
        ("subj-c/t2s", "t2s_ctr"),
        ("subj-d/t2w_fakelesion", "t2_ctr"),
    ],
)
def test_published_networks_are_chosen_by_what_they_see(shared: Path, scan: str, best: str) -> None:
    names = ("t2_ctr", "t2s_ctr", "dwi_ctr")
    candidates = [load_weights(shared / "weights" / f"{name}.h5") for name in names]
    image = sitk.ReadImage(str(shared / "data" / f"{scan}.nii.gz"))
    ranked = rank_candidates(image, candidates)
    assert ranked[0].name == best and ranked[0].score > 0.8
    assert ranked[-1].score < 0.2
