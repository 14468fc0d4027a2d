# SPDX-License-Identifier: Apache-2.0
"""Stands for the qMRML widgets in the panel: node selectors and the button that places points.

A selector lists the real nodes of a real scene, of the types it was told, and follows the scene.

It cannot prove: sorting, attributes filters, the menu of the real selector, placing of points by
the mouse in a view.
"""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .pythonqt import make_like_pythonqt, value_of


def _flag(name: str, kind: type) -> QtCore.Property:
    def get(self: Any) -> Any:
        return self._flags.get(name, kind())

    def put(self: Any, value: Any) -> None:
        self._flags[name] = value

    return QtCore.Property(kind, get, put)


class qMRMLWidget(QtWidgets.QWidget):  # noqa: N801
    """A widget that tells its children which scene they show."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        """Show a scene: what hears the signal shows it too."""
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QComboBox):  # noqa: N801
    """A list of nodes to choose from."""

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._flags: dict[str, Any] = {}
        self._ids: list[str] = []
        self._types: list[str] = []
        self.currentIndexChanged.connect(lambda _: self.currentNodeChanged.emit(self.currentNode()))

    def setMRMLScene(self, scene: Any) -> None:
        """List the nodes of a scene, now and whenever it changes."""
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            scene.AddObserver(event, lambda caller, name: self._list())
        self._list()

    def currentNode(self) -> Any:
        """Return the node that was chosen, or None."""
        index = value_of(self, "currentIndex")
        chosen = self._ids[index] if 0 <= index < len(self._ids) else ""
        return self._scene.GetNodeByID(chosen) if self._scene is not None and chosen else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node, or none."""
        wanted = node.GetID() if node is not None else ""
        self.setCurrentIndex(self._ids.index(wanted) if wanted in self._ids else -1)

    def _list(self) -> None:
        before = self.currentNode()
        self.blockSignals(True)
        self.clear()
        self._ids = []
        if self._flags.get("noneEnabled"):
            self._add("None", "")
        for kind in self._types:
            for number in range(self._scene.GetNumberOfNodesByClass(kind)):
                node = self._scene.GetNthNodeByClass(number, kind)
                exact = self._flags.get("showChildNodeTypes", True) or node.GetClassName() == kind
                if exact and not node.GetHideFromEditors():
                    self._add(node.GetName(), node.GetID())
        wanted = before.GetID() if before is not None else ""
        self.setCurrentIndex(self._ids.index(wanted) if wanted in self._ids else -1)
        self.blockSignals(False)
        if self.currentNode() is not before:
            self.currentNodeChanged.emit(self.currentNode())

    def _add(self, name: str, identity: str) -> None:
        self._ids.append(identity)
        self.addItem(name)

    def _get_types(self) -> list[str]:
        return self._types

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        if self._scene is not None:
            self._list()

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)
    noneEnabled = _flag("noneEnabled", bool)
    addEnabled = _flag("addEnabled", bool)
    removeEnabled = _flag("removeEnabled", bool)
    renameEnabled = _flag("renameEnabled", bool)
    showChildNodeTypes = _flag("showChildNodeTypes", bool)
    baseName = _flag("baseName", str)


class qSlicerMarkupsPlaceWidget(QtWidgets.QWidget):  # noqa: N801
    """Buttons that start placing points and delete them."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._visible = True
        self._place, self._delete = QtWidgets.QToolButton(), QtWidgets.QToolButton()
        style = self.style()
        icons = QtWidgets.QStyle.StandardPixmap
        self._place.setIcon(style.standardIcon(icons.SP_ArrowDown))
        self._delete.setIcon(style.standardIcon(icons.SP_TrashIcon))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for button in (self._place, self._delete):
            layout.addWidget(button)
        fixed = QtWidgets.QSizePolicy.Policy.Fixed
        self.setSizePolicy(fixed, fixed)

    def setMRMLScene(self, scene: Any) -> None:
        """Place points in a scene."""

    def setCurrentNode(self, node: Any) -> None:
        """Place points of a node."""
        self._node = node

    def currentNode(self) -> Any:
        """Return the node whose points are placed."""
        return self._node

    def placeButton(self) -> Any:
        """Return the button that starts placing."""
        return self._place

    def deleteButton(self) -> Any:
        """Return the button that deletes points."""
        return self._delete

    def _get_visible(self) -> bool:
        return self._visible

    def _set_visible(self, visible: bool) -> None:
        self._visible = visible

    buttonsVisible = QtCore.Property(bool, _get_visible, _set_visible)


make_like_pythonqt(qMRMLWidget, ("mrmlSceneChanged(vtkMRMLScene*)",))
make_like_pythonqt(qMRMLNodeComboBox, ("currentNodeChanged(vtkMRMLNode*)",))
make_like_pythonqt(qSlicerMarkupsPlaceWidget)

WIDGETS = (qMRMLWidget, qMRMLNodeComboBox, qSlicerMarkupsPlaceWidget)


def install(patch: Any) -> None:
    """Put the widgets where the application has them, by pytest's monkeypatch."""
    for kind in WIDGETS:
        patch.setattr(slicer, kind.__name__, kind, raising=False)
