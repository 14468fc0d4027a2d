# SPDX-License-Identifier: Apache-2.0
"""Rules about the source itself, read without running it; and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LIBRARY = CHECKOUT / "SpinalCordSegLib"
FOLDERS = ("SpinalCordSegLib", "SpinalCordSeg", "Testing")
SOURCES = sorted(path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py"))
LIBRARY_SOURCES = sorted(LIBRARY.rglob("*.py"))

SLICER = {"slicer", "qt", "ctk", "vtk"}
RUNS_CODE_FROM_FILES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal"}
CLUSTER = {"dask", "dask_jobqueue", "distributed"}
DICOM = {"highdicom", "pydicom"}
EXTRAS = {"monai", "torchio", "h5py", "matplotlib", "nibabel", "keras"} | CLUSTER | DICOM
HEAVY = {"torch", "cv2", "skimage", "scipy", "SimpleITK", "numpy", "matplotlib", "h5py"}

# What may import what: a module imports its own level and those below.
LEVELS = (
    {"network_order"},
    {"images", "headers", "dicom_segmentation"},
    {"networks"},
    {"weights"},
    {"intensity", "heaviest_run"},
    {"centerline", "segmentation", "levelset", "measurement", "correction"},
    {"choice"},
    {"evaluation"},
    {"pipeline"},
    {"batch"},
    {"cli", "__main__"},
)


def _name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def _imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    """Yield the absolute names of the modules that a file imports."""
    package = path.relative_to(CHECKOUT).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*base, node.module)) if node.module else ".".join(base)
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_every_file_states_its_licence(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first == "# SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", LIBRARY_SOURCES, ids=_name)
def test_the_library_knows_nothing_of_slicer(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path)} & SLICER


@pytest.mark.parametrize("path", LIBRARY_SOURCES, ids=_name)
def test_optional_packages_are_imported_where_they_are_used(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path, top_level_only=True)} & EXTRAS


@pytest.mark.parametrize("path", LIBRARY_SOURCES, ids=_name)
def test_no_file_is_read_in_a_way_that_runs_its_content(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path)} & RUNS_CODE_FROM_FILES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.load", "torch.jit.load", "np.fromregex"}
            assert not any(keyword.arg == "allow_pickle" for keyword in node.keywords)


@pytest.mark.parametrize("path", LIBRARY_SOURCES, ids=_name)
def test_modules_import_only_what_lies_below_them(path: Path) -> None:
    own = _level(_name(path).removesuffix(".py").replace("/", "."))
    for name in _imports(path):
        imported = _level(name)
        assert own is None or imported is None or imported <= own, name


def _level(module: str) -> int | None:
    parts = module.split(".")
    if parts[0] != "SpinalCordSegLib" or len(parts) < 2:
        return None
    return next((n for n, names in enumerate(LEVELS) if parts[1] in names), None)


@pytest.mark.parametrize("module", ["SpinalCordSegLib", "SpinalCordSegLib.cli"])
def test_importing_waits_for_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert not set(run.stdout.split()) & HEAVY


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    command = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert command.endswith("-m pytest")
    assert command in (CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()
