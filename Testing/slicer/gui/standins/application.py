# SPDX-License-Identifier: Apache-2.0
"""Stands for ``slicer.app`` and the parts of ``slicer.util`` that talk to the user.

Dialogs are not shown: what they would have said is kept, and the test gives the answer.

It cannot prove: layouts, module switching, how a dialog looks, settings.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .pythonqt import make_like_pythonqt
from .ui_files import child_widgets, load_ui


class Application(QtCore.QObject):
    """The application: its signals, its logic, its layout manager."""

    startupCompleted = QtCore.Signal()

    def __init__(self, logic: Any) -> None:
        super().__init__()
        self._logic = logic
        self.layouts: list[int] = []
        self.majorVersion, self.minorVersion = 5, 10

    def applicationLogic(self) -> Any:
        """Return the real application logic of the scene."""
        return self._logic

    def layoutManager(self) -> Any:
        """Return what keeps the layouts that were asked for."""
        return types.SimpleNamespace(setLayout=self.layouts.append)

    def processEvents(self) -> None:
        """Let widgets react."""
        QtWidgets.QApplication.processEvents()


make_like_pythonqt(Application)


class Dialogs:
    """What the user was asked and told.

    Attributes
    ----------
    said : list of str
        Texts, in order.
    answer : bool
        What the user answers to every question.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answer = True

    def ask(self, text: str, windowTitle: str | None = None, **_options: Any) -> bool:
        """Stand for ``confirmOkCancelDisplay`` and ``confirmYesNoDisplay``."""
        self.said.append(text)
        return self.answer

    @contextlib.contextmanager
    def errors_shown(self, message: str = "", **_options: Any) -> Iterator[None]:
        """Stand for ``tryWithErrorDisplay``."""
        try:
            yield
        except Exception as error:
            self.said.append(f"{message} {error}")


def install(patch: Any, logic: Any, modules: dict[str, Any]) -> tuple[Application, Dialogs]:
    """Put an application where Slicer has it, by pytest's monkeypatch."""
    application, dialogs = Application(logic), Dialogs()
    selected: list[str] = []
    _put_python_on_path(patch)
    patch.setattr(slicer, "app", application, raising=False)
    patch.setattr(slicer, "modules", types.SimpleNamespace(**modules), raising=False)
    for name, function in {
        "loadUI": load_ui,
        "childWidgetVariables": child_widgets,
        "confirmOkCancelDisplay": dialogs.ask,
        "confirmYesNoDisplay": dialogs.ask,
        "tryWithErrorDisplay": dialogs.errors_shown,
        "mainWindow": lambda: None,
        "selectModule": selected.append,
        "startupEnvironment": lambda: dict(os.environ),
    }.items():
        patch.setattr(slicer.util, name, function, raising=False)
    application.selectedModules = selected
    return application, dialogs


def _put_python_on_path(patch: Any) -> None:
    """Let ``PythonSlicer`` start this Python."""
    folder = tempfile.mkdtemp()
    launcher = Path(folder) / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    patch.setenv("PATH", os.pathsep.join([folder, os.environ["PATH"]]))
