# SPDX-License-Identifier: Apache-2.0
"""The effect "Spinal cord" on Slicer's own segment editor logic: apply, correct, undo.

The volume has 12 x 12 x 10 voxels of 1 x 1 x 4 mm; the cord is a column of 4 x 4 voxels through
all slices (160 voxels), the gray matter 2 x 2 in its middle (40), a disc lies beside it and a
little over it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtWidgets
from SpinalCordSegCore import dependencies, review
from SpinalCordSegCore.logic import Outcome
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.review import ReviewRow

from Testing.slicer.gui.desk import Desk, Editor, click, settle, wait_until
from Testing.slicer.gui.fake_run import FakeRun
from Testing.slicer.mrml import scene as scenes

SHAPE = (10, 12, 12)  # K, J, I


def box(slices: slice, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[slices, rows, columns] = True
    return mask


EVERY = slice(None)
CORD = box(EVERY, slice(4, 8), slice(4, 8))
GRAY = box(EVERY, slice(5, 7), slice(5, 7))
DISC = box(slice(2, 4), slice(2, 6), slice(2, 6))


@pytest.fixture
def editor(desk: Desk) -> Editor:
    """The effect, active in an editor with an empty segmentation."""
    voxels = np.full(SHAPE[::-1], 100, dtype=np.float32)
    voxels[:, :, 5:] = 200
    return desk.editor(scenes.add_array(desk.scene, voxels, np.diag([1.0, 1.0, 4.0, 1.0])))


@pytest.fixture
def runs(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """The runs that were started, which the test drives."""
    started: list[FakeRun] = []

    class Logic:
        def segment(self, volumeNode: Any, **asked: Any) -> FakeRun:
            started.append(FakeRun(volume=volumeNode, **asked))
            return started[-1]

    monkeypatch.setattr(sys.modules["SpinalCordSegEffectLib"], "SpinalCordSegLogic", Logic)
    nothing = dependencies.InstallPlan(False, (), ())
    monkeypatch.setattr(dependencies, "install_plan", lambda published: nothing)
    return started


def finish(editor: Editor, run: FakeRun, masks: dict[str, np.ndarray]) -> None:
    """End a run as the real one does: the writing is SpinalCordSegCore's own."""
    from SpinalCordSegCore.segmentation import write_structures

    write_structures(
        editor.segmentation,
        editor.volumeNode,
        {name: mask.transpose() for name, mask in masks.items()},
        run.asked["saveState"],
        run.asked["segmentIDs"],
        run.asked["writeMask"],
    )
    run.end(Outcome(editor.segmentation, None, None, [], 4.0, "cpu", "t2", []))
    wait_until(lambda: bool(editor.ui.applyButton.enabled), 5)


def test_the_effect_is_registered_once_and_hides_no_package(desk: Desk, editor: Editor) -> None:
    assert list(desk.effects.effects) == ["Spinal cord"]
    desk.module("SpinalCordSeg").registerEditorEffect()
    assert desk.effects.effects["Spinal cord"] is editor.host
    assert desk.module("SpinalCordSegLib.labels").LABELS
    assert not editor.effect.icon().isNull()
    assert editor.effect.clone().self() is not editor.effect
    assert editor.host.requireSegments is False


def test_choices_live_on_the_editor_node(editor: Editor) -> None:
    assert editor.node.GetAttribute("Spinal cord.Cord") == "1"
    editor.ui.grayMatterCheckBox.setChecked(True)
    editor.ui.centerlineComboBox.setCurrentIndex(1)
    editor.ui.everySpinBox.setValue(7)
    assert editor.node.GetAttribute("Spinal cord.GrayMatter") == "1"
    assert editor.node.GetAttribute("Spinal cord.Centerline") == "segment"
    assert editor.node.GetAttribute("Spinal cord.KeepEvery") == "7"
    editor.node.SetAttribute("Spinal cord.Cord", "0")
    editor.node.SetAttribute("Spinal cord.Slices", "3-5")
    editor.effect.updateGUIFromMRML()
    assert not editor.ui.cordCheckBox.checked
    assert editor.ui.slicesLineEdit.text == "3-5"
    assert editor.ui.everySpinBox.value == 7


