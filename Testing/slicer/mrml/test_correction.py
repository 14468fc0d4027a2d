# SPDX-License-Identifier: Apache-2.0
"""Correction commands against Slicer's own editor logic and its own contour interpolator.

The volume is 40 x 40 x 25 voxels of 1 x 1 x 2 mm. The cord is an ellipse that leans and swells
from slice to slice on slices 2 to 22; gray matter lies inside it, a lesion at slices 8 to 10; both
are hidden. An "other" segment is drawn beside the cord and touches it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scene as scenes
import slicer
from SpinalCordSegCore.automatic import keep_automatic_result
from SpinalCordSegCore.correction import (
    lock_good_slices,
    locked_slices,
    make_seeds,
    prepare_fill_between_slices,
    refine_segment,
    repair_slices,
    restore_automatic_result,
    restore_before_fill,
    show_segments,
    unlock_slices,
)
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.segmentation import (
    labelmap_of,
    mask_of,
    new_segmentation,
    segments_of,
    write_mask,
    write_structures,
)

SIZE = (40, 40, 25)


# Stands for the level sets of the library: it grows the mask by a voxel on the slices it is given.
GROWS = """
import sys, json
import numpy as np, SimpleITK as sitk
from scipy import ndimage
command, image, mask, _, output = sys.argv[1:6]
drawn = sitk.ReadImage(mask)
assert command == "refine" and sitk.ReadImage(image).GetSize() == drawn.GetSize()
old = sitk.GetArrayFromImage(drawn) > 0
slices = range(len(old))
if "--slices" in sys.argv:
    slices = [int(k) for k in sys.argv[sys.argv.index("--slices") + 1].split(",")]
new = old.copy()
for k in slices:
    new[k] = ndimage.binary_dilation(old[k])
result = sitk.GetImageFromArray(new.astype("uint8"))
result.CopyInformation(drawn)
sitk.WriteImage(result, output)
print("warning: slice 3 kept: no edge", file=sys.stderr, flush=True)
print(json.dumps({"result": [output]}), flush=True)
"""


def _truth() -> dict[str, np.ndarray]:
    x, y, z = np.indices(SIZE)
    swell = 6 + np.sin(z / 4)
    squared = ((x - 15 - z / 4) / swell) ** 2 + ((y - 20 + z / 6) / (0.7 * swell)) ** 2
    cord = (squared < 1) & (z >= 2) & (z <= 22)
    gray = (squared < 0.15) & cord
    lesion = (squared < 0.5) & (x > 16 + z / 4) & (z >= 8) & (z <= 10)
    return {"cord": cord, "gray_matter": gray, "lesion": lesion}


@dataclass
class Bench:
    """A volume, its segmentation in an editor, and the true masks."""

    volume: Any
    node: Any
    editor: Any
    editorNode: Any
    truth: dict[str, np.ndarray]

    def mask(self, segmentID: str) -> np.ndarray:
        return mask_of(self.node, segmentID, self.volume)

    def state(self) -> dict[str, bytes]:
        """Every segment's voxels, to be compared."""
        return {name: self.mask(name).tobytes() for name, _ in segments_of(self.node)}

    def visible(self) -> list[str]:
        display = self.node.GetDisplayNode()
        ids = [name for name, _ in segments_of(self.node)]
        return [name for name in ids if display.GetSegmentVisibility(name)]

    def apply(self, segmentID: str, mask: np.ndarray, mode: str = "Set") -> None:
        """Write as an effect's Apply does: through masks and the overwrite mode."""
        self.editorNode.SetSelectedSegmentID(segmentID)
        self.editor.SetCurrentSegmentID(segmentID)
        self.editor.UpdateReferenceGeometryImage()
        self.editor.UpdateMaskLabelmap()
        self.editor.SaveStateForUndo()
        kind = self.editor.ModificationModeSet if mode == "Set" else self.editor.ModificationModeAdd
        self.editor.ModifySegmentByLabelmap(
            self.node, segmentID, labelmap_of(mask, self.volume, False), kind, True, False
        )

    def fill_between_slices(self, segmentID: str) -> None:
        """Do what the effect does: merge what is visible, interpolate, and apply."""
        merged = np.zeros(SIZE, np.uint8)
        for number, name in enumerate(self.visible(), start=1):
            merged[self.mask(name)] = number
        image = scenes.vtk_image(merged)
        interpolator = slicer.vtkITKMorphologicalContourInterpolator()
        interpolator.SetInputData(image)
        interpolator.Update()
        filled = scenes.image_array(interpolator.GetOutput())
        for number, name in enumerate(self.visible(), start=1):
            self.apply(name, filled == number)


