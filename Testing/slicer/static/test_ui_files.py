# SPDX-License-Identifier: Apache-2.0
"""The .ui files: widgets that Slicer knows, names that the code uses, tooltips everywhere."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[3] / "SpinalCordSeg"
UI_FILES = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
USERS = {
    "SpinalCordSeg.ui": [
        MODULE / "SpinalCordSeg.py",
        MODULE / "SpinalCordSegGui" / "batch_section.py",
        MODULE / "SpinalCordSegGui" / "log_view.py",
        MODULE / "SpinalCordSegGui" / "results_section.py",
        MODULE / "SpinalCordSegGui" / "status_line.py",
        MODULE / "SpinalCordSegGui" / "weights_section.py",
    ],
    "SegmentEditorEffect.ui": [
        MODULE / "SpinalCordSegEffectLib" / "SegmentEditorEffect.py",
        MODULE / "SpinalCordSegGui" / "correction_section.py",
        MODULE / "SpinalCordSegGui" / "status_line.py",
    ],
}
# Widgets of Slicer and CTK whose plugins its loader has, and those of them that need a scene.
SLICER_WIDGETS = {
    "ctkCollapsibleButton",
    "ctkPathLineEdit",
    "qMRMLNodeComboBox",
    "qMRMLWidget",
    "qSlicerMarkupsPlaceWidget",
}
NEED_A_SCENE = {"qMRMLNodeComboBox", "qSlicerMarkupsPlaceWidget"}
NO_CONTROL = {"qMRMLWidget"}

each_file = pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)


def _widgets(path: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(path).getroot().iter("widget"))


def _text(element: ElementTree.Element, name: str) -> str:
    for found in element.findall("property"):
        if found.get("name") == name:
            return "".join(found.itertext()).strip()
    return ""


@each_file
def test_every_widget_is_one_that_slicer_has(path: Path) -> None:
    widgets = pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    declared = {found.findtext("class") for found in ElementTree.parse(path).iter("customwidget")}
    assert declared <= SLICER_WIDGETS
    for widget in _widgets(path):
        assert widget.get("class") in declared or hasattr(widgets, widget.get("class", ""))


@each_file
def test_every_property_is_one_that_its_widget_has(path: Path) -> None:
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    known = _properties({widget.get("class", "") for widget in _widgets(path)})
    for widget in _widgets(path):
        wanted = {p.get("name") for p in widget.findall("property") if p.get("stdset") != "0"}
        if widget.get("class") in known:
            assert wanted <= known[widget.get("class", "")], widget.get("name")


def _properties(names: set[str]) -> dict[str, set[str]]:
    """Return the properties of Qt's own widgets, asked where no stand-in has changed them."""
    script = (
        "import json, sys; from PySide6 import QtWidgets;"
        "metas = {n: getattr(QtWidgets, n).staticMetaObject for n in sys.argv[1:]"
        " if hasattr(QtWidgets, n)};"
        "print(json.dumps({n: [m.property(i).name() for i in range(m.propertyCount())]"
        " for n, m in metas.items()}))"
    )
    command = [sys.executable, "-c", script, *sorted(names)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: set(found) for name, found in json.loads(told).items()}


@each_file
def test_every_name_is_used_once(path: Path) -> None:
    names = [widget.get("name") for widget in _widgets(path)]
    assert len(names) == len(set(names))


@each_file
def test_every_widget_that_the_code_uses_is_there(path: Path) -> None:
    names = {widget.get("name") for widget in _widgets(path)}
    used = set()
    for source in USERS[path.name]:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and _is_ui(node.value):
                used.add(node.attr)
    assert used
    assert used <= names


def _is_ui(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("ui", "_ui")


@each_file
def test_every_control_says_what_it_does(path: Path) -> None:
    for widget in _widgets(path):
        if widget.get("class") not in NO_CONTROL:
            tip = _text(widget, "toolTip")
            assert tip.endswith("."), f"{widget.get('name')}: {tip!r}"
            assert tip.rstrip(".") != _text(widget, "text").rstrip(":")


@each_file
def test_selectors_get_the_scene(path: Path) -> None:
    connected = {
        found.findtext("receiver")
        for found in ElementTree.parse(path).iter("connection")
        if found.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and found.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    selectors = {w.get("name") for w in _widgets(path) if w.get("class") in NEED_A_SCENE}
    assert connected == selectors


def test_the_panel_is_tied_to_parameters_that_exist() -> None:
    tree = ast.parse((MODULE / "SpinalCordSegGui" / "parameters.py").read_text(encoding="utf-8"))
    kind = next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "SpinalCordSegParameters"
    )
    fields = {node.target.id for node in kind.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    widgets = _widgets(MODULE / "Resources" / "UI" / "SpinalCordSeg.ui")
    tied = [name for w in widgets if (name := _text(w, "SlicerParameterName"))]
    assert len(tied) == len(set(tied)) > 10
    assert set(tied) <= fields
