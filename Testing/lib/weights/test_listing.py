# SPDX-License-Identifier: Apache-2.0
"""The list of weights, and checking those on this computer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from SpinalCordSegLib.errors import WeightsCorrupt
from SpinalCordSegLib.weights import listing, registry, store
from SpinalCordSegLib.weights.fetch import fetch_weights
from SpinalCordSegLib.weights.listing import list_weights, table, verify_weights


@pytest.fixture
def installed(publisher: Any, weights_folder: Path) -> Path:
    """One of the two published sets, in the user's folder."""
    (path,) = fetch_weights("t2_sc", lambda text: True)
    return path


def states() -> dict[str, str]:
    return {record.name: record.state for record in list_weights()}


def test_what_ships_what_is_installed_and_what_there_is_to_fetch(installed: Path) -> None:
    assert states() == {
        **dict.fromkeys(sorted(registry.shipped_weights()), "shipped"),
        "t2_sc": "installed",
        "t1_sc": "available",
    }
    (record,) = [record for record in list_weights() if record.name == "t2_sc"]
    assert record.size_bytes == installed.stat().st_size
    assert (record.task, record.contrast, record.licence) == ("cord", "t2", "none stated")


def test_every_published_set_is_listed(weights_folder: Path) -> None:
    text = table(list_weights())
    assert len(text.splitlines()) == 1 + 16 + len(registry.shipped_weights())
    assert "licence" in text.splitlines()[0].lower()
    (line,) = [line for line in text.splitlines() if line.startswith("t2_ctr ")]
    assert " ".join(line.split()) == "t2_ctr centerline t2 available 1.6 MB none stated"
    (line,) = [line for line in text.splitlines() if line.startswith("t1_ctr ")]
    assert "size not known" in line


def test_a_damaged_file_does_not_spoil_the_list(installed: Path) -> None:
    installed.write_bytes(b"nonsense")
    assert states()["t2_sc"] == "damaged"
    table(list_weights())


def test_a_network_of_a_later_version(publisher: Any, weights_folder: Path) -> None:
    publisher.registry["published"][0]["architecture"] = "transformer"
    assert states()["t1_sc"] == "unsupported"


def test_verify_names_the_files(installed: Path) -> None:
    assert {path.stem for path in verify_weights()} == {*registry.shipped_weights(), "t2_sc"}


def test_no_damage_passes(installed: Path) -> None:
    """Any byte changed, in the header or in the numbers, is noticed."""
    content = installed.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    generator = np.random.default_rng(0)
    positions = [*generator.choice(header, 30), *generator.choice(len(content), 10)]
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= 1 << int(generator.integers(8))
        installed.write_bytes(changed)
        try:
            verify_weights()
        except WeightsCorrupt:
            continue
        # A space for another, or the like: what is read is the same.
        assert store.read_specification(installed).name == "t2_sc"
        intact = installed.with_suffix(".intact")
        intact.write_bytes(content)
        assert all(
            torch.equal(value, load_file(intact)[key])
            for key, value in load_file(installed).items()
        )
    installed.write_bytes(content[:-1])
    with pytest.raises(WeightsCorrupt, match="t2_sc"):
        verify_weights()


def test_verify_says_what_is_corrupt_and_what_to_do(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shutil.copytree(registry.shipped_folder(), shipped)
    for module in (registry, store, listing):
        monkeypatch.setattr(module, "shipped_folder", lambda: shipped)
    content = bytearray((shipped / "cord.safetensors").read_bytes())
    content[-1] ^= 1
    (shipped / "cord.safetensors").write_bytes(content)
    (shipped / "centerline.safetensors").unlink()
    installed.write_bytes(installed.read_bytes()[:1000])
    (installed.parent / "mine.safetensors").write_bytes(b"mine")
    with pytest.raises(WeightsCorrupt) as caught:
        verify_weights()
    assert caught.value.exit_status == 4
    for name in ("cord", "centerline", "t2_sc", "mine"):
        assert f"{name}.safetensors" in caught.value.message
    assert caught.value.remedy.count("install SpinalCordSeg again") == 1
    assert "weights fetch t2_sc" in caught.value.remedy
    assert "delete" in caught.value.remedy


def test_a_file_without_a_hash_is_not_taken_for_sound(installed: Path) -> None:
    plain = installed.with_name("plain.safetensors")
    specification = store.read_specification(installed)
    save_file(load_file(installed), plain, {"spinalcordseg": json.dumps(specification.to_json())})
    store.read_weights(plain)
    with pytest.raises(WeightsCorrupt, match="carries no hash"):
        verify_weights()


def test_listing_does_not_import_torch(installed: Path, checkout: Path) -> None:
    code = (
        "import sys; from SpinalCordSegLib.weights.listing import list_weights; "
        "assert 't2_sc' in {r.name for r in list_weights() if r.state == 'installed'}; "
        "sys.exit('torch' in sys.modules or 'h5py' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, timeout=60)