def test_stored_choices_are_not_reset(editor: Editor) -> None:
    editor.ui.cordCheckBox.setChecked(False)
    editor.effect.setMRMLDefaults()
    assert editor.node.GetAttribute("Spinal cord.Cord") == "0"


def test_nothing_ticked_nothing_applied(editor: Editor) -> None:
    assert editor.ui.applyButton.enabled
    editor.ui.cordCheckBox.setChecked(False)
    assert not editor.ui.applyButton.enabled


def test_corrections_need_a_selected_segment(editor: Editor) -> None:
    assert not editor.ui.correctCollapsibleButton.enabled
    editor.add_segment("cord", CORD)
    assert editor.ui.correctCollapsibleButton.enabled


def test_apply_is_one_undo_step_and_eats_nothing_of_the_cord(
    editor: Editor, runs: list[FakeRun]
) -> None:
    editor.ui.grayMatterCheckBox.setChecked(True)
    click(editor.ui.applyButton)
    assert runs[0].asked["structures"] == ("cord", "gray_matter")
    assert editor.ui.cancelButton.enabled
    assert not editor.ui.applyButton.enabled
    runs[0].step(0.5, "outlining the cord")
    wait_until(lambda: editor.ui.progressBar.value == 50, 5)
    finish(editor, runs[0], {"cord": CORD, "gray_matter": GRAY})
    counts = {name: editor.voxels(identity) for name, identity in editor.segments().items()}
    assert counts == {"Spinal cord": 160, "Spinal cord gray matter": 40}
    assert editor.ui.statusLabel.text == "Segmented in 4 s. Slices to review: 0."
    editor.logic.Undo()
    assert editor.segments() == {}
    editor.logic.Redo()
    assert editor.voxels(editor.segments()["Spinal cord"]) == 160


@pytest.mark.parametrize(
    ("mode", "hidden", "left"),
    [
        ("OverwriteAllSegments", False, 24),
        ("OverwriteAllSegments", True, 24),
        ("OverwriteVisibleSegments", False, 24),
        ("OverwriteVisibleSegments", True, 32),
        ("OverwriteNone", False, 32),
    ],
)
def test_segments_of_others_are_overwritten_as_the_mode_says(
    editor: Editor, runs: list[FakeRun], mode: str, hidden: bool, left: int
) -> None:
    disc = editor.add_segment("disc", DISC)
    editor.segmentation.GetDisplayNode().SetSegmentVisibility(disc, not hidden)
    editor.node.SetOverwriteMode(getattr(editor.node, mode))
    click(editor.ui.applyButton)
    finish(editor, runs[0], {"cord": CORD})
    assert editor.voxels(disc) == left
    assert editor.voxels(editor.segments()["Spinal cord"]) == 160
    assert editor.node.GetOverwriteMode() == getattr(editor.node, mode)


def test_a_mask_of_the_editor_is_respected(editor: Editor, runs: list[FakeRun]) -> None:
    disc = editor.add_segment("disc", DISC)
    editor.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
    editor.node.SetMaskSegmentID(disc)
    editor.node.SetOverwriteMode(editor.node.OverwriteNone)
    click(editor.ui.applyButton)
    finish(editor, runs[0], {"cord": CORD})
    assert editor.voxels(editor.segments()["Spinal cord"]) == (CORD & DISC).sum() == 8


def test_an_intensity_range_of_the_editor_is_respected(editor: Editor, runs: list[FakeRun]) -> None:
    editor.node.SetSourceVolumeIntensityMask(True)
    editor.node.SetSourceVolumeIntensityMaskRange(150, 250)
    click(editor.ui.applyButton)
    finish(editor, runs[0], {"cord": CORD})
    assert editor.voxels(editor.segments()["Spinal cord"]) == 80


