# SPDX-License-Identifier: Apache-2.0
"""All items of a sequence, one run after the other; the scene gets all results, or none."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .messages import Failure, as_failure, cancelled
from .run import Finding, Progress, Run


def browser_of(volumeNode: Any) -> Any | None:
    """Return the sequence browser whose proxy a volume node is, if it is one."""
    scene = volumeNode.GetScene()
    if scene is None:
        return None
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")):
        browserNode = scene.GetNthNodeByClass(number, "vtkMRMLSequenceBrowserNode")
        sequenceNode = browserNode.GetSequenceNode(volumeNode)
        if sequenceNode is not None and sequenceNode.GetNumberOfDataNodes() > 1:
            return browserNode
    return None


class SequenceRun:
    """Runs over the items of a sequence; asked and cancelled like :class:`Run`.

    Parameters
    ----------
    browserNode : vtkMRMLSequenceBrowserNode
    start : callable
        ``start(deliver, progress, finished)`` starts the run of the item that is shown.
    deliver : callable
        ``deliver(findings)``, one of each item, puts them into the scene.
    progress, finished : callable, optional
        As for :class:`Run`.
    """

    def __init__(
        self,
        browserNode: Any,
        start: Callable[..., Run],
        deliver: Callable[[list[Finding]], Any],
        progress: Progress | None = None,
        finished: Callable[[Any, Failure | None], None] | None = None,
    ) -> None:
        self._browserNode, self._start, self._deliver = browserNode, start, deliver
        self._progress = progress or (lambda fraction, message: None)
        self._finished = finished or (lambda outcome, failure: None)
        self._items = int(browserNode.GetNumberOfItems())
        self._findings: list[Finding] = []
        self._earlier = ""
        self._began, self._seconds = time.monotonic(), 0.0
        self.isRunning = True
        self.outcome: Any = None
        self.failure: Failure | None = None
        self._run = self._start_item()

    @property
    def log(self) -> str:
        """What the processes said, one after the other."""
        return self._earlier + self._run.log

    @property
    def secondsElapsed(self) -> float:
        """How long the runs have taken, or took."""
        return time.monotonic() - self._began if self.isRunning else self._seconds

    def poll(self) -> None:
        """Deliver progress and, once, the end."""
        if self.isRunning:
            self._run.poll()
        if not self.isRunning or self._run.isRunning:
            return
        if self._run.failure is not None:
            self._end(None, self._run.failure)
            return
        self._findings.append(self._run.outcome)
        try:
            if len(self._findings) < self._items:
                self._earlier = self.log + "\n"
                self._run = self._start_item()
            else:
                self._end(self._deliver(self._findings), None)
        except Exception as error:
            self._earlier += f"{traceback.format_exc()}\n"
            self._end(None, as_failure(error))

    def cancel(self) -> None:
        """End the process that runs; the scene stays as it was."""
        if self.isRunning:
            self._run.cancel()
            self._end(None, cancelled())

    def wait(self) -> Any:
        """Block until all runs have ended, and return the outcome; errors as :meth:`Run.wait`."""
        try:
            while self.isRunning:
                self.poll()
                time.sleep(0.02)
        finally:
            self.cancel()
        if self.failure is not None:
            raise self.failure
        return self.outcome

    def _start_item(self) -> Run:
        number = len(self._findings)

        def progress(fraction: float, message: str) -> None:
            told = f"item {number + 1} of {self._items}: {message}"
            self._progress((number + fraction) / self._items, told)

        with shown_item(self._browserNode, number):
            return self._start(lambda finding: finding, progress)

    def _end(self, outcome: Any, failure: Failure | None) -> None:
        self._seconds = time.monotonic() - self._began
        self.isRunning = False
        self.outcome, self.failure = outcome, failure
        self._finished(outcome, failure)


@contextmanager
def shown_item(browserNode: Any, number: int) -> Iterator[None]:
    """Let the proxy nodes be those of an item, and of the one shown before again afterwards."""
    before = browserNode.GetSelectedItemNumber()
    try:
        _select(browserNode, number)
        yield
    finally:
        _select(browserNode, before)


def record(
    browserNode: Any, volumeNode: Any, nodes: list[Any], write: Callable[[int], None]
) -> None:
    """Make nodes proxies of new sequences, one item for each of a volume's.

    Parameters
    ----------
    browserNode, volumeNode : nodes
        The volume is a proxy of the browser.
    nodes : list of nodes
        What `write` changes.
    write : callable
        ``write(number)`` gives the nodes the content of an item, whose volume is shown then.
    """
    sequenceNode = browserNode.GetSequenceNode(volumeNode)
    scene = volumeNode.GetScene()
    recorded = [browserNode.GetSequenceNode(node) or _new_sequence(scene, node) for node in nodes]
    for number in range(sequenceNode.GetNumberOfDataNodes()):
        with shown_item(browserNode, number):
            write(number)
            for node, own in zip(nodes, recorded, strict=True):
                own.SetDataNodeAtValue(node, sequenceNode.GetNthIndexValue(number))
    for node, own in zip(nodes, recorded, strict=True):
        own.SetIndexName(sequenceNode.GetIndexName())
        own.SetIndexUnit(sequenceNode.GetIndexUnit())
        if browserNode.GetSequenceNode(node) is None:
            browserNode.AddSynchronizedSequenceNode(own)
            browserNode.AddProxyNode(node, own, False)
            # What a person corrects in an item is kept.
            browserNode.SetSaveChanges(own, True)
    _select(browserNode, browserNode.GetSelectedItemNumber())


def _new_sequence(scene: Any, node: Any) -> Any:
    return scene.AddNewNodeByClass("vtkMRMLSequenceNode", f"{node.GetName()} sequence")


def _select(browserNode: Any, number: int) -> None:
    import slicer

    browserNode.SetSelectedItemNumber(number)
    # Slicer would do so with the next rendering.
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
