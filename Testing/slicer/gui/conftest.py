# SPDX-License-Identifier: Apache-2.0
"""The panel and the effect on PySide6, offscreen, with a real scene behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A scene of its own with stand-ins for the application around it."""
    from Testing.slicer.gui.desk import open_desk

    opened = open_desk(monkeypatch)
    yield opened
    opened.close()
