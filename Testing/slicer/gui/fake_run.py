# SPDX-License-Identifier: Apache-2.0
"""Stands for a run of SpinalCordSegCore: goes as far as the test says, and ends as it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from SpinalCordSegCore.messages import Failure, cancelled


class FakeRun:
    """A run that a test drives.

    Attributes
    ----------
    asked : dict
        What the run was asked for.
    """

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.isRunning = True
        self.secondsElapsed = 3.2
        self.log = "$ spinalcordseg segment"
        self._next: list[Callable[[], None]] = []

    def step(self, fraction: float, message: str) -> None:
        """Get further at the next poll."""
        self.log += f"\n{fraction:.0%} {message}"
        self._next.append(lambda: self.asked["progress"](fraction, message))

    def end(self, outcome: Any = None, failure: Failure | None = None) -> None:
        """End at the next poll."""
        self._next.append(lambda: self._end(outcome, failure))

    def poll(self) -> None:
        """Deliver what the test wanted."""
        while self._next:
            self._next.pop(0)()

    def cancel(self) -> None:
        """End at once."""
        self._end(None, cancelled())

    def _end(self, outcome: Any, failure: Failure | None) -> None:
        self.isRunning = False
        self.asked["finished"](outcome, failure)