@pytest.fixture
def bench(scene: Any) -> Bench:
    matrix = np.array([[-1.0, 0, 0, 20], [0, 1, 0, -20], [0, 0, 2, 0], [0, 0, 0, 1]])
    volume = scenes.add_array(scene, np.ones(SIZE, np.int16), matrix)
    turn = np.array([[0.9, -0.3, 0, 4], [0.3, 0.9, 0, 5], [0, 0, 1, 9], [0, 0, 0, 1]])
    volume.SetAndObserveTransformNodeID(scenes.add_transform(scene, turn).GetID())
    truth = _truth()
    node = new_segmentation(volume)
    write_structures(node, volume, truth)
    keep_automatic_result(node, volume, truth)
    other = node.GetSegmentation().AddEmptySegment("other", "Other")
    x = np.indices(SIZE)[0]
    write_mask(node, other, volume, (x > 20) & ~truth["cord"])
    for name in ("gray_matter", "lesion"):
        node.GetDisplayNode().SetSegmentVisibility(name, False)
    editor = slicer.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(scene)
    editorNode = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetSegmentEditorNode(editorNode)
    editor.SetSegmentationNode(node)
    editor.SetSourceVolumeNode(volume)
    return Bench(volume, node, editor, editorNode, truth)


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _repair(b: Bench) -> None:
    repair_slices(b.editor, b.node, "cord", b.volume, [5, 12, 13])


def _prepare(b: Bench) -> None:
    prepare_fill_between_slices(b.editor, b.node, "cord", b.volume, editorNode=b.editorNode)


def _lock(b: Bench) -> None:
    lock_good_slices(b.editor, b.node, "cord", b.volume, [5, 12, 13], b.editorNode)


def _restore(b: Bench) -> None:
    restore_automatic_result(b.editor, b.node, "cord", b.volume)


def _seed(b: Bench) -> None:
    make_seeds(b.editor, b.node, "cord", b.volume)


def _refine(b: Bench) -> None:
    refine_segment(b.editor, b.node, "cord", b.volume)


def _refine_one(b: Bench) -> None:
    refine_segment(b.editor, b.node, "cord", b.volume, [12])


@pytest.mark.parametrize(
    "command", [_repair, _prepare, _lock, _restore, _seed, _refine, _refine_one]
)
def test_each_command_is_one_undo_step_and_keeps_all_others(
    bench: Bench,
    command: Callable[[Bench], None],
    private_parent: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "SpinalCordSegCore.worker.python_command", lambda: [sys.executable, "-c", GROWS]
    )
    spoiled = bench.truth["cord"].copy()
    spoiled[:, :, [5, 12, 13]] = False
    spoiled[2:9, 3:9, 12] = True
    write_mask(bench.node, "cord", bench.volume, spoiled)
    before, shown = bench.state(), bench.visible()
    command(bench)
    after, shown_after = bench.state(), bench.visible()
    assert after != before
    for name in ("gray_matter", "lesion", "other"):
        assert after[name] == before[name]
    for _ in range(2):
        bench.editor.Undo()
        assert bench.state() == before
        assert bench.visible() == shown
        bench.editor.Redo()
        assert bench.state() == after
        assert bench.visible() == shown_after
    bench.editor.Undo()
    assert not bench.editor.CanUndo()


