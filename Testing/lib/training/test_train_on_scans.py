# SPDX-License-Identifier: Apache-2.0
"""Training on scans with the one trainer: every configuration, stopped, killed, and by command."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from SpinalCordSegLib.cli import main
from SpinalCordSegLib.errors import Cancelled, InvalidArgument
from SpinalCordSegLib.training.anatomy import AtlasTensors
from SpinalCordSegLib.training.configuration import (
    Augmentation,
    TrainingConfiguration,
    read_configuration,
)
from SpinalCordSegLib.training.export import export_weights
from SpinalCordSegLib.training.recipe import train_model
from SpinalCordSegLib.training.scan_patches import read_scans
from SpinalCordSegLib.training.trainer import train
from SpinalCordSegLib.weights import load_weights

from .test_configuration import NAMES, model_of

CHECKOUT = Path(__file__).resolve().parents[3]

# As the configurations are, but for sizes.
TINY = ["batch=2", "steps=4", "validate_every=2", "spacing_mm=[1.0, 1.0, 2.0]"]
TINY_2D = ["patch_voxels=[16, 16, 1]", "parameters.filters=2"]
TINY_3D = [
    "patch_voxels=[16, 16, 8]",
    "parameters.encoder=[[2, 2]]",
    "parameters.bottleneck=[2, 2]",
    "parameters.decoder=[[2, 2]]",
]

# Trains in a process of its own, slowly, and saves every other step.
KILLED = """
import json, sys, time
from pathlib import Path
from SpinalCordSegLib.training import trainer
from SpinalCordSegLib.training.configuration import Augmentation, TrainingConfiguration
from SpinalCordSegLib.training.scan_patches import read_scans
trainer._SAVE_EVERY, trainer._LOG_EVERY = 2, 1
values = json.loads(sys.argv[1])
values["augmentation"] = Augmentation(**values["augmentation"])
chosen = TrainingConfiguration(**values)
scans = read_scans(Path(sys.argv[2]), chosen)
trainer.train(chosen, None, Path(sys.argv[3]), lambda *_: time.sleep(0.2), scans)
"""


@pytest.fixture
def chosen(configuration: TrainingConfiguration) -> TrainingConfiguration:
    """A tiny network with dropout, and everything random in its patches."""
    return replace(
        configuration,
        parameters={**configuration.parameters, "dropout": 0.3},
        steps=12,
        validate_every=5,
        augmentation=Augmentation(10.0, 0.1, (50.0, 5.0), 0.5, ("x",), 0.3, 0.2, 0.1, 0.1),
    )


def same_bits(one: Path, other: Path) -> bool:
    """Compare weights, their average, the best of them and the optimizer's state."""
    first, second = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    assert first.keys() == second.keys() and any(name.startswith("optimizer") for name in first)
    return all(torch.equal(first[name], second[name]) for name in first)


# Masks end where the rater stopped: nothing is learnt from scans of where the cord ends.
ON_SCANS = [name for name in NAMES if model_of(name) != "cord_ends"]


@pytest.mark.parametrize("name", ON_SCANS)
def test_every_configuration_trains_on_scans(name: str, study: Path, tmp_path: Path) -> None:
    model = model_of(name)
    configuration = read_configuration(model, name)
    changes = [*TINY, *(TINY_2D if configuration.patch_voxels[2] == 1 else TINY_3D)]
    if configuration.images and configuration.images.crop_voxels:
        changes += ["images.crop_voxels=[16, 16]", "patch_voxels=[24, 24, 1]"]
    if "depth" in configuration.parameters:
        changes.append("parameters.depth=2")
    if configuration.slices:
        changes.append("slices=[4, 2, 1]")
    path = train_model(
        model, None, tmp_path, name, data=study, start_from="none", changes=changes, validation=0.5
    )
    specification = load_weights(path).specification
    assert specification.task == model
    assert (
        "scans with masks" in specification.source and "scans of the user" in specification.licence
    )
    with (tmp_path / "log.csv").open(newline="") as handle:
        steps = [int(row["step"]) for row in csv.DictReader(handle) if row["validation_dice"]]
    assert steps == [0, 2, 4]
    with (tmp_path / "scans.csv").open(newline="") as handle:
        assert {row["role"] for row in csv.DictReader(handle)} >= {"training", "held back"}


def test_it_says_when_training_made_nothing_better(study: Path, tmp_path: Path) -> None:
    said: list[str] = []
    ruined = ["steps=1", "batch=1", "warm_up=0", "learning_rate=10.0", "average=0.0"]
    path = train_model(
        "cord",
        None,
        tmp_path,
        data=study,
        changes=ruined,
        validation=0.5,
        progress=lambda fraction, message: said.append(message),
    )
    assert said[-1] == "nothing did better on what was held back than the weights it began from"
    kept, began = load_weights(path), load_weights("cord")
    values = kept.network.state_dict()
    assert all(torch.equal(values[name], v) for name, v in began.network.state_dict().items())
    # Which are cut where they always were, not where fine-tuned ones are.
    assert kept.specification.threshold == began.specification.threshold


