# SPDX-License-Identifier: Apache-2.0
"""Weights files: found, read back exactly, refused when damaged, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from SpinalCordSegLib.errors import OutputNotWritable, WeightsCorrupt, WeightsMissing
from SpinalCordSegLib.networks import Network, build_network
from SpinalCordSegLib.weights import (
    Preprocessing,
    WeightsSpecification,
    load_network,
    load_weights,
    locate,
    registry,
    save_weights,
    store,
)

SPECIFICATION = WeightsSpecification(
    name="example",
    task="centerline",
    contrast="any",
    architecture="dilated_unet2d",
    parameters={"filters": 2},
    preprocessing=Preprocessing((0.5, 0.5, None), (80, 80), "percentile255"),
    threshold=0.5,
    licence="Apache-2.0",
    source="made for this test",
    citation="",
)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return build_network("dilated_unet2d", {"filters": 2})


@pytest.fixture
def saved(tmp_path: Path, network: Network) -> Path:
    path = tmp_path / "example.safetensors"
    save_weights(network, SPECIFICATION, path)
    return path


def metadata(specification: object = None) -> dict[str, str]:
    stored = SPECIFICATION.to_json() if specification is None else specification
    return {"spinalcordseg": json.dumps(stored)}


def test_reads_back_what_was_written(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "example.safetensors"
    digest = save_weights(network.train(), SPECIFICATION, path)
    loaded = load_weights(path)

    assert loaded.specification == SPECIFICATION
    assert loaded.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not loaded.network.training
    assert os.listdir(tmp_path) == ["example.safetensors"]
    x = torch.randn(1, 1, 16, 20)
    torch.testing.assert_close(load_network(str(path))(x), network.eval()(x), rtol=0, atol=0)


def test_the_same_weights_give_the_same_file(tmp_path: Path, network: Network) -> None:
    digests = {save_weights(network, SPECIFICATION, tmp_path / name) for name in "ab"}
    assert len(digests) == 1


def test_a_name_is_looked_up_in_the_users_folder(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(saved.parent))
    assert locate("example") == saved
    assert load_weights("example").specification.name == "example"


def test_the_weights_that_ship_come_first(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    shutil.copy(saved, shipped)
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(saved.parent))
    monkeypatch.setattr(store, "shipped_folder", lambda: shipped)
    assert locate("example").parent == shipped


def test_without_a_chosen_folder_the_cache_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPINALCORDSEG_WEIGHTS", raising=False)
    assert store.weights_folder().parts[-2:] == ("spinalcordseg", "weights")
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", "~/mine")
    assert store.weights_folder() == Path.home() / "mine"


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("t2_ctr", "weights fetch t2_ctr"),
        ("nothing_of_that_name", "weights list"),
        ("nowhere.safetensors", "check its name"),
        ("nowhere/weights", "check its name"),
        ("nowhere.h5", "check its name"),
    ],
)
def test_missing_weights_come_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, remedy: str
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsMissing, match=remedy):
        load_weights(asked)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(WeightsCorrupt, match="damaged"):
        load_weights(saved)


@pytest.mark.parametrize(
    "content", [b"not weights at all" * 99, b"\x80\x04\x95pickle", b"\xff" * 64]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match="not a safetensors file"):
        load_weights(path)


def test_no_damage_to_the_header_passes_or_escapes(saved: Path) -> None:
    """Any byte changed in the header, or in its length, is refused or leaves the same network."""
    content = saved.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    reference = load_network(saved).state_dict()
    generator = np.random.default_rng(0)
    for position in generator.choice(header, 150, replace=False):
        changed = bytearray(content)
        changed[position] ^= 1 << int(generator.integers(8))
        saved.write_bytes(changed)
        try:
            found = load_network(saved).state_dict()
        except WeightsCorrupt:
            continue
        assert found.keys() == reference.keys()


def test_a_file_without_our_description_is_refused(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "plain.safetensors"
    save_file(network.state_dict(), path)
    with pytest.raises(WeightsCorrupt, match="does not say which network"):
        load_weights(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be used"),
        ("[]", "JSON object"),
        ("[" * 100_000, "cannot be used"),
        (json.dumps({**SPECIFICATION.to_json(), "task": "kidney"}), "kidney"),
        (json.dumps({**SPECIFICATION.to_json(), "architecture": "gpt"}), "unknown architecture"),
        (json.dumps({**SPECIFICATION.to_json(), "parameters": {"width": 2}}), "cannot be built"),
        (json.dumps({**SPECIFICATION.to_json(), "parameters": {"filters": -2}}), "not hold"),
        (json.dumps({**SPECIFICATION.to_json(), "parameters": {"filters": [2]}}), "not hold"),
        (json.dumps({**SPECIFICATION.to_json(), "parameters": {"filters": 4096}}), "shape"),
    ],
)
def test_a_wrong_description_is_refused(
    tmp_path: Path, network: Network, text: str, complaint: str
) -> None:
    path = tmp_path / "wrong.safetensors"
    save_file(network.state_dict(), path, {"spinalcordseg": text})
    with pytest.raises(WeightsCorrupt, match=complaint):
        load_weights(path)


def test_wrong_tensors_are_refused(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "wrong.safetensors"
    state = network.state_dict()
    bias = state["head.bias"]
    cases = {
        "head.bias is missing": {key: state[key] for key in state if key != "head.bias"},
        "extra does not belong": {**state, "extra": bias.clone()},
        r"head.bias has shape \(2,\), not \(1,\)": {**state, "head.bias": torch.zeros(2)},
        "head.bias is torch.float64": {**state, "head.bias": bias.double()},
        "head.bias holds values that are not finite": {**state, "head.bias": bias / 0},
    }
    for complaint, tensors in cases.items():
        save_file(tensors, path, metadata())
        with pytest.raises(WeightsCorrupt, match=complaint):
            load_weights(path)


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(WeightsMissing):
        load_weights(folder)


def test_a_shipped_file_must_have_its_pinned_hash(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "shipped_folder", lambda: saved.parent)
    monkeypatch.setattr(store, "shipped_weights", lambda: {"example": load_weights_digest(saved)})
    assert load_weights(saved).specification.name == "example"
    monkeypatch.setattr(store, "shipped_weights", lambda: {"example": "0" * 64})
    for asked in (saved, "example"):
        with pytest.raises(WeightsCorrupt, match=r"shipped with.*install SpinalCordSeg again"):
            load_weights(asked)


def load_weights_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_specification_of_another_network_is_not_saved(tmp_path: Path, network: Network) -> None:
    other = replace(SPECIFICATION, parameters={"filters": 4})
    with pytest.raises(ValueError, match="does not describe"):
        save_weights(network, other, tmp_path / "example.safetensors")
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    saved: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fail(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputNotWritable, match="Permission denied"):
        save_weights(network, replace(SPECIFICATION, name="other"), saved)
    assert os.listdir(saved.parent) == [saved.name]
    assert saved.read_bytes() == before


@pytest.mark.parametrize("folder", ["absent", "file"])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, network: Network, folder: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputNotWritable, match=folder):
        save_weights(network, SPECIFICATION, tmp_path / folder / "example.safetensors")


def test_registry_and_store_agree_on_the_shipped_folder(checkout: Path) -> None:
    assert registry.shipped_folder() == checkout / "Resources" / "weights"
