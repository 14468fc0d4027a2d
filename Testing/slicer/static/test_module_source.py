# SPDX-License-Identifier: Apache-2.0
"""The extension's source, read without running it; and what importing it loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
MODULE = CHECKOUT / "SpinalCordSeg"
SOURCES = sorted(MODULE.rglob("*.py"))
CORE = sorted((MODULE / "SpinalCordSegCore").glob("*.py"))
HEAVY = {
    "torch",
    "cv2",
    "skimage",
    "scipy",
    "SimpleITK",
    "h5py",
    "requests",
    "pooch",
    "safetensors",
}
# What the application adds to ``slicer`` and ``slicer.util``; the wheel has the rest.
APPLICATION = {
    "app",
    "modules",
    "mrmlScene",
    "util",
    "qSlicerSegmentEditorAbstractEffect",
    "qSlicerSegmentEditorEffectFactory",
}
APPLICATION_UTIL = {
    "childWidgetVariables",
    "confirmOkCancelDisplay",
    "confirmYesNoDisplay",
    "loadUI",
    "loadVolume",
    "mainWindow",
    "pip_install",
    "selectModule",
    "settingsValue",
    "startupEnvironment",
    "tryWithErrorDisplay",
}

each_source = pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: path.relative_to(MODULE).as_posix()
)


def _attributes(path: Path) -> Iterator[str]:
    """Yield what the file takes from modules: ``qt.QTimer``, ``slicer.util.loadUI``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.replace(".", "").replace("_", "").isalnum():
                yield name
        if isinstance(node, ast.ImportFrom) and node.module in ("slicer", "slicer.util"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_scope_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@each_source
def test_nothing_heavy_is_imported_at_file_scope(path: Path) -> None:
    assert not _file_scope_imports(path) & HEAVY


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_needs_no_widgets(path: Path) -> None:
    assert not _file_scope_imports(path) & {"qt", "ctk", "slicer"}
    assert not any(name.startswith(("qt.", "ctk.")) for name in _attributes(path))


@each_source
def test_qt_has_every_class_that_is_used(path: Path) -> None:
    for module in ("QtCore", "QtGui", "QtWidgets"):
        pytest.importorskip(f"PySide6.{module}", exc_type=ImportError)
    from PySide6 import QtCore, QtGui, QtWidgets

    for name in _attributes(path):
        parts = name.split(".")
        if parts[0] == "qt":
            assert any(hasattr(source, parts[1]) for source in (QtCore, QtGui, QtWidgets)), name


@each_source
def test_slicer_has_everything_that_is_used(path: Path) -> None:
    pytest.importorskip("slicer_core")
    import slicer
    import slicer.util

    for name in _attributes(path):
        parts = name.split(".")
        if parts[:2] == ["slicer", "util"] and len(parts) > 2:
            assert parts[2] in APPLICATION_UTIL or hasattr(slicer.util, parts[2]), name
        elif parts[0] == "slicer" and len(parts) > 1:
            assert parts[1] in APPLICATION or hasattr(slicer, parts[1]), name


@each_source
def test_texts_are_translated_whole(path: Path) -> None:
    """An f-string has its values in it before the translation is looked up."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_":
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)


@pytest.mark.parametrize(
    ("name", "most"),
    [("SpinalCordSeg.py", 400), ("SpinalCordSegEffectLib/SegmentEditorEffect.py", 300)],
)
def test_the_files_that_slicer_loads_stay_small(name: str, most: int) -> None:
    assert len((MODULE / name).read_text(encoding="utf-8").splitlines()) < most


def test_the_effect_is_alone_in_its_folder() -> None:
    """Slicer imports it under the folder's name, which would hide a package there."""
    others = {path.name for path in (MODULE / "SpinalCordSegEffectLib").iterdir()}
    assert others - {"__pycache__"} == {"SegmentEditorEffect.py", "SegmentEditorEffect.png"}


def test_importing_the_module_loads_nothing_heavy() -> None:
    pytest.importorskip("slicer_core")
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    script = (
        "import sys, pytest; from Testing.slicer.gui.desk import open_desk;"
        "patch = pytest.MonkeyPatch(); desk = open_desk(patch); before = set(sys.modules);"
        "desk.module('SpinalCordSeg'); patch.undo();"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env=_offscreen(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    assert "SpinalCordSeg" in loaded
    assert not loaded & HEAVY


def _offscreen() -> dict[str, str]:
    import os

    return dict(os.environ) | {
        "QT_QPA_PLATFORM": "offscreen",
        "ITK_GLOBAL_DEFAULT_THREADER": "Platform",
        "PYTHONPATH": str(CHECKOUT),
    }
