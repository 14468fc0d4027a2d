# SPDX-License-Identifier: Apache-2.0
"""What is installed only if the user agrees: Python packages, and weights published by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore import dependencies, weights
from SpinalCordSegCore.messages import Failure

from .run_progress import RunProgress
from .status_line import StatusLine


def packages_are_there(status: StatusLine, published: bool) -> bool:
    """Install the Python packages that are missing, if the user agrees.

    Parameters
    ----------
    status : StatusLine
    published : bool
        Whether published weights are wanted, which need one more.

    Returns
    -------
    bool
        Whether all are there now.

    Raises
    ------
    Failure
        If Slicer is too old, or they could not be installed.
    """
    dependencies.check_slicer(slicer.app.majorVersion, slicer.app.minorVersion)
    plan = dependencies.install_plan(published)
    if plan.isEmpty:
        return True
    if not slicer.util.confirmOkCancelDisplay(plan.text, windowTitle=_("Install packages")):
        return False
    status.say(_("Installing packages…"))
    slicer.app.processEvents()
    dependencies.install(plan)
    return dependencies.install_plan(published).isEmpty


def when_all_is_there(
    run: RunProgress, status: StatusLine, published: bool, then: Callable[[], None]
) -> None:
    """Go on once packages and weights are there; what fails is shown."""
    try:
        if not packages_are_there(status, published):
            return
        if published:
            _with_published_weights(run, status, then)
        else:
            then()
    except Failure as failure:
        status.fail(failure)


def _with_published_weights(run: RunProgress, status: StatusLine, then: Callable[[], None]) -> None:
    """Go on with published weights, which are downloaded first if the user agrees."""
    offered = weights.offer("sct")
    if offered is None:
        then()
    elif agrees_to(offered):
        follow(run, status, lambda **how: weights.fetch("sct", **how), then)


def agrees_to(offered: str) -> bool:
    """Show size, licence and citation of weights, and return whether the user wants them."""
    question = offered + "\n\n" + _("Do you want to install these weights?")
    agreed = slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Published weights"))
    return bool(agreed)


def follow(
    run: RunProgress, status: StatusLine, start: Callable[..., Any], then: Callable[[], None]
) -> None:
    """Start to get weights, show how far that is, and go on when they are there."""

    def finished(_files: Any, failure: Failure | None) -> None:
        if failure is not None:
            status.fail(failure)
        else:
            then()

    run.follow(start(progress=run.show, finished=finished))
