# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of the panel and the effect that the documentation shows.

    QT_QPA_PLATFORM=offscreen python -m Testing.slicer.gui.screenshots

The widgets are the stand-ins of the tests, the scan and the run are real: Slicer's own buttons and
selectors look a little different.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["ITK_GLOBAL_DEFAULT_THREADER"] = "Platform"
sys.path.append(str(Path(__file__).resolve().parents[3] / "SpinalCordSeg"))

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from PySide6 import QtGui, QtWidgets
from SpinalCordSegCore.volume import grid_of

from Testing.slicer.gui.desk import SAMPLE, Desk, click, open_desk, settle, wait_until
from Testing.slicer.mrml import scene as scenes

FIGURES = Path(__file__).resolve().parents[3] / "Resources" / "figures"
NAMES = ("panel_empty", "panel_running", "panel_done", "panel_batch", "effect", "review_list")
_WIDTH = 420


def main() -> None:
    """Write the pictures."""
    patch = pytest.MonkeyPatch()
    patch.setattr(slicer, "mrmlScene", None, raising=False)
    desk = open_desk(patch)
    panel = desk.panel()
    _save(panel.parent, "panel_empty")
    volume = scenes.add_volume(desk.scene, _doubtful_scan(), "phantom_t2w")
    panel.enter()
    click(panel.ui.applyButton)
    wait_until(lambda: panel.ui.progressBar.value >= 46, 120)
    _save(panel.parent, "panel_running")
    wait_until(lambda: panel.ui.applyButton.enabled, 120)
    panel.ui.reviewTable.selectRow(0)
    _add_landmarks(desk, panel)
    _save(panel.parent, "panel_done")
    _save(panel.ui.reviewTable, "review_list")
    _run_batch(panel)
    _save(panel.parent, "panel_batch")
    _save(_effect(desk, volume), "effect")
    desk.close()
    patch.undo()


def _doubtful_scan() -> Path:
    """Return the phantom with slices as a patient who moves would spoil them."""
    image = sitk.ReadImage(str(SAMPLE))
    voxels = sitk.GetArrayFromImage(image)
    up = int(np.abs(np.reshape(image.GetDirection(), (3, 3))[2]).argmax())
    slices = np.moveaxis(voxels, 2 - up, 0)
    slices[30:34] = np.roll(slices[30:34], -12, axis=2)
    slices[60:69] = slices[60:69].mean()
    slices[101:105] = np.roll(slices[101:105], 9, axis=1)
    spoiled = sitk.GetImageFromArray(voxels)
    spoiled.CopyInformation(image)
    path = Path(tempfile.mkdtemp()) / "scan.nii.gz"
    sitk.WriteImage(spoiled, str(path))
    return path


def _add_landmarks(desk: Desk, panel: Any) -> None:
    curve = panel.logic.getParameterNode().resultCurve
    points = curve.GetCurvePointsWorld()
    landmarks = desk.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "C2-C3 and below")
    for share in (0.3, 0.7):
        landmarks.AddControlPoint(*points.GetPoint(int(share * points.GetNumberOfPoints())))
    panel.ui.landmarksSelector.setCurrentNode(landmarks)
    settle()


def _run_batch(panel: Any) -> None:
    """Run the section "Many scans" on three scans, one of them of nothing."""
    os.chdir(tempfile.mkdtemp())
    Path("study").mkdir()
    scan = sitk.ReadImage(str(SAMPLE))
    for name, first in (("sub-01_T2w", 20), ("sub-02_T2w", 80)):
        sitk.WriteImage(scan[:, first : first + 60, :], f"study/{name}.nii.gz")
    sitk.WriteImage(0 * scan[:, :40, :], "study/sub-03_T2w.nii.gz")
    ui = panel.ui
    ui.resultsCollapsibleButton.collapsed = True
    ui.batchCollapsibleButton.collapsed = False
    ui.scansPathLineEdit.currentPath = "study"
    ui.batchResultsPathLineEdit.currentPath = "study-results"
    ui.batchRunButton.click()
    wait_until(lambda: ui.batchRunButton.enabled, 600)


def _effect(desk: Desk, volume: Any) -> Any:
    """Return the effect's options after two slices of a cord were repaired."""
    editor = desk.editor(volume)
    shape = volume.GetImageData().GetDimensions()[::-1]
    across = [np.arange(size) - size / 2 for size in shape]
    up = grid_of(volume).axialAxis
    squares = np.meshgrid(*across, indexing="ij")
    distance = sum(squares[2 - axis] ** 2 for axis in range(3) if axis != up)
    editor.add_segment("Spinal cord", distance < 36)
    editor.ui.slicesLineEdit.setText("38-40, 61-62")
    editor.ui.slicesLineEdit.editingFinished.emit()
    click(editor.ui.repairButton)
    return editor.host.optionsFrame()


def _save(widget: Any, name: str) -> None:
    """Write a picture of a widget, as high as it needs to be, with few colours."""
    if widget.isWindow():
        widget.resize(_WIDTH, widget.sizeHint().height())
    settle()
    picture: QtGui.QPixmap = widget.grab()
    FIGURES.mkdir(exist_ok=True)
    picture.save(str(FIGURES / f"{name}.png"))
    QtWidgets.QApplication.processEvents()


if __name__ == "__main__":
    main()