def test_undo_shows_only_what_its_own_command_has_hidden(bench: Bench) -> None:
    _prepare(bench)
    assert bench.visible() == ["cord"]
    show_segments(bench.node, ["lesion"])
    write_mask(bench.node, "cord", bench.volume, bench.truth["cord"])
    _seed(bench)
    assert "lesion" not in bench.visible()
    bench.editor.Undo()
    assert bench.visible() == ["cord", "lesion"]
    restore_before_fill(bench.editor, bench.node, "cord", bench.volume)
    assert bench.visible() == ["cord", "lesion", "other"]
    bench.editor.Undo()
    assert bench.visible() == ["cord", "lesion"]


def test_repair_puts_right_what_is_marked_and_nothing_else(bench: Bench) -> None:
    truth = bench.truth["cord"]
    spoiled = truth.copy()
    spoiled[:, :, [5, 12, 13]] = False
    spoiled[2:9, 3:9, 12] = True
    write_mask(bench.node, "cord", bench.volume, spoiled)
    done = repair_slices(None, bench.node, "cord", bench.volume, [13, 5, 12, 2, 2, 99])
    assert done.slices == (5, 12, 13)
    assert done.skipped == (2,)
    assert done.voxelsBefore == spoiled.sum()
    assert done.message == (
        "Slices 5, 12, 13 interpolated from the good slices beside; Slice 2 left: there is no "
        "good slice on one side."
    )
    repaired = bench.mask("cord")
    assert done.voxelsAfter == repaired.sum()
    for k in range(SIZE[2]):
        if k in (5, 12, 13):
            assert _dice(repaired[:, :, k], truth[:, :, k]) > 0.95
        else:
            assert (repaired[:, :, k] == spoiled[:, :, k]).all()


def test_fill_between_slices_after_preparing_it(bench: Bench) -> None:
    truth = bench.truth["cord"]
    prepared = prepare_fill_between_slices(
        bench.editor, bench.node, "cord", bench.volume, 4, [10, 2], bench.editorNode
    )
    assert prepared.keySlices == (3, 7, 11, 15, 19, 22)
    assert prepared.hiddenSegmentIDs == ("other",)
    assert bench.visible() == ["cord"]
    hidden = {name: bench.mask(name) for name in ("gray_matter", "lesion", "other")}
    bench.fill_between_slices("cord")
    filled = bench.mask("cord")
    assert (filled[:, :, 3:23].any(axis=(0, 1))).all()
    assert _dice(filled[:, :, 3:], truth[:, :, 3:]) > 0.93
    # Hidden segments keep every voxel, although the cord was written over two of them.
    for name, mask in hidden.items():
        assert mask.any()
        assert (bench.mask(name) == mask).all()
    restore_before_fill(bench.editor, bench.node, "cord", bench.volume)
    assert bench.visible() == ["cord", "other"]
    assert (bench.mask("cord") == truth).all()


def test_without_preparing_the_editor_would_erase_what_is_hidden(bench: Bench) -> None:
    # Why the commands allow overlap: the editor's default takes hidden voxels too.
    bench.apply("cord", bench.truth["cord"])
    assert bench.mask("lesion").sum() < bench.truth["lesion"].sum()


@pytest.mark.parametrize(
    ("every", "bad", "keys"),
    [
        (5, [], (2, 7, 12, 17, 22)),
        (2, [], (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)),
        (1, [], (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)),
        (19, [], (2, 22)),
        (5, [7, 8], (2, 9, 14, 19, 22)),
        (3, [22], (2, 5, 8, 11, 14, 17, 21)),
    ],
)
def test_key_slices_are_isolated(
    bench: Bench, every: int, bad: list[int], keys: tuple[int, ...]
) -> None:
    done = prepare_fill_between_slices(None, bench.node, "cord", bench.volume, every, bad)
    assert done.keySlices == keys
    present = np.flatnonzero(bench.mask("cord").any(axis=(0, 1)))
    assert tuple(present) == keys
    assert (np.diff(present) >= 2).all()


