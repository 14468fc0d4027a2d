# SPDX-License-Identifier: Apache-2.0
"""Configurations: the papers' protocols are as printed, changes are read, nonsense is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from SpinalCordSegLib.errors import InvalidArgument
from SpinalCordSegLib.resources import resources_folder
from SpinalCordSegLib.training.configuration import (
    MODELS,
    Augmentation,
    TrainingConfiguration,
    read_configuration,
)
from SpinalCordSegLib.training.schedule import learning_rate

NAMES = sorted(path.stem for path in (resources_folder() / "training").glob("*.toml"))


def model_of(name: str) -> str:
    """Return the model that a configuration is one of."""
    return max((model for model in MODELS if name.startswith(model)), key=len)


# What the papers print; see the comments in the files.
PRINTED: dict[str, dict[str, Any]] = {
    "centerline_gros2019": {
        "patch_voxels": (96, 96, 1),
        "batch": 32,
        "learning_rate": 1e-4,
        "epochs": 100,
        "loss": "dice",
        "augmentation": Augmentation(20.0, 0.0, (100.0, 16.0), 1.0, ("x", "y")),
    },
    "cord_gros2019": {
        "patch_voxels": (64, 64, 48),
        "batch": 4,
        "learning_rate": 5e-5,
        "epochs": 300,
        "loss": "dice",
    },
    "lesion_gros2019": {
        "patch_voxels": (48, 48, 48),
        "batch": 4,
        "learning_rate": 5e-5,
        "epochs": 300,
        "loss": "dice",
        "structures": ("lesion",),
    },
    "gray_matter_perone2018": {
        "patch_voxels": (200, 200, 1),
        "batch": 11,
        "learning_rate": 1e-3,
        "epochs": 1000,
        "epoch_steps": 32,
        "schedule": "poly",
        "batch_norm_momentum": 0.9,
        "threshold": 0.999,
    },
    "gray_matter_perone2018_ex_vivo": {
        "patch_voxels": (200, 200, 1),
        "batch": 11,
        "learning_rate": 1e-3,
        "epochs": 600,
        "epoch_steps": 32,
        "slices": (15, 7, 8),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_that_ships_is_read(name: str) -> None:
    chosen = read_configuration(model_of(name), name)
    assert chosen.model == model_of(name)
    assert read_configuration(model_of(name), name, fine_tuning=True).structures


@pytest.mark.parametrize("name", PRINTED)
def test_the_protocol_is_as_printed(name: str) -> None:
    chosen = read_configuration(model_of(name), name)
    assert {key: getattr(chosen, key) for key in PRINTED[name]} == PRINTED[name]
    # Adam: nothing decays but, with "poly", the learning rate; the last weights are not averaged.
    assert chosen.optimizer == "adam" and chosen.weight_decay == 0 and chosen.average == 0
    dropout = {"centerline_gros2019": 0.2}.get(name, 0.4)
    assert chosen.parameters["dropout"] == dropout
    if "gros" in name:
        # 10 voxels either way.
        shift = 10 if name.startswith("centerline") else 0
        assert chosen.off_centre_mm == (shift * chosen.spacing_mm[0],) * 2
        assert bool(chosen.augmentation.lesion_edges) == name.startswith("lesion")


def test_the_learning_rate_falls_as_it_is_asked_to() -> None:
    perone = read_configuration("gray_matter", "gray_matter_perone2018").with_steps()
    assert perone.steps == 32_000
    rates = [learning_rate(perone, step) for step in (0, 31, 32, 16_000, 31_999)]
    expected = [1, 1, 0.999**0.9, 0.5**0.9, 0.001**0.9]
    assert rates == pytest.approx([1e-3 * share for share in expected])
    constant = read_configuration("cord", "cord_gros2019", ["epochs=2"]).with_steps(8)
    assert constant.steps == 4
    assert {learning_rate(constant, step) for step in range(4)} == {5e-5}
    cosine = read_configuration("cord", changes=["steps=100", "warm_up=10"]).with_steps()
    rates = [learning_rate(cosine, step) for step in range(100)]
    assert rates[0] == pytest.approx(4e-4) and max(rates) == rates[9] and rates[-1] < 5e-5


def test_changes_are_merged_into_tables() -> None:
    changes = ["parameters.dropout=0.25", "steps=7", 'augmentation.flip_axes=["y"]']
    chosen = read_configuration("cord", None, changes)
    assert chosen.steps == 7 and chosen.parameters["dropout"] == 0.25
    assert chosen.parameters["bottleneck"] == [48, 48]
    assert chosen.augmentation.flip_axes == ("y",)
    assert chosen.augmentation.rotation_degrees > 0
    # To ask for steps is not to ask for epochs.
    assert read_configuration("cord", "cord_gros2019", ["steps=9"]).with_steps().steps == 9


def test_fine_tuning_starts_from_the_weights_that_ship() -> None:
    for model in ("centerline", "cord", "lesion", "gray_matter", "csm_unet"):
        assert read_configuration(model).start_from is None
        tuned = read_configuration(model, fine_tuning=True)
        assert tuned.start_from == model and tuned.steps < read_configuration(model).steps
    assert read_configuration("cord", "cord_gros2019", fine_tuning=True).start_from is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("steps", "changes nothing"),
        ("speed=9", "speed"),
        ("steps=0", "by steps or by epochs"),
        ('loss="guess"', "unknown loss"),
        ('optimizer="sgd"', "unknown optimizer"),
        ('schedule="steep"', "unknown schedule"),
        ("augmentation.colour=1", "colour"),
        ('augmentation.flip_axes=["t"]', "unknown axes"),
        ("patch_voxels=[4, 4]", "patch_voxels of 2"),
        ('intensity="bright"', "unknown intensity"),
        ('intensity="cord"', "only gray matter and lesions"),
        ("start_share=1.5", "between 0 and 1"),
        ('batch="many"', "batch = 'many'"),
    ],
)
def test_nonsense_is_named(change: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        read_configuration("cord", None, [change])


def test_only_the_cord_is_seen_in_thick_sagittal_slices() -> None:
    with pytest.raises(InvalidArgument, match="find the cord or to outline it"):
        read_configuration("lesion", None, ["sagittal=0.5"])


def test_a_wrong_file_or_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("batch = 3\n")
    with pytest.raises(InvalidArgument, match=r"mine\.toml"):
        read_configuration("cord", path)
    with pytest.raises(InvalidArgument, match="kidney"):
        read_configuration("kidney")
    with pytest.raises(InvalidArgument, match="missing"):
        read_configuration("cord", "missing")


def test_epochs_of_endless_images_have_no_length(configuration: TrainingConfiguration) -> None:
    gros = read_configuration("cord", "cord_gros2019")
    with pytest.raises(InvalidArgument, match="epochs"):
        gros.with_steps()
    assert gros.with_steps(9).steps == 300 * 3
    assert configuration.with_steps().steps == configuration.steps
