# SPDX-License-Identifier: Apache-2.0
"""``SpinalCordSegLogic``: a volume node in, a segmentation, a curve, a table and a list out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from SpinalCordSegLib.labels import STRUCTURES

from .batch import BatchOutcome, start_batch
from .command_run import CommandRun
from .messages import Failure
from .outcome import Outcome, Target, show_finding, show_findings
from .run import Progress, Request, Run
from .segmentation import WriteMask, check_same_place, segments_of
from .sequences import SequenceRun, browser_of
from .volume import check_volume

Finished = Callable[[Outcome | None, Failure | None], None]


class SpinalCordSegLogic:
    """Segments volumes of a scene.

    Parameters
    ----------
    command : sequence of str, optional
        Starts the library's command line; PythonSlicer, or this Python, on the library by default.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command

    def segment(
        self,
        volumeNode: Any,
        structures: Sequence[str] = ("cord",),
        contrast: str = "auto",
        centerline: Any = None,
        refine: str | None = None,
        weights: str | Sequence[str] = "default",
        device: str = "auto",
        segmentationNode: Any = None,
        wait: bool = True,
        progress: Progress | None = None,
        finished: Finished | None = None,
        saveState: Callable[[], None] | None = None,
        segmentIDs: Mapping[str, str] | None = None,
        writeMask: WriteMask | None = None,
    ) -> Run | SequenceRun | Outcome:
        """Segment a volume in another process.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
            Any orientation, any parent transform. It is not changed. Of a sequence, the proxy: all
            its items are segmented then, and the results recorded beside it.
        structures : sequence of str
            ``cord``, ``gray_matter``, ``white_matter``, ``lesion``.
        contrast : str
            ``auto`` or a contrast of the library.
        centerline : markups node, optional
            A curve, or points clicked along the cord; it replaces detection.
        refine : str, optional
            ``drlse`` or ``grlse``.
        weights : str or sequence of str
            ``default``, ``sct``, or names and files.
        device : str
            ``auto``, ``cpu``, ``cuda``, ``mps``. If a graphics card runs out of memory the run
            is repeated on the processor.
        segmentationNode : vtkMRMLSegmentationNode, optional
            Where the segments go; by default that of the volume's earlier run, or a new one.
        wait : bool
            Block and return the outcome; else return the run at once, to be polled.
        progress : callable, optional
            ``progress(fraction, message)``.
        finished : callable, optional
            ``finished(outcome, failure)``, once, one of them None.
        saveState : callable, optional
            Called once before an existing segmentation is changed.
        segmentIDs, writeMask : optional
            As ``segmentation.write_structures`` takes them: which segments to write, and how.

        Raises
        ------
        Failure
            At once if the input is wrong; when waiting, whatever went wrong. The scene is as it
            was then.
        """
        check_volume(volumeNode)
        if segmentationNode is not None and segments_of(segmentationNode):
            check_same_place(segmentationNode, volumeNode)
        request = Request(
            volumeNode,
            _known(structures),
            contrast,
            centerline,
            refine,
            _named(weights),
            device,
        )
        target = Target(volumeNode, segmentationNode, saveState, segmentIDs, writeMask)
        browserNode = browser_of(volumeNode)
        run: Run | SequenceRun
        if browserNode is None:
            deliver = functools.partial(show_finding, target)
            run = Run(request, deliver, progress, finished, self._command)
        else:
            start = functools.partial(Run, request, command=self._command)
            deliverAll = functools.partial(show_findings, target, browserNode)
            run = SequenceRun(browserNode, start, deliverAll, progress, finished)
        return run.wait() if wait else run

    def segmentFolder(
        self,
        scans: str | Path,
        results: str | Path,
        structures: Sequence[str] = ("cord",),
        contrast: str = "auto",
        refine: str | None = None,
        weights: str | Sequence[str] = "default",
        device: str = "auto",
        retryFailed: bool = False,
        progress: Progress | None = None,
        finished: Callable[[BatchOutcome | None, Failure | None], None] | None = None,
    ) -> CommandRun:
        """Segment all scans of a folder, or of a BIDS dataset, in another process.

        The scene has no part in it: results are files, and a report to look at them.

        Parameters
        ----------
        scans, results, retryFailed, progress, finished
            As :func:`~.batch.start_batch`.
        structures, contrast, refine, weights, device
            As for :meth:`segment`; the contrast is one for all, unless it is ``auto``.

        Returns
        -------
        CommandRun
            To be polled.

        Raises
        ------
        Failure
            If it cannot be started; whatever goes wrong later is told to ``finished``.
        """
        return start_batch(
            scans,
            results,
            _known(structures),
            contrast,
            refine,
            _named(weights),
            device,
            retryFailed,
            progress,
            finished,
            self._command,
        )


def _named(weights: str | Sequence[str]) -> tuple[str, ...]:
    names = (weights,) if isinstance(weights, str) else tuple(weights)
    return () if names == ("default",) else names


def _known(structures: Sequence[str]) -> tuple[str, ...]:
    if isinstance(structures, str) or not structures or set(structures) - set(STRUCTURES):
        raise Failure("input", "no structure to segment was chosen", "tick at least one structure")
    return tuple(name for name in STRUCTURES if name in structures)