def test_an_empty_selected_segment_takes_the_cord(editor: Editor, runs: list[FakeRun]) -> None:
    mine = editor.add_segment("my cord", np.zeros(SHAPE))
    click(editor.ui.applyButton)
    finish(editor, runs[0], {"cord": CORD})
    assert editor.segments() == {"my cord": mine}
    assert editor.voxels(mine) == 160


def test_a_second_run_replaces_the_first(editor: Editor, runs: list[FakeRun]) -> None:
    for number, mask in enumerate((CORD, GRAY)):
        click(editor.ui.applyButton)
        finish(editor, runs[number], {"cord": mask})
    assert list(editor.segments()) == ["Spinal cord"]
    assert editor.voxels(editor.segments()["Spinal cord"]) == 40


def test_cancel_leaves_the_segmentation(editor: Editor, runs: list[FakeRun]) -> None:
    click(editor.ui.applyButton)
    click(editor.ui.cancelButton)
    assert not runs[0].isRunning
    assert editor.segments() == {}
    assert editor.ui.applyButton.enabled


def test_a_deleted_effect_ends_its_run(editor: Editor, runs: list[FakeRun]) -> None:
    click(editor.ui.applyButton)
    editor.effect.cleanup()
    assert not runs[0].isRunning


def test_another_segmentation_is_not_written_into(
    editor: Editor, runs: list[FakeRun], desk: Desk
) -> None:
    click(editor.ui.applyButton)
    other = desk.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "another")
    editor.logic.SetSegmentationNode(other)
    with pytest.raises(Failure, match="change back to edited and press Apply"):
        finish(editor, runs[0], {"cord": CORD})
    assert editor.segments() == {}
    assert other.GetSegmentation().GetNumberOfSegments() == 0


def test_a_failure_says_what_to_do(
    editor: Editor, runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Logic:
        def segment(self, *_: Any, **__: Any) -> None:
            raise Failure("volume_type", "it holds 3 values per voxel", "choose another volume")

    monkeypatch.setattr(sys.modules["SpinalCordSegEffectLib"], "SpinalCordSegLogic", Logic)
    click(editor.ui.applyButton)
    assert editor.ui.statusLabel.text == "It holds 3 values per voxel; choose another volume."
    assert not editor.ui.statusIconLabel.isHidden()


def test_repaired_slices_come_from_their_neighbours(editor: Editor) -> None:
    spoiled = CORD.copy()
    spoiled[4:6] = False
    spoiled[5, 0:3, 0:3] = True
    cord = editor.add_segment("cord", spoiled)
    gray = editor.add_segment("gray matter", GRAY)
    editor.select(cord)
    write(editor, "4-5")
    click(editor.ui.repairButton)
    assert abs(editor.voxels(cord) - 160) <= 4
    assert editor.voxels(gray) == 40
    assert editor.ui.statusLabel.text.startswith("Slices 4, 5 interpolated") or (
        "interpolated" in editor.ui.statusLabel.text
    )
    editor.logic.Undo()
    assert editor.voxels(cord) == spoiled.sum()


def test_slices_have_to_be_listed(editor: Editor) -> None:
    editor.add_segment("cord", CORD)
    click(editor.ui.repairButton)
    assert editor.ui.statusLabel.text.startswith("No slices are listed")
    write(editor, "4 to 6")
    click(editor.ui.repairButton)
    assert "is neither a slice nor a range" in editor.ui.statusLabel.text


def test_locked_slices_are_unlocked_by_the_same_button(editor: Editor) -> None:
    editor.add_segment("cord", CORD)
    write(editor, "4-5")
    click(editor.ui.lockButton)
    inside = slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
    assert editor.node.GetMaskMode() == inside
    assert editor.ui.lockButton.text == "Unlock all"
    assert editor.ui.lockButton.checked
    click(editor.ui.lockButton)
    assert editor.node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    assert editor.ui.lockButton.text == "Lock all others"
    assert list(editor.segments()) == ["cord"]


def test_the_lock_button_follows_undo_and_redo(editor: Editor) -> None:
    editor.add_segment("cord", CORD)
    write(editor, "4-5")
    click(editor.ui.lockButton)
    for step, text in ((editor.logic.Undo, "Lock all others"), (editor.logic.Redo, "Unlock all")):
        step()
        assert editor.ui.lockButton.text == text
        assert editor.ui.lockButton.checked == (text == "Unlock all")
    editor.effect.cleanup()
    editor.logic.Undo()
    assert editor.ui.lockButton.text == "Unlock all"  # An effect that is gone hears nothing.


def test_fill_between_slices_is_prepared_and_opened(editor: Editor) -> None:
    cord = editor.add_segment("cord", CORD)
    gray = editor.add_segment("gray matter", GRAY)
    editor.select(cord)
    editor.ui.everySpinBox.setValue(3)
    click(editor.ui.prepareButton)
    assert editor.host.selected == ["Fill between slices"]
    assert editor.voxels(cord) == 4 * 16
    assert editor.voxels(gray) == 40
    visible = editor.segmentation.GetDisplayNode().GetSegmentVisibility
    assert not visible(gray)
    click(editor.ui.showAllButton)
    assert visible(gray)
    click(editor.ui.restoreFullButton)
    assert editor.voxels(cord) == 160


def test_seeds_are_made(editor: Editor) -> None:
    editor.add_segment("cord", CORD)
    click(editor.ui.seedsButton)
    assert {"Cord seed", "Background seed"} <= set(editor.segments())


def test_the_automatic_result_comes_back(editor: Editor, runs: list[FakeRun]) -> None:
    from SpinalCordSegCore.automatic import keep_automatic_result

    click(editor.ui.applyButton)
    finish(editor, runs[0], {"cord": CORD})
    keep_automatic_result(editor.segmentation, editor.volumeNode, {"cord": CORD.transpose()})
    cord = editor.segments()["Spinal cord"]
    editor.select(cord)
    write(editor, "0-9")
    click(editor.ui.seedsButton)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        GRAY.astype(np.uint8), editor.segmentation, cord, editor.volumeNode
    )
    click(editor.ui.restoreButton)
    assert editor.voxels(cord) == 160


