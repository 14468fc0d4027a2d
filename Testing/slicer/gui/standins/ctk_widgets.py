# SPDX-License-Identifier: Apache-2.0
"""Stands for the module ``ctk``: the few widgets of CTK that the panel uses.

They have CTK's property and signal names, and look about as they do in Slicer.

It cannot prove: how CTK's own widgets look, animate, or react to anything not used here.
"""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import make_like_pythonqt, value_of

_HEADER = 24


class ctkCollapsibleButton(QtWidgets.QWidget):  # noqa: N801
    """A heading over a part of the panel; a click folds the part away."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, _HEADER, 0, 0)

    def _get_text(self) -> str:
        return self._text

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    text = QtCore.Property(str, _get_text, _set_text)

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = bool(collapsed)
        self._fold()
        self.contentsCollapsed.emit(self._collapsed)

    collapsed = QtCore.Property(bool, _get_collapsed, _set_collapsed)

    def _fold(self) -> None:
        direct = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        # A part's own hidden widgets stay hidden when it is opened: only its layout is folded.
        self.setMaximumHeight(_HEADER if self._collapsed else 16777215)
        for child in self.findChildren(QtWidgets.QWidget, options=direct):
            policy = child.sizePolicy
            policy.setRetainSizeWhenHidden(False)
        self.updateGeometry()

    def sizeHint(self) -> QtCore.QSize:
        """Be as high as the heading where folded."""
        hint = super().sizeHint()
        return QtCore.QSize(hint.width(), _HEADER) if self._collapsed else hint

    def minimumSizeHint(self) -> QtCore.QSize:
        """Be as high as the heading where folded."""
        hint = super().minimumSizeHint()
        return QtCore.QSize(hint.width(), _HEADER) if self._collapsed else hint

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Fold or unfold."""
        if event.position().y() < _HEADER:
            self._set_collapsed(not self._collapsed)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the heading."""
        painter = QtGui.QPainter(self)
        palette = value_of(self, "palette")
        width = value_of(self, "width")
        option = QtWidgets.QStyleOption()
        option.initFrom(self)
        painter.setPen(palette.mid().color())
        painter.setBrush(palette.button().color().darker(106))
        painter.drawRoundedRect(QtCore.QRectF(0.5, 0.5, width - 1, _HEADER - 3), 2, 2)
        option.rect = QtCore.QRect(6, 6, 10, 10)
        style = QtWidgets.QStyle.PrimitiveElement
        arrow = style.PE_IndicatorArrowRight if self._collapsed else style.PE_IndicatorArrowDown
        self.style().drawPrimitive(arrow, option, painter, self)
        enabled = value_of(self, "enabled")
        group = QtGui.QPalette.ColorGroup.Active if enabled else QtGui.QPalette.ColorGroup.Disabled
        painter.setPen(palette.color(group, QtGui.QPalette.ColorRole.WindowText))
        painter.drawText(22, 16, self._text)


LAST_PATHS: dict[str, str] = {}
"""What the application's settings keep of path widgets, by their key."""


class ctkPathLineEdit(QtWidgets.QWidget):  # noqa: N801
    """A path, and a button that asks for one."""

    # As QDir has it.
    Dirs = 1

    currentPathChanged = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._filters: list[str] = []
        self._kinds, self._key = 0, ""
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        self._edit.textChanged.connect(self.currentPathChanged)
        browse = QtWidgets.QToolButton()
        browse.setText("…")
        layout.addWidget(self._edit)
        layout.addWidget(browse)

    def _get_path(self) -> str:
        return value_of(self._edit, "text")

    def _set_path(self, path: str) -> None:
        self._edit.setText(path)

    currentPath = QtCore.Property(str, _get_path, _set_path)

    def _get_filters(self) -> list[str]:
        return self._filters

    def _set_filters(self, filters: list[str]) -> None:
        self._filters = list(filters)

    nameFilters = QtCore.Property("QStringList", _get_filters, _set_filters)

    def _get_kinds(self) -> int:
        return self._kinds

    def _set_kinds(self, kinds: int) -> None:
        self._kinds = kinds

    filters = QtCore.Property(int, _get_kinds, _set_kinds)

    def _get_key(self) -> str:
        return self._key

    def _set_key(self, key: str) -> None:
        self._key = key
        if key in LAST_PATHS and not value_of(self, "currentPath"):
            self._set_path(LAST_PATHS[key])

    settingKey = QtCore.Property(str, _get_key, _set_key)

    def addCurrentPathToHistory(self) -> None:
        """Keep the path for the next widget with this key."""
        LAST_PATHS[self._key] = value_of(self, "currentPath")


for _kind in (ctkCollapsibleButton, ctkPathLineEdit):
    make_like_pythonqt(_kind)

WIDGETS = (ctkCollapsibleButton, ctkPathLineEdit)


def module() -> types.ModuleType:
    """Return the module ``ctk``."""
    ctk = types.ModuleType("ctk")
    for kind in WIDGETS:
        setattr(ctk, kind.__name__, kind)
    return ctk