def test_where_the_cord_ends_is_not_learnt_from_scans(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="where the rater stopped"):
        train_model("cord_ends", None, tmp_path, data=study)
    assert not list(tmp_path.iterdir())


def test_the_loss_falls_on_a_single_scan(
    study: Path, configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    chosen = replace(configuration, steps=75, validate_every=25)
    trained = train(chosen, None, tmp_path, scans=read_scans(study, chosen, 0.5))
    with (tmp_path / "log.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert float(rows[-1]["loss"]) < 0.6 * float(rows[1]["loss"])
    # On the other person, whom training did not see.
    assert trained.validation_dice is not None
    assert trained.validation_dice > max(0.8, float(rows[0]["validation_dice"]) + 0.2)


def test_a_stopped_run_goes_on_to_the_same_bits(
    study: Path,
    chosen: TrainingConfiguration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("SpinalCordSegLib.training.trainer._LOG_EVERY", 7)
    scans = read_scans(study, chosen)
    train(chosen, None, tmp_path / "whole", scans=scans)

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    for _ in range(2):
        with pytest.raises(Cancelled):
            train(chosen, None, tmp_path / "stopped", stop, scans)
    train(chosen, None, tmp_path / "stopped", scans=scans)
    assert same_bits(tmp_path / "whole", tmp_path / "stopped")


def test_a_killed_run_goes_on_to_the_same_bits(
    study: Path, chosen: TrainingConfiguration, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, json.dumps(asdict(chosen)), study, tmp_path / "killed"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment) as process:
        deadline = time.monotonic() + 600
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert checkpoint.exists() and process.returncode != 0
    scans = read_scans(study, chosen)
    train(chosen, None, tmp_path / "killed", scans=scans)
    train(chosen, None, tmp_path / "whole", scans=scans)
    assert same_bits(tmp_path / "killed", tmp_path / "whole")
    with (tmp_path / "killed" / "log.csv").open(newline="") as handle:
        steps = [int(row["step"]) for row in csv.DictReader(handle)]
    assert steps == sorted(set(steps)) and steps[-1] == 12


def test_scans_and_synthetic_samples_take_turns(
    study: Path, atlas: AtlasTensors, chosen: TrainingConfiguration, tmp_path: Path
) -> None:
    from SpinalCordSegLib.training.batches import TrainingImages, training_batch

    scans = read_scans(study, chosen, 0)
    both, alone = TrainingImages(atlas, scans), TrainingImages(None, scans)
    _, mixed = training_batch(chosen, both, 0)
    _, real = training_batch(chosen, alone, 0)
    _, synthetic = training_batch(chosen, TrainingImages(atlas), 0)
    assert torch.equal(mixed[0].nan_to_num(-1), real[0].nan_to_num(-1))
    assert torch.equal(mixed[1], synthetic[0])
    train(chosen, atlas, tmp_path, scans=scans)


def test_the_command_trains_and_its_weights_segment(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    sample = checkout / "Resources" / "sample"
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(sample / "phantom_t2w.nii.gz", data / "phantom.nii.gz")
    shutil.copy(sample / "phantom_t2w_cord.nii.gz", data / "phantom_label-SC_mask.nii.gz")
    out = tmp_path / "run"
    arguments = ["train", "cord", "--data", str(data), "-o", str(out), "--progress", "none"]
    sizes = ["--set", "steps=1", "--set", "batch=1", "--set", "patch_voxels=[32, 32, 16]"]
    assert main([*arguments, *sizes]) == 0
    weights = out / "cord.safetensors"
    assert "starting from the weights cord" in load_weights(weights).specification.source
    image = str(data / "phantom.nii.gz")
    result = tmp_path / "result"
    assert main(["segment", image, "--weights", str(weights), "-o", str(result)]) == 0
    used = json.loads((result / "phantom_seg.json").read_text())["provenance"]["weights"]
    assert "none stated" in next(w["licence"] for w in used if w["task"] == "cord")
    (data / "phantom_label-SC_mask.nii.gz").unlink()
    capsys.readouterr()
    assert main([*arguments[:5], str(tmp_path / "other"), "--progress", "none"]) == 2
    assert "no mask of the cord" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_weights_say_what_they_were_made_from(
    study: Path, chosen: TrainingConfiguration, tmp_path: Path
) -> None:
    short = replace(chosen, steps=2)
    scans = read_scans(study, short)
    trained = train(short, None, tmp_path, scans=scans)
    path = tmp_path / "mine.safetensors"
    export_weights(trained, short, path, scans, synthetic=False)
    source = load_weights(path).specification.source
    assert "1 scans with masks" in source and "validation Dice" in source
    assert "synthetic" not in source
