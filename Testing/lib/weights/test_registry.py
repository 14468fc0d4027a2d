# SPDX-License-Identifier: Apache-2.0
"""The registry: every published set is pinned, and says how to prepare an image for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from SpinalCordSegLib.weights import registry
from SpinalCordSegLib.weights.registry import PublishedWeights

PUBLISHED = registry.published_weights()


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_every_published_set_is_pinned(entry: PublishedWeights) -> None:
    assert re.fullmatch("[0-9a-f]{40}", entry.git_blob_sha1)
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert re.fullmatch("[0-9a-f]{40}", entry.commit)
    assert entry.url.endswith(f"/{entry.commit}/{entry.path}")
    assert entry.path.endswith(entry.file)
    assert entry.licence == "none stated"
    assert registry.published_named(entry.name) is not None


def test_names_files_and_hashes_are_unique() -> None:
    for key in ("name", "file", "git_blob_sha1"):
        values = [getattr(entry, key) for entry in PUBLISHED]
        assert len(values) == len(set(values)) == 16


def test_the_files_at_hand_are_recognised_by_content(shared: Path) -> None:
    found = {
        path.name: registry.identify(path.read_bytes())
        for path in (shared / "weights").iterdir()
        if path.suffix in (".h5", ".hdf5")
    }
    assert len(found) == 7
    for name, entry in found.items():
        assert entry is not None and entry.file == name and entry.sha256 and entry.size_bytes


def test_other_content_is_not_recognised(shared: Path) -> None:
    content = bytearray((shared / "weights" / "dwi_ctr.h5").read_bytes())
    content[-1] ^= 1
    assert registry.identify(bytes(content)) is None


def test_git_names_the_empty_file_as_git_does() -> None:
    assert registry.git_blob_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_each_shipped_set_is_the_one_pinned() -> None:
    from SpinalCordSegLib.weights.store import file_sha256

    for name, sha256 in registry.shipped_weights().items():
        assert file_sha256(registry.shipped_folder() / f"{name}.safetensors") == sha256


def test_looking_at_the_registry_does_not_import_torch(checkout: Path) -> None:
    code = (
        "import sys; from SpinalCordSegLib import weights; "
        "from SpinalCordSegLib.weights import keras_import, registry; "
        "registry.published_weights(); sys.exit('torch' in sys.modules or 'h5py' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, timeout=60)