def test_locked_slices_stay_whatever_the_editor_does(bench: Bench) -> None:
    locked = lock_good_slices(
        bench.editor, bench.node, "cord", bench.volume, [5, 6, 12], bench.editorNode
    )
    assert locked.openSlices == (5, 6, 12)
    assert locked_slices(bench.node, bench.volume) == locked.lockedSlices
    everything = np.zeros(SIZE, dtype=bool)
    everything[4:36, 4:36] = True
    for _ in range(2):
        # Twice: painting must not eat the segment that says where painting is allowed.
        bench.apply("cord", everything)
        painted = bench.mask("cord")
        for k in range(SIZE[2]):
            wanted = everything if k in (5, 6, 12) else bench.truth["cord"]
            assert (painted[:, :, k] == wanted[:, :, k]).all()
    assert (bench.mask("lesion") == bench.truth["lesion"]).all()
    # Our own repair honours the lock as well.
    done = repair_slices(None, bench.node, "cord", bench.volume, [5, 8])
    assert (done.slices, done.skipped) == ((5,), (8,))
    unlock_slices(bench.editor, bench.node, bench.editorNode)
    bench.apply("cord", everything)
    assert (bench.mask("cord") == everything).all()
    assert [name for name, _ in segments_of(bench.node)] == [
        "cord", "gray_matter", "lesion", "other",
    ]  # fmt: skip


def test_the_automatic_result_comes_back(bench: Bench) -> None:
    write_mask(bench.node, "cord", bench.volume, ~bench.truth["cord"])
    done = restore_automatic_result(bench.editor, bench.node, "cord", bench.volume)
    assert done.voxelsAfter == bench.truth["cord"].sum()
    assert (bench.mask("cord") == bench.truth["cord"]).all()
    with pytest.raises(Failure, match="no automatic result is known"):
        restore_automatic_result(None, bench.node, "other", bench.volume)


def test_seeds_lie_inside_and_around_the_cord(bench: Bench) -> None:
    seeds = make_seeds(bench.editor, bench.node, "cord", bench.volume, 1.5, 4.0)
    inside, ring = bench.mask(seeds.cordSegmentID), bench.mask(seeds.backgroundSegmentID)
    cord = bench.truth["cord"]
    assert (inside & ~cord).sum() == 0
    assert (ring & cord).sum() == 0
    on_cord = cord.any(axis=(0, 1))
    assert (inside.any(axis=(0, 1)) == on_cord).all()
    assert (ring.any(axis=(0, 1)) == on_cord).all()
    assert bench.visible() == [seeds.cordSegmentID, seeds.backgroundSegmentID]
    again = make_seeds(bench.editor, bench.node, "cord", bench.volume, 1.5, 4.0)
    assert (again.cordSegmentID, again.cordVoxels) == (seeds.cordSegmentID, seeds.cordVoxels)


def test_growing_from_the_seeds_brings_the_cord_back(bench: Bench) -> None:
    seeds = make_seeds(None, bench.node, "cord", bench.volume, 1.5, 4.0)
    labels = np.zeros(SIZE, np.uint8)
    labels[bench.mask(seeds.cordSegmentID)] = 1
    labels[bench.mask(seeds.backgroundSegmentID)] = 2
    bright = np.where(bench.truth["cord"], 900, 100).astype(np.int16)
    grow = slicer.vtkImageGrowCutSegment()
    grow.SetIntensityVolume(scenes.vtk_image(bright))
    grow.SetSeedLabelVolume(scenes.vtk_image(labels))
    grow.Update()
    grown = scenes.image_array(grow.GetOutput()) == 1
    assert _dice(grown[:, :, 3:22], bench.truth["cord"][:, :, 3:22]) > 0.97


def test_a_missing_segment_is_told(bench: Bench) -> None:
    with pytest.raises(Failure, match="no segment is selected"):
        repair_slices(None, bench.node, "gone", bench.volume, [3])
    with pytest.raises(Failure, match="no slice is marked"):
        repair_slices(None, bench.node, "cord", bench.volume, [])
    with pytest.raises(Failure, match="fewer than two good slices"):
        prepare_fill_between_slices(None, bench.node, "cord", bench.volume, 5, range(2, 22))


