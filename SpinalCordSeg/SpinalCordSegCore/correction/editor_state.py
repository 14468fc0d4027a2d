# SPDX-License-Identifier: Apache-2.0
"""What every command does to the editor: save the state for undo, spare other segments."""

from __future__ import annotations

from typing import Any


def save_state(editorLogic: Any) -> None:
    """Make what follows one undo step; nothing where there is no editor."""
    if editorLogic is None:
        return
    save = getattr(editorLogic, "SaveStateForUndo", None) or editorLogic.saveStateForUndo
    save()


def allow_overlap(editorNode: Any) -> None:
    """Let what is drawn lie over other segments."""
    # The default mode erases what is drawn over from hidden segments too.
    if editorNode is not None:
        editorNode.SetOverwriteMode(editorNode.OverwriteNone)
