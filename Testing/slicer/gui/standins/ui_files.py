# SPDX-License-Identifier: Apache-2.0
"""Stands for ``slicer.util.loadUI``: a .ui file becomes widgets, its connections are made.

Connections are made here by name, so that a selector without one has no scene, as in Slicer.

It cannot prove: that Slicer's loader knows a widget class (Testing/slicer/static checks the names).
"""

from __future__ import annotations

import types
import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import ctk_widgets, mrml_widgets
from .pythonqt import value_of


def load_ui(path: str) -> Any:
    """Return the top widget of a .ui file."""
    tree = ElementTree.parse(path)
    connections = tree.getroot().find("connections")
    made = [] if connections is None else list(connections)
    if connections is not None:
        tree.getroot().remove(connections)
    loader = QtUiTools.QUiLoader()
    for kind in (*ctk_widgets.WIDGETS, *mrml_widgets.WIDGETS):
        loader.registerCustomWidget(kind)
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadWrite)
    buffer.write(ElementTree.tostring(tree.getroot()))
    buffer.seek(0)
    top = loader.load(buffer)
    if top is None:
        raise RuntimeError(loader.errorString())
    # What the file hides stays hidden when its parent is shown.
    for connection in made:
        sender = _named(top, connection.findtext("sender", ""))
        receiver = _named(top, connection.findtext("receiver", ""))
        slot = getattr(receiver, connection.findtext("slot", "").partition("(")[0])
        sender.connect(connection.findtext("signal", ""), slot)
    return top


def child_widgets(top: Any) -> types.SimpleNamespace:
    """Return the named widgets below a widget, as ``slicer.util.childWidgetVariables`` does."""
    found = types.SimpleNamespace()
    for child in top.findChildren(QtWidgets.QWidget):
        name = value_of(child, "objectName")
        if name and not name.startswith("qt_"):
            setattr(found, name, child)
    return found


def _named(top: Any, name: str) -> Any:
    if value_of(top, "objectName") == name:
        return top
    found = top.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise RuntimeError(f"a connection names {name}, which is not there")
    return found
