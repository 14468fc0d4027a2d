# SPDX-License-Identifier: Apache-2.0
"""Real scenes on ``slicer_core``: Slicer's own nodes and logics, without its application."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

# For the tests' own `import scene`.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def slicer_scene() -> Iterator[SimpleNamespace]:
    """A scene of its own for each test."""
    import scene as scenes

    booted = scenes.boot()
    yield booted
    booted.scene.Clear(True)


@pytest.fixture
def scene(slicer_scene: SimpleNamespace) -> Any:
    """The vtkMRMLScene alone."""
    return slicer_scene.scene


@pytest.fixture
def private_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runs of a test put their private folders, and nobody else's."""
    parent = tmp_path / "temporary"
    parent.mkdir()
    monkeypatch.setattr("SpinalCordSegCore.private_folder.temporary_folder", lambda: parent)
    return parent
