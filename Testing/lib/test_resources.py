# SPDX-License-Identifier: Apache-2.0
"""The data files are found in a checkout, in a wheel and in Slicer's install tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from SpinalCordSegLib.errors import SpinalCordSegError
from SpinalCordSegLib.resources import find_resources, resources_folder


def with_registry(folder: Path) -> Path:
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "registry.json").write_text("{}")
    return folder


def test_the_checkout_has_its_resources(checkout: Path) -> None:
    assert resources_folder() == checkout / "Resources"


@pytest.mark.parametrize("place", ["Resources", "SpinalCordSegLib/Resources"])
def test_found_beside_and_inside_the_package(tmp_path: Path, place: str) -> None:
    package = tmp_path / "SpinalCordSegLib"
    package.mkdir()
    expected = with_registry(tmp_path / place)
    assert find_resources(package) == expected


def test_resources_of_other_modules_are_not_taken_for_ours(tmp_path: Path) -> None:
    package = tmp_path / "SpinalCordSegLib"
    (tmp_path / "Resources" / "Icons").mkdir(parents=True)
    expected = with_registry(package / "Resources")
    assert find_resources(package) == expected


def test_an_installation_without_resources_is_told_to_be_repaired(tmp_path: Path) -> None:
    with pytest.raises(SpinalCordSegError, match="install SpinalCordSeg again"):
        find_resources(tmp_path / "SpinalCordSegLib")
