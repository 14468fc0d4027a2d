# SPDX-License-Identifier: Apache-2.0
"""Everything a test of the panel or the effect sits at: a scene, an application, a module."""

from __future__ import annotations

import importlib
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from PySide6 import QtTest, QtWidgets

from Testing.slicer.gui import standins
from Testing.slicer.gui.standins import (
    application,
    ctk_widgets,
    effect_host,
    mrml_widgets,
    parameter_node,
    pythonqt,
    scripted_module,
)
from Testing.slicer.mrml import scene as scenes

CHECKOUT = Path(__file__).resolve().parents[3]
MODULE = CHECKOUT / "SpinalCordSeg"
SAMPLE = CHECKOUT / "Resources" / "sample" / "phantom_t2w.nii.gz"
_OWN = ("SpinalCordSeg", "SpinalCordSegGui", "SpinalCordSegEffectLib")


@dataclass
class Desk:
    """What a test uses.

    Attributes
    ----------
    scene : vtkMRMLScene
    application : Application
    dialogs : Dialogs
    effects : Factory
        Where effects are registered.
    """

    scene: Any
    application: application.Application
    dialogs: application.Dialogs
    effects: effect_host.Factory
    opened: list[Any] = field(default_factory=list)

    def module(self, name: str) -> Any:
        """Import a file of the extension anew."""
        return importlib.import_module(name)

    def panel(self) -> Any:
        """Return the module's panel, shown."""
        widget = self.module("SpinalCordSeg").SpinalCordSegWidget()
        widget.setup()
        self.opened.append(widget)
        widget.parent.resize(420, 900)
        widget.parent.show()
        settle()
        return widget

    def editor(self, volumeNode: Any, segmentation: Any = None) -> Any:
        """Return the effect in a segment editor, with a new segmentation if none is given."""
        self.module("SpinalCordSeg").registerEditorEffect()
        host = self.effects.effects["Spinal cord"]
        editor = Editor(self.scene, host, volumeNode, segmentation)
        self.opened.append(editor.effect)
        return editor

    def close(self) -> None:
        """Leave nothing behind for the next test."""
        for opened in self.opened:
            opened.cleanup()
        for window in QtWidgets.QApplication.topLevelWidgets():
            window.close()
            window.deleteLater()
        settle()
        for name in [name for name in sys.modules if name.split(".")[0] in _OWN]:
            del sys.modules[name]
        ctk_widgets.LAST_PATHS.clear()
        self.scene.Clear(True)


class Editor:
    """A segment editor without its widget: the real logic and node, and the effect's host."""

    def __init__(self, scene: Any, host: Any, volumeNode: Any, segmentation: Any = None) -> None:
        self.volumeNode = volumeNode
        self.node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(scene)
        self.logic.SetSegmentEditorNode(self.node)
        if segmentation is None:
            segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "edited")
            segmentation.CreateDefaultDisplayNodes()
            segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        self.segmentation = segmentation
        self.logic.SetSegmentationNode(self.segmentation)
        self.logic.SetSourceVolumeNode(volumeNode)
        self.host = host
        self.effect = host.self()
        host.attach(self.logic, self.node)
        self.effect.setupOptionsFrame()
        self.effect.setMRMLDefaults()
        self.effect.updateGUIFromMRML()
        self.ui = self.effect.ui
        host.optionsFrame().resize(400, 400)
        host.optionsFrame().show()
        settle()

    def add_segment(self, name: str, mask: np.ndarray) -> str:
        """Add a segment with the voxels of a mask (K, J, I), and select it."""
        identity = self.segmentation.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), self.segmentation, identity, self.volumeNode
        )
        self.select(identity)
        return identity

    def select(self, identity: str) -> None:
        """Select a segment, as a click in the table does."""
        self.logic.SetCurrentSegmentID(identity)
        self.effect.updateGUIFromMRML()

    def voxels(self, identity: str) -> int:
        """Return how many voxels a segment has."""
        array = slicer.util.arrayFromSegmentBinaryLabelmap(
            self.segmentation, identity, self.volumeNode
        )
        return int((array > 0).sum())

    def segments(self) -> dict[str, str]:
        """Return the id of each segment by its name."""
        segmentation = self.segmentation.GetSegmentation()
        ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
        return {segmentation.GetSegment(identity).GetName(): identity for identity in ids}


def open_desk(patch: Any) -> Desk:
    """Return a desk whose stand-ins `patch` puts in place, and takes away again."""
    QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    QtWidgets.QApplication.setStyle("Fusion")
    booted = scenes.boot()
    patch.setattr(slicer, "mrmlScene", booted.scene)
    terminologies = slicer.vtkSlicerTerminologiesModuleLogic()
    logics = {name.lower(): logic for name, logic in booted.logics.items()}
    modules = {
        name: types.SimpleNamespace(logic=lambda logic=logic: logic)
        for name, logic in (logics | {"terminologies": terminologies}).items()
    }
    patch.setitem(sys.modules, "qt", pythonqt.module())
    patch.setitem(sys.modules, "ctk", ctk_widgets.module())
    patch.syspath_prepend(str(MODULE))
    mrml_widgets.install(patch)
    scripted_module.install(patch)
    parameter_node.install(patch)
    app, dialogs = application.install(patch, booted.application, modules)
    effects = effect_host.install(patch)
    return Desk(booted.scene, app, dialogs, effects)


def settle() -> None:
    """Let widgets react."""
    for _ in range(3):
        QtWidgets.QApplication.processEvents()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Let the application run until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        QtTest.QTest.qWait(20)


def click(widget: Any) -> None:
    """Click a widget with the mouse."""
    from PySide6 import QtCore

    QtTest.QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton)
    settle()


__all__ = ["SAMPLE", "Desk", "Editor", "click", "open_desk", "settle", "standins", "wait_until"]
