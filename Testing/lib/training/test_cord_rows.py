# SPDX-License-Identifier: Apache-2.0
"""Samples for the network that finds the cord's ends: straight spines, an answer for each slice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import InvalidArgument
from SpinalCordSegLib.training import cord_rows
from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, sample_anatomy
from SpinalCordSegLib.training.configuration import TrainingConfiguration, read_configuration
from SpinalCordSegLib.training.cord_rows import changed, straight_spine
from SpinalCordSegLib.training.export import export_weights
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.trainer import train
from SpinalCordSegLib.weights import LoadedWeights, load_weights

TINY = ["batch=2", "steps=3", "images.count=3", "patch_voxels=[32, 32, 16]"]
TINY += ["parameters.encoder=[2, 2]", "parameters.features=3"]


@pytest.fixture
def tiny() -> TrainingConfiguration:
    return read_configuration("cord_ends", changes=TINY)


def test_a_spine_comes_with_its_outline_and_an_answer_for_each_slice(
    atlas: AtlasTensors, tiny: TrainingConfiguration
) -> None:
    answers, most = [], []
    for place in range(9):
        views, target = straight_spine(atlas, tiny, place)
        assert views.shape == (2, 32, 32, 16) and target.shape == (1, 32, 32, 16)
        outline, image = views
        assert float(outline.min()) >= 0 and float(outline.max()) <= 1
        most.append(float(outline.max()))
        rows = target[0, 0, 0]
        assert torch.equal(target.nan_to_num(-1), rows.nan_to_num(-1).expand_as(target))
        hidden = rows.isnan()
        assert not image[..., hidden].any() and not outline[..., hidden].any()
        assert set(rows[~hidden].tolist()) <= {0.0, 1.0}
        answers += rows[~hidden].tolist()
    assert 0.0 in answers and 1.0 in answers
    # Some of these short spines lie below the conus.
    assert sum(value > 0.5 for value in most) >= 4


def test_away_from_the_ends_nearly_every_slice_has_cord(atlas: AtlasTensors) -> None:
    shares = []
    for fraction in (0.0, 1.0):
        chosen = read_configuration(
            "cord_ends", changes=[*TINY, f"end_fraction={fraction}", "images.count=12"]
        )
        answers = torch.cat([straight_spine(atlas, chosen, i)[1][0, 0, 0] for i in range(12)])
        shares.append(float(answers.nanmean()))
    assert shares[0] > 0.95 > 0.9 > shares[1]


def test_ends_lie_at_the_conus_as_often_as_asked_for(atlas: AtlasTensors) -> None:
    above, below = [], []
    for share in (0.0, 1.0):
        ranges = AnatomyRange((2.0, 2.0), 1.0, HEALTHY, straightened=True, conus_share=share)
        for index in range(8):
            random = seeded((6, index))
            cord = sample_anatomy(atlas, random, (24, 24, 60), (1.0, 1.0, 2.0), ranges).cord
            rows = cord.sum((0, 1)) > 20
            below.append((share, bool(rows[-1]) and not rows[0]))
            above.append((share, bool(rows[0]) and not rows[-1]))
    assert sum(ends for share, ends in above if share == 0) > 2
    assert sum(ends for share, ends in below if share == 1) > 2
    assert not any(ends for share, ends in above if share == 1)
    assert not any(ends for share, ends in below if share == 0)


def test_a_spine_is_outlined_by_the_weights_that_outline_such_scans(
    atlas: AtlasTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []

    def load(name: str) -> LoadedWeights:
        named.append(name)
        return load_weights(name)

    monkeypatch.setattr(cord_rows, "load_weights", load)
    chosen = read_configuration("cord_ends", changes=[*TINY, "images.count=12", "seed=5"])
    for place in range(12):
        straight_spine(atlas, chosen, place)
    # More than half of the spines are in thick sagittal slices, not all thick enough.
    assert {"cord", "cord_sagittal"} == set(named)
    assert 4 <= named.count("cord_sagittal") <= 11


def test_the_same_place_gives_the_same_spine(
    atlas: AtlasTensors, tiny: TrainingConfiguration
) -> None:
    first, again, other = (straight_spine(atlas, tiny, place)[0] for place in (4, 4, 7))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_scans_are_cut_short_at_either_end_or_not_at_all() -> None:
    views, present = torch.ones(2, 4, 4, 40), torch.ones(40)
    runs = []
    for index in range(60):
        seen, answers = changed(views, present, seeded((2, index)))
        shown = torch.isfinite(answers).nonzero().flatten()
        assert torch.equal(shown, torch.arange(int(shown[0]), int(shown[-1]) + 1))
        assert torch.equal(seen[1].any(dim=0).any(dim=0), torch.isfinite(answers))
        runs.append(shown.numel())
    assert min(runs) < 16 and 15 < sum(run == 40 for run in runs) < 50


def test_a_straightened_cord_stays_in_the_middle_of_its_slices(atlas: AtlasTensors) -> None:
    shape, off = (40, 40, 60), {}
    for straightened in (False, True):
        ranges = AnatomyRange((2.0, 2.0), 0.0, HEALTHY, straightened)
        worst = []
        for index in range(8):
            cord = sample_anatomy(atlas, seeded((4, index)), shape, (1.0, 1.0, 2.0), ranges).cord
            x = torch.arange(40)[:, None, None] - 19.5
            mass = cord.sum((0, 1))
            centre = (cord * x).sum((0, 1))[mass > 20] / mass[mass > 20]
            worst.append(float(centre.abs().max()))
        off[straightened] = max(worst)
    # The curve is off by two millimetres, of a cord of any size, and the cord's own shape by more.
    assert off[True] < 5 < 8 < off[False]


def test_the_configuration_trains_on_synthetic_spines(
    atlas: AtlasTensors, tiny: TrainingConfiguration, tmp_path: Path
) -> None:
    trained = train(tiny, atlas, tmp_path)
    export_weights(trained, tiny, tmp_path / "cord_ends.safetensors")
    specification = load_weights(tmp_path / "cord_ends.safetensors").specification
    assert specification.task == "cord_ends" and specification.architecture == "slice_sequence"
    assert "synthetic training" in specification.source


def test_spines_without_an_outline_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="outlined_by"):
        read_configuration("cord_ends", changes=['outlined_by=""'])
