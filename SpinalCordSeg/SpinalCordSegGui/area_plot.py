# SPDX-License-Identifier: Apache-2.0
"""The area along the cord as a plot."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _
from SpinalCordSegCore.areas import AREA, POSITION

_ROLE = "SpinalCordSeg.Plot"


def area_plot(tableNode: Any) -> Any:
    """Return the chart of a table of areas, made if there is none yet.

    Parameters
    ----------
    tableNode : vtkMRMLTableNode

    Returns
    -------
    vtkMRMLPlotChartNode
        A line for each structure, over the position along the cord.
    """
    scene = tableNode.GetScene()
    chart = tableNode.GetNodeReference(_ROLE)
    if chart is None:
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", tableNode.GetName())
        tableNode.SetNodeReferenceID(_ROLE, chart.GetID())
    columns = {tableNode.GetColumnName(number) for number in range(tableNode.GetNumberOfColumns())}
    drawn = {chart.GetNthPlotSeriesNode(n).GetYColumnName() for n in range(_count(chart))}
    for name in (name for name in AREA.values() if name in columns - drawn):
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(tableNode.GetID())
        series.SetXColumnName(POSITION)
        series.SetYColumnName(name)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetUniqueColor()
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(tableNode.GetName())
    chart.SetXAxisTitle(POSITION)
    chart.SetYAxisTitle(_("Area (mm2)"))
    return chart


def _count(chart: Any) -> int:
    return int(chart.GetNumberOfPlotSeriesNodes())