def test_a_structure_written_through_the_editors_masks(bench: Bench) -> None:
    """As the effect does: the editable area counts, and no voxel of the old cord stays behind."""
    larger = bench.truth["cord"] | (np.indices(SIZE)[0] > 33)
    write_mask(bench.node, "cord", bench.volume, larger)
    bench.editorNode.SetOverwriteMode(bench.editorNode.OverwriteNone)

    def write(segmentID: str, labelmap: Any) -> None:
        bench.editor.UpdateReferenceGeometryImage()
        bench.editor.UpdateMaskLabelmap()
        mode = bench.editor.ModificationModeSet
        bench.editor.ModifySegmentByLabelmap(bench.node, segmentID, labelmap, mode, True, False)

    before = bench.state()
    cord = {"cord": bench.truth["cord"]}
    write_structures(bench.node, bench.volume, cord, bench.editor.SaveStateForUndo, None, write)
    assert (bench.mask("cord") == bench.truth["cord"]).all()
    bench.editor.Undo()
    assert bench.state() == before
    # Only inside the lesion.
    bench.editorNode.SetMaskSegmentID("lesion")
    bench.editorNode.SetMaskMode(bench.node.EditAllowedInsideSingleSegment)
    nothing = {"cord": np.zeros(SIZE, dtype=bool)}
    write_structures(bench.node, bench.volume, nothing, None, None, write)
    assert (bench.mask("cord") == (larger & ~bench.truth["lesion"])).all()


def test_undoing_a_lock_opens_every_slice(bench: Bench) -> None:
    lock_good_slices(bench.editor, bench.node, "cord", bench.volume, [5], bench.editorNode)
    bench.editor.Undo()
    assert bench.editorNode.GetMaskMode() == bench.node.EditAllowedEverywhere
    bench.editor.Redo()
    assert bench.editorNode.GetMaskMode() == bench.node.EditAllowedInsideSingleSegment
    assert "lesion" not in bench.visible()
    assert len(bench.visible()) == 2
    unlock_slices(bench.editor, bench.node, bench.editorNode)
    bench.editor.Undo()
    assert bench.editorNode.GetMaskMode() == bench.node.EditAllowedInsideSingleSegment
    assert len(bench.visible()) == 2
    everything = np.ones(SIZE, dtype=bool)
    bench.apply("cord", everything)
    assert bench.mask("cord").sum() < everything.sum()
    for _ in range(2):
        bench.editor.Undo()
    bench.apply("cord", everything)
    assert (bench.mask("cord") == everything).all()


def test_refining_a_segment_through_the_worker(
    bench: Bench, private_parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", GROWS]
    monkeypatch.setattr("SpinalCordSegCore.worker.python_command", lambda: command)
    truth, before = bench.truth["cord"], bench.state()
    lock_good_slices(None, bench.node, "cord", bench.volume, [5, 6, 7], bench.editorNode)
    locked = bench.state()
    done = refine_segment(bench.editor, bench.node, "cord", bench.volume, [4, 5, 6, 0])
    refined = bench.mask("cord")
    changed = np.flatnonzero((refined != truth).any(axis=(0, 1)))
    assert changed.tolist() == [5, 6]
    assert (refined & truth == truth).all()
    assert done.voxelsAfter - done.voxelsBefore == (refined & ~truth).sum()
    assert bench.state()["lesion"] == before["lesion"]
    bench.editor.Undo()
    assert bench.state() == locked
    unlock_slices(None, bench.node, bench.editorNode)
    done = refine_segment(bench.editor, bench.node, "cord", bench.volume)
    assert (bench.mask("cord") != truth).any(axis=(0, 1))[2:23].all()
    assert list(private_parent.iterdir()) == []


def test_refining_that_fails_changes_nothing(
    bench: Bench, private_parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr("SpinalCordSegCore.worker.python_command", lambda: command)
    before = bench.state()
    with pytest.raises(Failure, match="ended with status 3"):
        refine_segment(bench.editor, bench.node, "cord", bench.volume)
    assert bench.state() == before
    assert not bench.editor.CanUndo()
    assert list(private_parent.iterdir()) == []
