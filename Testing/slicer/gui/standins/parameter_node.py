# SPDX-License-Identifier: Apache-2.0
"""Stands for ``slicer.parameterNodeWrapper``: typed parameters on a real node, tied to widgets.

Knows the pairs that the panel uses: check box and bool, combo box and enum, node selector and
node, and str without a widget. Any other pair raises, as it does in Slicer.

It cannot prove: Slicer's way of writing values down (scenes saved by one are not read by the
other), packs, ranges, or the order of its notifications.
"""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import vtk
from PySide6 import QtWidgets

from .mrml_widgets import qMRMLNodeComboBox
from .pythonqt import value_of

PROPERTY = "SlicerParameterName"


def parameter_node_wrapper(kind: type) -> type:
    """Make of a class with annotations one whose attributes live on a node."""
    hints = typing.get_type_hints(kind)
    defaults = {name: getattr(kind, name, None) for name in hints}
    for name, hint in hints.items():
        setattr(kind, name, _attribute(name, hint, defaults[name]))
    kind.__init__ = _start
    kind.connectGui = _connect_gui
    kind.disconnectGui = _disconnect_gui
    kind.AddObserver = lambda self, *how: self.parameterNode.AddObserver(*how)
    kind.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    kind.allParameters = hints
    return kind


def install(patch: Any) -> None:
    """Put the module where imports find it, by pytest's monkeypatch."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameter_node_wrapper
    patch.setitem(sys.modules, module.__name__, module)


def _is_node(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, vtk.vtkObject)


def _attribute(name: str, hint: Any, default: Any) -> property:
    def get(self: Any) -> Any:
        node = self.parameterNode
        if _is_node(hint):
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        if hint is bool:
            return text == "true" if text else default
        if issubclass(hint, enum.Enum):
            return hint[text] if text else default
        return text or default

    def put(self: Any, value: Any) -> None:
        node = self.parameterNode
        if _is_node(hint):
            if value is not None and not isinstance(value, hint):
                raise TypeError(f"{name} must be a {hint.__name__}")
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            return
        if not isinstance(value, hint):
            raise TypeError(f"{name} must be {hint.__name__}, not {value!r}")
        text = value.name if isinstance(value, enum.Enum) else value
        node.SetParameter(name, str(text).lower() if hint is bool else text)

    return property(get, put)


def _start(self: Any, node: Any) -> None:
    self.parameterNode = node
    self._guis = {}


def _connect_gui(self: Any, gui: Any) -> int:
    pairs = []
    for widget in vars(gui).values():
        name = QtWidgets.QWidget.property(widget, PROPERTY)
        if name:
            if name not in self.allParameters:
                raise ValueError(f"{value_of(widget, 'objectName')}: no parameter {name}")
            pairs.append((name, *_tie(widget, self.allParameters[name])))
    updating = [False]

    def show(*_event: Any) -> None:
        if updating[0]:
            return
        updating[0] = True
        try:
            for name, _read, write, _signal in pairs:
                write(getattr(self, name))
        finally:
            updating[0] = False

    slots = []
    show()
    for name, read, _write, signal in pairs:

        def keep(*_value: Any, name: str = name, read: Callable[[], Any] = read) -> None:
            if not updating[0]:
                setattr(self, name, read())

        signal.connect(keep)
        slots.append((signal, keep))
    observer = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, show)
    tag = len(self._guis)
    self._guis[tag] = (slots, observer)
    return tag


def _disconnect_gui(self: Any, tag: int) -> None:
    slots, observer = self._guis.pop(tag)
    for signal, slot in slots:
        signal.disconnect(slot)
    self.parameterNode.RemoveObserver(observer)


def _tie(widget: Any, hint: Any) -> tuple[Callable[[], Any], Callable[[Any], None], Any]:
    """Return how a widget's value is read and written, and what tells that it changed."""
    if type(widget) is QtWidgets.QCheckBox and hint is bool:
        return lambda: widget.checked, widget.setChecked, widget.toggled
    if type(widget) is QtWidgets.QComboBox and issubclass(hint, enum.Enum):
        choices = list(hint)
        widget.clear()
        widget.addItems([choice.label() for choice in choices])
        return (
            lambda: choices[widget.currentIndex],
            lambda value: widget.setCurrentIndex(choices.index(value)),
            widget.currentIndexChanged,
        )
    if type(widget) is qMRMLNodeComboBox and _is_node(hint):
        widget.nodeTypes = [hint.__name__]
        return widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged
    raise RuntimeError(f"no connector between {type(widget).__name__} and {hint}")
