# SPDX-License-Identifier: Apache-2.0
"""What is missing is found without a network, and installed without touching Slicer's own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest
import slicer
from SpinalCordSegCore import dependencies
from SpinalCordSegCore.messages import Failure


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of modules that seem not to be installed."""
    names: set[str] = set()
    there = dependencies._there
    monkeypatch.setattr(dependencies, "_there", lambda name: name not in names and there(name))
    return names


def test_the_list_is_that_of_the_package(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = {*dependencies.SLICERS_OWN, "torch"}
    needed = {text for text in project["dependencies"] if text.split(">=")[0] not in own}
    assert set(dependencies.PACKAGES.values()) == needed
    assert f"torch{dependencies.TORCH}" in project["dependencies"]
    assert list(dependencies.PUBLISHED.values()) == project["optional-dependencies"]["import"]


def test_nothing_to_do_where_everything_is_there() -> None:
    plan = dependencies.install_plan(published=True)
    assert plan.isEmpty
    dependencies.install(plan)


def test_what_is_missing_is_planned_and_slicers_own_is_kept(lacking: set[str]) -> None:
    lacking |= {"torch", "cv2", "h5py", "numpy"}
    plan = dependencies.install_plan()
    assert plan.torch
    assert plan.packages == ("opencv-python-headless>=4.8",)
    assert [text.split("==")[0] for text in plan.constraints] == ["numpy", "scipy", "SimpleITK"]
    assert dependencies.install_plan(published=True).packages[-1] == "h5py>=3.10"
    assert "opencv-python-headless" in plan.text
    assert "PyTorch" in plan.text


def test_packages_come_by_pip_with_slicers_own_held_fast(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking.add("cv2")
    asked: list[Any] = []

    def pip_install(arguments: list[str]) -> None:
        asked.append((arguments[:-1], Path(arguments[-1]).read_text(encoding="utf-8").split()))
        lacking.clear()

    monkeypatch.setattr(slicer.util, "pip_install", pip_install, raising=False)
    plan = dependencies.install_plan()
    dependencies.install(plan)
    assert asked == [(["opencv-python-headless>=4.8", "--constraint"], list(plan.constraints))]
    assert dependencies.install_plan().isEmpty


def test_offline_it_says_which_package(lacking: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lacking.add("pooch")

    def pip_install(_: list[str]) -> None:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(slicer.util, "pip_install", pip_install, raising=False)
    with pytest.raises(Failure) as caught:
        dependencies.install(dependencies.install_plan())
    assert str(caught.value) == (
        "the Python package pooch>=1.8 is not installed; connect to the internet, press Apply and "
        "agree to install it."
    )


def test_torch_comes_through_the_pytorch_extension(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking.add("torch")
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(Failure) as caught:
        dependencies.install(dependencies.install_plan())
    assert caught.value.kind == "pytorch_extension"
    assert str(caught.value) == (
        "the extension PyTorch, which installs PyTorch, is missing; install it in the Extensions "
        "Manager and restart Slicer."
    )

    asked: list[dict[str, Any]] = []

    class Logic:
        def installTorch(self, **options: Any) -> object:
            asked.append(options)
            lacking.clear()
            return object()

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=Logic))
    dependencies.install(dependencies.install_plan())
    assert asked == [{"askConfirmation": False, "torchVersionRequirement": ">=2.4"}]


def test_a_torch_that_could_not_be_installed(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking.add("torch")
    logic = types.SimpleNamespace(installTorch=lambda **_: None)
    module = types.SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    with pytest.raises(Failure) as caught:
        dependencies.install(dependencies.install_plan())
    assert str(caught.value) == (
        "PyTorch, which the networks run on, is not installed; press Apply and agree to install "
        "it, or install it with the PyTorch Utils module."
    )


@pytest.mark.parametrize("version", [(4, 11), (5, 8)])
def test_an_old_slicer_is_told(version: tuple[int, int]) -> None:
    with pytest.raises(Failure) as caught:
        dependencies.check_slicer(*version)
    assert str(caught.value) == (
        f"this is Slicer {version[0]}.{version[1]}, and Spinal Cord Segmentation needs 5.10 or "
        "newer; install the current Slicer from download.slicer.org."
    )
    dependencies.check_slicer(5, 10)
    dependencies.check_slicer(6, 0)
