# SPDX-License-Identifier: Apache-2.0
"""Stands for ``slicer.ScriptedLoadableModule`` and ``slicer.i18n``: what modules derive from.

It cannot prove: how Slicer finds, loads, reloads and tests a module, nor translations.
"""

from __future__ import annotations

import os
import sys
import types
import unittest
from typing import Any

import slicer
from PySide6 import QtWidgets


class ScriptedLoadableModule:
    """What Slicer makes once, at start-up."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    """The panel: Slicer gives it a widget with a layout."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent or QtWidgets.QWidget()
        self.layout = QtWidgets.QVBoxLayout(self.parent)

    def setup(self) -> None:
        """Build the panel."""

    def resourcePath(self, name: str) -> str:
        """Return the path of a file in the module's Resources."""
        module = sys.modules[type(self).__module__]
        return os.path.join(os.path.dirname(str(module.__file__)), "Resources", name)


class ScriptedLoadableModuleLogic:
    """The logic: keeps one parameter node a module in the scene."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """Return the module's node, made if there is none."""
        tag = self.moduleName
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(tag)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The self-test in a real Slicer; here it is only defined."""


def install(patch: Any) -> None:
    """Put both modules where imports find them, by pytest's monkeypatch."""
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(base, kind.__name__, kind)
    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text
    translation.translate = lambda context, text: text
    patch.setitem(sys.modules, base.__name__, base)
    patch.setitem(sys.modules, translation.__name__, translation)
