# SPDX-License-Identifier: Apache-2.0
"""Stands for ``qSlicerSegmentEditorScriptedEffect``: hosts an effect on the real editor logic.

Masks, overwrite modes, undo and the writing of segments are those of Slicer's own
``vtkSlicerSegmentEditorLogic``; parameters are attributes of a real segment editor node; the
effect's file is imported under the name of its folder, as Slicer does.

It cannot prove: the editor widget around it (order and look of effects, which are enabled when),
the mouse in slice views, cursors, previews.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from typing import Any

import slicer
from PySide6 import QtWidgets

_LOGIC = slicer.vtkSlicerSegmentEditorLogic


class Factory:
    """Keeps the registered effects; a second one of the same name is refused."""

    def __init__(self) -> None:
        self.effects: dict[str, Any] = {}

    def instance(self) -> Factory:
        """Return the only factory."""
        return self

    def registerEffect(self, effect: Any) -> bool:
        """Add an effect."""
        if effect.name in self.effects:
            return False
        self.effects[effect.name] = effect
        return True


class AbstractScriptedSegmentEditorEffect:
    """What effects derive from."""

    def __init__(self, scriptedEffect: Any) -> None:
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        """Let the editor know the effect."""
        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)

    def cleanup(self) -> None:
        """Let go of everything."""


class qSlicerSegmentEditorAbstractEffect:  # noqa: N801
    """Where the modes of writing are named."""

    ModificationModeSet = _LOGIC.ModificationModeSet
    ModificationModeAdd = _LOGIC.ModificationModeAdd
    ModificationModeRemove = _LOGIC.ModificationModeRemove
    ModificationModeRemoveAll = _LOGIC.ModificationModeRemoveAll


class qSlicerSegmentEditorScriptedEffect(qSlicerSegmentEditorAbstractEffect):  # noqa: N801
    """The host of an effect written in Python."""

    def __init__(self, parent: Any = None) -> None:
        self.name, self.title = "UnnamedScriptedEffect", ""
        self.perSegment = self.requireSegments = True
        self.selected: list[str] = []
        self._frame = QtWidgets.QFrame()
        self._layout = QtWidgets.QVBoxLayout(self._frame)
        self._layout.setContentsMargins(6, 6, 6, 6)
        self._logic: Any = None
        self._node: Any = None

    def setPythonSource(self, path: str) -> bool:
        """Import the effect's file and make the effect."""
        folder = os.path.basename(os.path.dirname(path))
        spec = importlib.util.spec_from_file_location(folder, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[folder] = module
        spec.loader.exec_module(module)
        kind = os.path.splitext(os.path.basename(path))[0]
        self._self = getattr(module, kind)(self)
        setattr(slicer, folder, self._self)
        return True

    def self(self) -> Any:
        """Return the effect."""
        return self._self

    def attach(self, logic: Any, node: Any) -> None:
        """Use an editor: what the editor widget does in Slicer."""
        self._logic, self._node = logic, node

    def parameterSetNode(self) -> Any:
        """Return the segment editor node."""
        return self._node

    def parameterDefined(self, name: str) -> bool:
        """Tell whether a parameter has a value."""
        return self._node.GetAttribute(self._key(name)) is not None

    def setParameter(self, name: str, value: str | int | float) -> None:
        """Keep a parameter."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"{name}: {value!r} is neither str, int nor float")
        self._node.SetAttribute(self._key(name), str(value))

    def setParameterDefault(self, name: str, value: str | int | float) -> None:
        """Keep a parameter that has no value yet."""
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def parameter(self, name: str) -> str:
        """Return a parameter as text."""
        return self._node.GetAttribute(self._key(name)) or ""

    def integerParameter(self, name: str) -> int:
        """Return a parameter as a number."""
        return int(self.parameter(name) or 0)

    def optionsFrame(self) -> Any:
        """Return the frame with the options."""
        return self._frame

    def addOptionsWidget(self, widget: Any) -> None:
        """Add to the options."""
        self._layout.addWidget(widget)

    def selectEffect(self, name: str) -> None:
        """Change to another effect."""
        self.selected.append(name)

    def saveStateForUndo(self) -> None:
        """Keep the segmentation as it is, for Undo."""
        self._logic.SaveStateForUndo()

    def defaultModifierLabelmap(self) -> Any:
        """Return an empty labelmap in the reference geometry."""
        made = self._logic.UpdateReferenceGeometryImage() and (
            self._logic.ResetModifierLabelmapToDefault()
        )
        return self._logic.GetModifierLabelmap() if made else None

    def modifySegmentByLabelmap(
        self, segmentationNode: Any, segmentID: str, labelmap: Any, mode: Any, bypass: bool = False
    ) -> None:
        """Change a segment, where mask and overwrite mode allow it."""
        self._logic.UpdateMaskLabelmap()
        self._logic.ModifySegmentByLabelmap(
            segmentationNode, segmentID, labelmap, mode, False, bypass
        )

    def _key(self, name: str) -> str:
        return f"{self.name}.{name}"


def install(patch: Any) -> Factory:
    """Put host, base class and factory where imports find them, by pytest's monkeypatch."""
    factory = Factory()
    patch.setattr(slicer, "qSlicerSegmentEditorEffectFactory", factory, raising=False)
    abstract = qSlicerSegmentEditorAbstractEffect
    patch.setattr(slicer, abstract.__name__, abstract, raising=False)
    base = types.ModuleType("SegmentEditorEffects")
    base.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect
    host = types.ModuleType("qSlicerSegmentationsEditorEffectsPythonQt")
    host.qSlicerSegmentEditorScriptedEffect = qSlicerSegmentEditorScriptedEffect
    for module in (base, host):
        patch.setitem(sys.modules, module.__name__, module)
    return factory
