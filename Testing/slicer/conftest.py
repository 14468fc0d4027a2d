# SPDX-License-Identifier: Apache-2.0
"""Tests that need Slicer's scene or Qt skip, with the reason, where these are not installed."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

# Before slicer_core is imported: its contour interpolator otherwise crashes Python as it ends.
os.environ["ITK_GLOBAL_DEFAULT_THREADER"] = "Platform"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_HOW = 'pip install -e ".[test]"'
_REASONS = {
    "slicer_core": f"no scene without slicer_core: {_HOW}",
    "PySide6.QtWidgets": f"no widgets without PySide6-Essentials ({_HOW}) and the system's libEGL",
}
_NEEDED = {"mrml": ["slicer_core"], "gui": ["slicer_core", "PySide6.QtWidgets"]}


class _LeftOut(pytest.Module):
    reason = ""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(self.reason, allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Leave a test file out before it is imported, if what it needs is not there."""
    for name in _NEEDED.get(module_path.parent.name, []):
        try:
            importlib.import_module(name)
        except ImportError:
            left_out: _LeftOut = _LeftOut.from_parent(parent, path=module_path)
            left_out.reason = _REASONS[name]
            return left_out
    return None
