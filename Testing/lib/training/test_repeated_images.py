# SPDX-License-Identifier: Apache-2.0
"""A limited set of images: each comes as often as asked, turned or cropped, target and all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SpinalCordSegLib.errors import InvalidArgument
from SpinalCordSegLib.resources import resources_folder
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.configuration import (
    RepeatedImages,
    TrainingConfiguration,
    read_configuration,
)
from SpinalCordSegLib.training.losses import negative_dice
from SpinalCordSegLib.training.repeated_images import repeated_sample
from SpinalCordSegLib.training.schedule import learning_rate
from SpinalCordSegLib.training.trainer import train

PAPER = ("csm_unet_zhang2021", "csm_unet_zhang2021_patches")


@pytest.fixture
def slices(configuration: TrainingConfiguration) -> TrainingConfiguration:
    """Return the configuration of a tiny network of axial slices."""
    return replace(
        configuration,
        model="csm_unet",
        architecture="unet2d",
        parameters={"filters": 4, "depth": 2, "batch_norm": True, "widest": 8},
        patch_voxels=(32, 32, 1),
        off_centre_mm=(6.0, 6.0),
    )


def test_an_epoch_shows_each_image_as_often_as_asked(
    atlas: AtlasTensors, slices: TrainingConfiguration
) -> None:
    chosen = replace(slices, images=RepeatedImages(3, 4, right_angle_turns=True))
    for epoch in range(2):
        samples = [repeated_sample(atlas, chosen, 12 * epoch + place) for place in range(12)]
        # A turned image has the same voxels in other places.
        kinds = [float(image.double().square().sum().round(decimals=2)) for image, _ in samples]
        assert sorted(kinds.count(kind) for kind in set(kinds)) == [4, 4, 4]
        assert len({image.numpy().tobytes() for image, _ in samples}) > 6


def test_image_and_target_are_turned_and_cropped_alike(
    atlas: AtlasTensors, slices: TrainingConfiguration
) -> None:
    images = RepeatedImages(1, 8, right_angle_turns=True, crop_voxels=(24, 20))
    chosen = replace(slices, images=images)
    plain_image, plain_target = repeated_sample(atlas, replace(slices, images=_once()), 0)
    pairs = dict(zip(plain_image.flatten().tolist(), plain_target.flatten().tolist(), strict=True))
    for place in range(8):
        image, target = repeated_sample(atlas, chosen, place)
        assert image.shape == target.shape == (1, 24, 20)
        expected = [pairs[value] for value in image.flatten().tolist()]
        # 0 lies outside the field of view, where many pixels share the value.
        seen = image.flatten() != 0
        assert torch.equal(target.flatten()[seen], torch.tensor(expected)[seen])


def _once() -> RepeatedImages:
    return RepeatedImages(1, 1)


def test_the_loss_falls_on_windows_of_both_sizes(
    atlas: AtlasTensors, slices: TrainingConfiguration, tmp_path: Path
) -> None:
    train(replace(slices, steps=75, half_windows=0.5), atlas, tmp_path)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert len(losses) == 3 and losses[-1] < 0.85 * losses[0]


def test_the_papers_recipe_trains(
    atlas: AtlasTensors, slices: TrainingConfiguration, tmp_path: Path
) -> None:
    paper = read_configuration("csm_unet", _path("csm_unet_zhang2021"))
    small = replace(
        paper,
        parameters=slices.parameters,
        patch_voxels=slices.patch_voxels,
        spacing_mm=slices.spacing_mm,
        off_centre_mm=slices.off_centre_mm,
        images=RepeatedImages(2, 4, right_angle_turns=True),
        learning_rate=1e-2,
        steps=75,
        epochs=0,
    )
    train(small, atlas, tmp_path)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_protocol_is_as_printed(name: str) -> None:
    chosen = read_configuration("csm_unet", _path(name)).with_steps()
    assert chosen.images is not None and chosen.optimizer == "adam"
    assert chosen.patch_voxels == (256, 256, 1)
    assert chosen.loss == "negative_dice"
    assert chosen.images.count == 114 and chosen.images.copies == 4
    assert chosen.epochs == 100
    assert chosen.steps == 11_400 and chosen.epoch_steps == 114
    # Adam: nothing decays but the learning rate, and the last weights are kept as they are.
    assert chosen.weight_decay == 0 and chosen.average == 0
    last = chosen.steps - 1
    rates = [learning_rate(chosen, step) for step in (0, 113, 114, last)]
    assert rates == pytest.approx([1e-4, 1e-4, 0.99e-4, 0.01e-4])
    crop = chosen.images.crop_voxels
    assert (crop == (128, 128)) == name.endswith("patches")
    assert chosen.images.right_angle_turns == (crop is None)


def test_negative_dice_by_hand() -> None:
    target = torch.tensor([[[1.0, 1, 0, 0]]])
    # Probabilities 1, 0, 1, 0: overlap 1, sizes 2 and 2.
    logits = torch.tensor([[[50.0, -50, 50, -50]]])
    assert float(negative_dice(logits, target)) == pytest.approx(-3 / 5)
    assert float(negative_dice(-logits.abs(), torch.zeros(1, 1, 4))) == pytest.approx(-1)


@pytest.mark.parametrize("line", ['loss = "guess"', 'schedule = "steep"', "[images]\nspeed = 3"])
def test_a_wrong_recipe_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.toml"
    text = _path("csm_unet").read_text()
    path.write_text(text.replace("[parameters]", f"{line}\n[parameters]"))
    with pytest.raises(InvalidArgument, match=r"mine\.toml"):
        read_configuration("csm_unet", path)


def _path(name: str) -> Path:
    return resources_folder() / "training" / f"{name}.toml"
