# SPDX-License-Identifier: Apache-2.0
"""The weights on this computer: importing published ones from a file, deleting them."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore import weights
from SpinalCordSegCore.messages import Failure

from .consent import agrees_to, follow, packages_are_there
from .run_progress import RunProgress
from .status_line import StatusLine


class WeightsSection:
    """Imports and deletes weights.

    Parameters
    ----------
    ui : namespace
        With ``importWeightsButton`` and ``clearWeightsButton``.
    run : RunProgress
        Shows how far an import is.
    status : StatusLine
    """

    def __init__(self, ui: Any, run: RunProgress, status: StatusLine) -> None:
        self._run, self._status = run, status
        ui.importWeightsButton.connect("clicked(bool)", self._onImport)
        ui.clearWeightsButton.connect("clicked(bool)", self._onClear)

    def _onImport(self, _checked: bool = False) -> None:
        try:
            self._import()
        except Failure as failure:
            self._status.fail(failure)

    def _onClear(self, _checked: bool = False) -> None:
        try:
            self._clear()
        except Failure as failure:
            self._status.fail(failure)

    def _import(self) -> None:
        chosen = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(),
            _("Import published weights"),
            "",
            _("Weights (*.h5 *.hdf5 *.zip)"),
        )
        # PythonQt gives the path alone, other bindings the filter too.
        path = chosen if isinstance(chosen, str) else chosen[0]
        ready = bool(path) and packages_are_there(self._status, published=True)
        if ready and agrees_to(weights.import_offer(path)):
            follow(
                self._run,
                self._status,
                lambda **how: weights.import_files(path, **how),
                lambda: self._status.succeed(_("The weights are installed.")),
            )

    def _clear(self) -> None:
        question = _(
            "Delete all downloaded and imported weights from this computer ({size:.1f} MB)? "
            "The default weights stay."
        ).format(size=weights.cached_bytes() / 1e6)
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("Clear cache")):
            freed = weights.clear() / 1e6
            self._status.succeed(_("{size:.1f} MB of weights deleted.").format(size=freed))
