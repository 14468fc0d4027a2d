# SPDX-License-Identifier: Apache-2.0
"""The way of a user from Apply to a good mask when three slices came out bad, click by click.

The run gives the true cord of the phantom with three slices spoiled: one gone but for a speck, one
leaked, one moved. The review list is the library's own.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from PySide6 import QtCore, QtTest
from SpinalCordSegCore import dependencies
from SpinalCordSegCore.outcome import Target, show_finding
from SpinalCordSegCore.results import Results
from SpinalCordSegCore.run import Finding
from SpinalCordSegCore.segmentation import mask_of
from SpinalCordSegCore.volume import grid_of

from SpinalCordSegLib.measurement.review import doubtful_slices
from Testing.slicer.gui.desk import SAMPLE, Desk, Editor, click, settle, wait_until
from Testing.slicer.gui.fake_run import FakeRun
from Testing.slicer.mrml import scene as scenes

# As the README says.
STATED_CLICKS = 7


class Mouse:
    """Clicks, and counts."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, widget: Any) -> None:
        """Click a widget that is there to be clicked."""
        assert widget.isVisible(), widget.objectName()
        assert widget.isEnabled(), widget.objectName()
        self.clicks += 1
        click(widget)

    def click_row(self, table: Any, row: int) -> None:
        """Click a row of a table."""
        self.clicks += 1
        place = table.visualItemRect(table.item(row, 1)).center()
        QtTest.QTest.mouseClick(table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=place)
        settle()


def test_three_bad_slices_are_put_right_in_ten_clicks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = dependencies.InstallPlan(False, (), ())
    monkeypatch.setattr(dependencies, "install_plan", lambda published: nothing)
    volume = scenes.add_volume(desk.scene, SAMPLE, "phantom_t2w")
    panel, mouse, runs, opened = desk.panel(), Mouse(), [], []
    finding, bad, truth = _finding(volume)

    def segment(volumeNode: Any, **asked: Any) -> FakeRun:
        runs.append(FakeRun(volume=volumeNode, **asked))
        return runs[-1]

    monkeypatch.setattr(panel.logic, "segment", segment)
    # Slicer's editor selects the first segment of the segmentation that it is given.
    asked = SimpleNamespace(
        setSegmentationNode=opened.append,
        setSourceVolumeNode=lambda node: opened.append(desk.editor(node, opened[0])),
        setActiveEffectByName=lambda name: opened[1].select("cord"),
    )
    slicer.modules.SegmentEditorWidget = SimpleNamespace(editor=asked)

    mouse.click(panel.ui.applyButton)
    runs[0].end(show_finding(Target(volume, None, None, None, None), finding))
    wait_until(lambda: panel.ui.applyButton.enabled, 5)
    rows = panel.ui.reviewTable.rowCount
    assert rows == len(bad)
    for row in range(rows):
        mouse.click_row(panel.ui.reviewTable, row)
    mouse.click(panel.ui.editButton)
    editor = opened[1]
    assert isinstance(editor, Editor)
    assert _dice(editor, volume, truth, bad) < 0.6
    mouse.click(editor.ui.fromReviewButton)
    mouse.click(editor.ui.repairButton)

    assert mouse.clicks == STATED_CLICKS <= 10
    for k in bad:
        assert _dice(editor, volume, truth, [k]) > 0.95
    others = [k for k in range(truth.shape[0]) if k not in bad]
    assert _dice(editor, volume, truth, others) == 1


def _finding(volume: Any) -> tuple[Finding, list[int], np.ndarray]:
    """Return what a run found, its bad slices, and the true mask, slices first."""
    path = SAMPLE.with_name("phantom_t2w_cord.nii.gz")
    true = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose() > 0
    grid = grid_of(volume)
    axis = grid.axialAxis
    mask = true.copy()
    layers = np.moveaxis(mask, axis, 0)
    present = np.flatnonzero(layers.any(axis=(1, 2)))
    bad = [int(present[present.size * quarter // 4]) for quarter in (1, 2, 3)]
    middle = np.argwhere(layers[bad[0]]).mean(axis=0).astype(int)
    layers[bad[0]] = False
    layers[bad[0]][tuple(middle)] = True
    layers[bad[1]] |= np.roll(layers[bad[1]], 8, axis=0) | np.roll(layers[bad[1]], 16, axis=0)
    layers[bad[2]] = np.roll(layers[bad[2]], 12, axis=1)
    others = [other for other in range(3) if other != axis]
    spacing = [grid.spacing[number] for number in (*others, axis)]
    stacked = np.moveaxis(mask, axis, 2)
    review, curve = [], []
    for k in present:
        index = np.zeros(3)
        index[axis], index[others] = k, np.argwhere(np.moveaxis(true, axis, 0)[k]).mean(axis=0)
        curve.append(index)
    for doubt in doubtful_slices(stacked, stacked.astype(float), tuple(spacing)):
        review.append(
            {
                "slice_index": doubt.row,
                "index": curve[int(np.flatnonzero(present == doubt.row)[0])],
                "reason": doubt.reason,
                "severity": doubt.severity,
            }
        )
    results = Results({"cord": mask}, np.array(curve), review, {})
    return Finding(results, grid, 7.0, []), bad, np.moveaxis(true, axis, 0)


def _dice(editor: Editor, volume: Any, truth: np.ndarray, slices: list[int]) -> float:
    mask = mask_of(editor.segmentation, "cord", volume)
    found = np.moveaxis(mask, grid_of(volume).axialAxis, 0)[slices]
    return float(2 * (found & truth[slices]).sum() / (found.sum() + truth[slices].sum()))
