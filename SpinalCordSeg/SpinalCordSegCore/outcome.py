# SPDX-License-Identifier: Apache-2.0
"""What a run found, put into the scene: segments, curve, areas and review list; all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from .areas import new_table, slice_areas, write_table
from .automatic import keep_automatic_result
from .curve import new_curve, write_curve
from .messages import Failure
from .review import ReviewRow, keep_rows, review_rows, rows_of
from .run import Finding
from .segmentation import (
    AUTOMATIC_ROLE,
    CURVE_ROLE,
    TABLE_ROLE,
    WriteMask,
    adopt_geometry,
    new_segmentation,
    result_of,
    segments_of,
    write_structures,
)
from .sequences import record


@dataclass(frozen=True)
class Outcome:
    """What a run put into the scene.

    Attributes
    ----------
    segmentationNode, curveNode, tableNode : nodes
        The segments; the centerline; the area of each slice.
    reviewRows : list of ReviewRow
        Slices a person should look at, worst first.
    seconds : float
        From the start of the run to its result.
    device : str
        What it ran on.
    contrast : str
        The contrast found, or asked for.
    warnings : list of str
        What a person should know about the result.
    """

    segmentationNode: Any
    curveNode: Any
    tableNode: Any
    reviewRows: list[ReviewRow] = field(default_factory=list)
    seconds: float = 0.0
    device: str = "cpu"
    contrast: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """Where a result goes in the scene."""

    volumeNode: Any
    segmentationNode: Any
    saveState: Callable[[], None] | None
    segmentIDs: Mapping[str, str] | None
    writeMask: WriteMask | None


def show_finding(target: Target, finding: Finding) -> Outcome:
    """Put a whole result into the scene; if that fails, nothing new of it stays."""
    volumeNode, saveState = target.volumeNode, target.saveState
    scene = volumeNode.GetScene()
    _check_still_there(volumeNode, target.segmentationNode)
    segmentationNode = target.segmentationNode or result_of(volumeNode)
    with _all_or_none(scene):
        if segmentationNode is None:
            segmentationNode, saveState = new_segmentation(volumeNode), None
        elif not segments_of(segmentationNode):
            # An empty one, just made in the Segment Editor.
            adopt_geometry(segmentationNode, volumeNode)
        elif target.segmentationNode is None:
            # The volume may have been put under another transform since.
            segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        write_structures(
            segmentationNode,
            volumeNode,
            finding.results.masks,
            saveState,
            target.segmentIDs,
            target.writeMask,
        )
        keep_automatic_result(segmentationNode, volumeNode, finding.results.masks)
        curveNode = _companion(segmentationNode, CURVE_ROLE, new_curve, volumeNode)
        write_curve(curveNode, volumeNode, finding.results.curve)
        tableNode = _companion(segmentationNode, TABLE_ROLE, new_table, volumeNode)
        write_table(
            tableNode, slice_areas(finding.results.masks, finding.results.curve, finding.grid)
        )
    rows = review_rows(finding.results.review, volumeNode)
    keep_rows(segmentationNode, volumeNode, rows)
    provenance = finding.results.provenance
    return Outcome(
        segmentationNode,
        curveNode,
        tableNode,
        rows,
        finding.seconds,
        str(provenance.get("parameters", {}).get("device", "")),
        str(provenance.get("contrast", {}).get("found", "")),
        finding.warnings,
    )


def show_findings(target: Target, browserNode: Any, findings: Sequence[Finding]) -> Outcome:
    """Put the results of all items of a sequence into the scene, or none.

    Returns
    -------
    Outcome
        Of the item that is shown; its nodes are proxies of the browser.
    """
    volumeNode, shown = target.volumeNode, browserNode.GetSelectedItemNumber()
    _check_still_there(volumeNode, target.segmentationNode)
    with _all_or_none(volumeNode.GetScene()):
        outcome = show_finding(target, findings[shown])
        again = Target(volumeNode, outcome.segmentationNode, None, None, None)
        nodes = [outcome.segmentationNode, outcome.curveNode, outcome.tableNode]
        nodes.append(outcome.segmentationNode.GetNodeReference(AUTOMATIC_ROLE))
        record(browserNode, volumeNode, nodes, lambda n: show_finding(again, findings[n]))
    return replace(
        outcome,
        reviewRows=rows_of(outcome.segmentationNode),
        seconds=findings[-1].seconds,
        warnings=list(dict.fromkeys(text for finding in findings for text in finding.warnings)),
    )


def _check_still_there(volumeNode: Any, segmentationNode: Any) -> None:
    for node in (volumeNode, segmentationNode):
        if node is not None and node.GetScene() is None:
            raise Failure(
                "input",
                f"{node.GetName()} was removed while the run was going on",
                "load it again and press Apply",
            )


@contextmanager
def _all_or_none(scene: Any) -> Iterator[None]:
    """Remove the nodes that were added if the body fails."""
    before = _nodes(scene)
    try:
        yield
    except BaseException:
        for node in _nodes(scene) - before:
            scene.RemoveNode(node)
        raise


def _nodes(scene: Any) -> set[Any]:
    return {scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())}


def _companion(
    segmentationNode: Any, role: str, make: Callable[[Any], Any], volumeNode: Any
) -> Any:
    """Return the node an earlier run made, or a new one that the segmentation refers to."""
    node = segmentationNode.GetNodeReference(role)
    if node is None:
        node = make(volumeNode)
        segmentationNode.SetNodeReferenceID(role, node.GetID())
    return node