def test_slices_come_from_the_review_list(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    editor.add_segment("cord", CORD)
    rows = [ReviewRow(k, (0.0, 0.0, 0.0), "jumps", 0.5) for k in (7, 2, 3)]
    monkeypatch.setattr(review, "rows_of", lambda node: rows)
    click(editor.ui.fromReviewButton)
    assert editor.ui.slicesLineEdit.text == "2-3, 7"
    assert editor.node.GetAttribute("Spinal cord.Slices") == "2-3, 7"


def test_the_slice_in_the_axial_view_is_added(editor: Editor, desk: Desk) -> None:
    editor.add_segment("cord", CORD)
    click(editor.ui.addSliceButton)
    assert "no slice view" in editor.ui.statusLabel.text.lower()
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(desk.scene)
    for orientation, name, height in (("Sagittal", "Yellow", 8), ("Axial", "Red", 24.4)):
        view = desk.scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        view.SetOrientation(orientation)
        view.JumpSlice(5, 5, height)
    write(editor, "2")
    click(editor.ui.addSliceButton)
    assert editor.ui.slicesLineEdit.text == "2, 6"
    assert editor.ui.statusLabel.text == "Slice 6 added."


def test_every_button_of_the_options_does_something(editor: Editor) -> None:
    """A button that was forgotten would stay silent: each says what it did or could not do."""
    editor.add_segment("cord", CORD)
    for button in editor.host.optionsFrame().findChildren(QtWidgets.QPushButton):
        if button is editor.ui.cancelButton or button is editor.ui.applyButton:
            continue
        editor.ui.statusLabel.setText("")
        click(button)
        assert editor.ui.statusLabel.text, button.text


def write(editor: Editor, slices: str) -> None:
    editor.ui.slicesLineEdit.setText(slices)
    editor.ui.slicesLineEdit.editingFinished.emit()
    settle()
