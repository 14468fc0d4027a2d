# SPDX-License-Identifier: Apache-2.0
"""Following a run that goes on in another process: progress bar, time, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from .status_line import StatusLine

_POLL_MS = 100
# From here on minutes tell more.
_SECONDS_UP_TO = 300


class RunProgress:
    """Follows one run at a time; nothing it does makes the application wait.

    Parameters
    ----------
    progressBar : QProgressBar
        Visible while a run goes on.
    status : StatusLine
    changed : callable
        Called when a run starts or ends.
    log : callable, optional
        Called with the whole log whenever it may have grown.
    """

    def __init__(
        self,
        progressBar: Any,
        status: StatusLine,
        changed: Callable[[], None],
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._bar = progressBar
        self._status = status
        self._changed = changed
        self._log = log
        self._run: Any = None
        self._message = ""
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._poll)

    @property
    def isRunning(self) -> bool:
        """Whether a run goes on."""
        return self._run is not None

    def follow(self, run: Any) -> None:
        """Poll a run until it ends; one that ended may be followed by another."""
        self._run = run
        self._bar.setValue(0)
        self._bar.setVisible(True)
        self.show(0.0, _("starting"))
        self._timer.start()
        self._changed()

    def show(self, fraction: float, message: str) -> None:
        """Show how far the run is, 0 to 1, and what it does."""
        self._bar.setValue(round(100 * fraction))
        self._message = message[:1].upper() + message[1:]

    def cancel(self) -> None:
        """End the run, if there is one."""
        if self._run is not None:
            self._run.cancel()
            self._poll()

    def stop(self) -> None:
        """Go away: end the run, and follow nothing any more."""
        self._timer.stop()
        run, self._run = self._run, None
        if run is not None:
            run.cancel()

    def _poll(self) -> None:
        run = self._run
        if run is None:
            return
        run.poll()
        if self._log is not None:
            self._log(run.log)
        if self._run is not run:  # its end has started another
            return
        if run.isRunning:
            elapsed = _elapsed(run.secondsElapsed)
            text = _("{message} – {elapsed}").format(message=self._message, elapsed=elapsed)
            self._status.say(text)
            return
        self._run = None
        self._timer.stop()
        self._bar.setVisible(False)
        self._changed()


def _elapsed(seconds: float) -> str:
    if seconds < _SECONDS_UP_TO:
        return _("{count} s").format(count=f"{seconds:.0f}")
    return _("{count} min").format(count=f"{seconds / 60:.0f}")
