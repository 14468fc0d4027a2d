# SPDX-License-Identifier: Apache-2.0
"""One line under the buttons: what is being done, how it ended, what needs attention."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _
from SpinalCordSegCore.messages import Failure

_ICON_PIXELS = 16


class StatusLine:
    """Shows a text, with an icon where that helps.

    Parameters
    ----------
    ui : namespace
        With ``statusLabel`` and ``statusIconLabel``.
    """

    def __init__(self, ui: Any) -> None:
        self._text = ui.statusLabel
        self._icon = ui.statusIconLabel
        self._hinting = False

    def say(self, text: str) -> None:
        """Show what is being done, or was done."""
        self._show(text)

    def hint(self, text: str) -> None:
        """Show what the user has to do first; an empty text takes only a hint away."""
        if text or self._hinting:
            self._show(text)
            self._hinting = bool(text)

    def succeed(self, text: str, warnings: list[str] | None = None) -> None:
        """Show that all went well, with what a person should know."""
        notes = [_("Note: {warning}.").format(warning=warning) for warning in warnings or []]
        self._show("\n".join([text, *notes]))
        icon = qt.QStyle.SP_MessageBoxWarning if notes else qt.QStyle.SP_DialogApplyButton
        self._showIcon(icon)

    def fail(self, failure: Failure) -> None:
        """Show what went wrong and what to do about it."""
        if failure.kind == "cancelled":
            self._show(_("Cancelled. The scene is as it was."))
            return
        text = str(failure)
        self._show(text[:1].upper() + text[1:])
        self._showIcon(qt.QStyle.SP_MessageBoxWarning)

    def _show(self, text: str) -> None:
        self._hinting = False
        self._icon.setVisible(False)
        self._text.setText(text)
        self._text.setVisible(bool(text))

    def _showIcon(self, icon: Any) -> None:
        pixmap = self._text.style().standardIcon(icon).pixmap(qt.QSize(_ICON_PIXELS, _ICON_PIXELS))
        self._icon.setPixmap(pixmap)
        self._icon.setVisible(True)
