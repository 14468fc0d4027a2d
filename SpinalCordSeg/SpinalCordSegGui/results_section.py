# SPDX-License-Identifier: Apache-2.0
"""What the last run found: summary, review list, areas, and the ways on from there."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _
from SpinalCordSegCore import areas, review
from SpinalCordSegCore.logic import Outcome
from SpinalCordSegCore.messages import Failure

from .area_plot import area_plot
from .parameters import SpinalCordSegParameters
from .review_list import ReviewList

EFFECT = "Spinal cord"


class ResultsSection:
    """Shows the nodes that the parameters name as results.

    Parameters
    ----------
    ui : namespace
        The widgets of the section "Results".
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: SpinalCordSegParameters | None = None
        self._reviewed: Any = None
        self._review = ReviewList(ui.reviewTable, self._jump)
        ui.editButton.connect("clicked(bool)", self._edit)
        ui.tableButton.connect("clicked(bool)", self._showTable)
        ui.plotButton.connect("clicked(bool)", self._showPlot)
        ui.show3DCheckBox.connect("toggled(bool)", self._show3D)

    def keep(self, parameters: SpinalCordSegParameters, outcome: Outcome, volumeNode: Any) -> None:
        """Note in the parameters what a run made."""
        self._reviewed = None
        parameters.resultVolume = volumeNode
        parameters.resultSegmentation = outcome.segmentationNode
        parameters.resultCurve = outcome.curveNode
        parameters.resultTable = outcome.tableNode
        parameters.resultSummary = summary(outcome, volumeNode.GetName())
        self._ui.resultsCollapsibleButton.collapsed = False

    def update(self, parameters: SpinalCordSegParameters | None, running: bool) -> None:
        """Show the results that the parameters name."""
        self._parameters = parameters
        segmentation = parameters.resultSegmentation if parameters else None
        table = parameters.resultTable if parameters else None
        ui = self._ui
        there = segmentation is not None
        for widget in (ui.show3DCheckBox, ui.reviewLabel, ui.reviewTable, ui.perpendicularCheckBox):
            widget.setEnabled(there)
        ui.editButton.setEnabled(there and not running)
        measured = (ui.tableButton, ui.plotButton, ui.landmarksSelector, ui.landmarksPlaceWidget)
        for widget in measured:
            widget.setEnabled(table is not None)
        ui.summaryLabel.setText(parameters.resultSummary if there else _("No results yet."))
        if segmentation is not self._reviewed or not there:
            self._reviewed = segmentation
            self._showReview(review.rows_of(segmentation) if there else [])
        display = segmentation.GetDisplayNode() if there else None
        wasBlocked = ui.show3DCheckBox.blockSignals(True)
        ui.show3DCheckBox.setChecked(display is not None and bool(display.GetVisibility3D()))
        ui.show3DCheckBox.blockSignals(wasBlocked)
        self._showMeanArea()

    def _showReview(self, rows: list[Any]) -> None:
        self._review.show(rows)
        none = self._parameters is not None and self._parameters.resultSegmentation and not rows
        text = _("Slices to review: none.") if none else _("Slices to review, worst first:")
        self._ui.reviewLabel.setText(text)

    def _jump(self, row: Any) -> None:
        review.show_row(
            row,
            self._parameters.resultVolume,
            self._parameters.resultCurve,
            self._parameters.perpendicular,
        )

    def _showMeanArea(self) -> None:
        parameters = self._parameters
        points = parameters.landmarks if parameters else None
        table = parameters.resultTable if parameters else None
        if points is None or table is None or parameters.resultCurve is None:
            text = _("Click two landmarks.")
        elif points.GetNumberOfDefinedControlPoints() != 2:
            count = points.GetNumberOfDefinedControlPoints()
            text = _("Click two landmarks; there are {count}.").format(count=count)
        else:
            text = _mean_area_text(table, parameters.resultCurve, points)
        self._ui.meanAreaLabel.setText(text)

    def _edit(self, _checked: bool = False) -> None:
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.SegmentEditorWidget.editor
        editor.setSegmentationNode(self._parameters.resultSegmentation)
        editor.setSourceVolumeNode(self._parameters.resultVolume)
        editor.setActiveEffectByName(EFFECT)

    def _show3D(self, shown: bool) -> None:
        segmentation = self._parameters.resultSegmentation
        if shown:
            segmentation.CreateClosedSurfaceRepresentation()
        segmentation.GetDisplayNode().SetVisibility3D(shown)

    def _showTable(self, _checked: bool = False) -> None:
        application = slicer.app.applicationLogic()
        application.GetSelectionNode().SetActiveTableID(self._parameters.resultTable.GetID())
        application.PropagateTableSelection()
        _layout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)

    def _showPlot(self, _checked: bool = False) -> None:
        chart = area_plot(self._parameters.resultTable)
        application = slicer.app.applicationLogic()
        application.GetSelectionNode().SetActivePlotChartID(chart.GetID())
        application.PropagatePlotChartSelection()
        _layout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)


def summary(outcome: Outcome, name: str) -> str:
    """Return what a run found, in a sentence or two."""
    found = _("{name}: segmented in {seconds:.0f} s on {device}.").format(
        name=name, seconds=outcome.seconds, device=outcome.device.upper()
    )
    count = len(outcome.reviewRows)
    slices = {0: _("No slice looks doubtful."), 1: _("One slice is worth a look.")}.get(
        count, _("{count} slices are worth a look.").format(count=count)
    )
    return f"{found} {slices}"


def _mean_area_text(tableNode: Any, curveNode: Any, points: Any) -> str:
    ends = [
        areas.position_along(curveNode, points.GetNthControlPointPositionWorld(number))
        for number in range(2)
    ]
    try:
        mean = areas.mean_area(tableNode, *ends)
    except Failure as failure:
        return str(failure)
    text = _("{area:.1f} mm² over {length:.0f} mm ({count} slices; cut and left out: {cut})")
    if not mean.left_out:
        text = _("{area:.1f} mm² over {length:.0f} mm ({count} slices)")
    return text.format(
        area=mean.area_mm2,
        length=abs(ends[1] - ends[0]),
        count=mean.slices,
        cut=mean.left_out,
    )


def _layout(layout: int) -> None:
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.setLayout(layout)
