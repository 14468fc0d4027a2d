# SPDX-License-Identifier: Apache-2.0
"""What Slicer would build and install: everything, and it runs from there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
STUB = Path(__file__).resolve().parent / "cmake_stub"
SCRIPTED_MODULES = "lib/Slicer-5.10/qt-scripted-modules"
# What stays behind: sources of pictures, and CMake's own files.
NOT_INSTALLED = {".svg", ".txt", ".pyc"}

cmake = pytest.importorskip("cmake", reason='no CMake: pip install -e ".[test]"')
CMAKE = str(Path(cmake.CMAKE_BIN_DIR) / "cmake")


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Run CMake on an extension, with the stub in place of Slicer."""
    command = [CMAKE, "-S", source, "-B", build, f"-DSlicer_DIR={STUB}", "-DBUILD_TESTING=ON"]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripted modules after an installation."""
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    run = configure(CHECKOUT, build)
    assert run.returncode == 0, run.stderr
    command = [CMAKE, "--install", str(build), "--prefix", str(prefix)]
    subprocess.run(command, capture_output=True, check=True)
    return prefix / SCRIPTED_MODULES


def test_every_file_of_the_module_is_installed(installed: Path) -> None:
    wanted = _files(CHECKOUT / "SpinalCordSeg")
    there = {name for name in _files(installed) if not name.startswith("SpinalCordSegLib/")}
    assert wanted - there == set(), "list these in SpinalCordSeg/CMakeLists.txt"
    assert there - wanted == set()


def test_the_whole_library_is_installed_with_its_data(installed: Path) -> None:
    library = installed / "SpinalCordSegLib"
    data = {name for name in _files(CHECKOUT / "Resources") if not name.startswith("figures/")}
    assert _files(library / "Resources") == data
    code = {name for name in _files(library) if not name.startswith("Resources/")}
    assert code == _files(CHECKOUT / "SpinalCordSegLib")


def test_the_installed_library_finds_its_data(installed: Path) -> None:
    script = (
        "import SpinalCordSegLib; from SpinalCordSegLib.resources import resources_folder;"
        "print(SpinalCordSegLib.__file__); print(resources_folder())"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(installed)!r});"]
    command[-1] += script
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    assert Path(told[0]).is_relative_to(installed)
    assert Path(told[1]) == installed / "SpinalCordSegLib" / "Resources"


@pytest.mark.parametrize("spoiled", ["listed", "undescribed"])
def test_the_stub_refuses_what_slicer_would_not_build(spoiled: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("SpinalCordSeg", "SpinalCordSegLib", "Resources"):
        shutil.copytree(CHECKOUT / name, source / name)
    top = (CHECKOUT / "CMakeLists.txt").read_text()
    if spoiled == "listed":
        (source / "SpinalCordSeg" / "Resources" / "UI" / "SpinalCordSeg.ui").unlink()
    else:
        top = top.replace("EXTENSION_DESCRIPTION", "EXTENSION_STORY")
    (source / "CMakeLists.txt").write_text(top)
    run = configure(source, tmp_path / "build")
    assert run.returncode != 0
    said = {"listed": "SpinalCordSeg.ui is listed and is not there", "undescribed": "DESCRIPTION"}
    assert said[spoiled] in run.stderr


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in NOT_INSTALLED
    }
