# SPDX-License-Identifier: Apache-2.0
"""A whole run: a scan in the scene, a process of its own, and what it puts into the scene.

The scan is real and small (36 x 36 x 5 voxels), here turned and under a sheared transform; the
reference is a person's mask of the same voxels.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene as scenes
import SimpleITK as sitk
import slicer
import slicer.util
from SpinalCordSegCore.automatic import AUTOMATIC, copy_of
from SpinalCordSegCore.logic import Outcome, SpinalCordSegLogic
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.segmentation import mask_of, segments_of

MOVED = np.array([[1.0, 0.1, 0, 30], [0, 1.1, 0.1, -20], [0.1, 0, 1, 60], [0, 0, 0, 1]])


def _oblique(image: sitk.Image) -> sitk.Image:
    """Return the same voxels, turned by 15 degrees and moved, as another patient would lie."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.15)
    matrix = np.reshape(turn.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
    turned = sitk.Image(image)
    turned.SetDirection(matrix.ravel())
    turned.SetOrigin((5.0, -40.0, 100.0))
    return turned


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_turned_scan_under_a_transform_twice(
    scene: Any, shared: Path, private_parent: Path
) -> None:
    image = _oblique(sitk.ReadImage(str(shared / "data/subj-a/mt1.nii.gz")))
    reference = scenes.add_volume(scene, shared / "data/subj-a/mt1_cord.nii.gz", "reference")
    volume = scenes.add_image(scene, image)
    volume.SetAndObserveTransformNodeID(scenes.add_transform(scene, MOVED).GetID())
    steps: list[tuple[float, str]] = []

    outcome = SpinalCordSegLogic().segment(
        volume, ("gray_matter", "cord"), progress=lambda *step: steps.append(step)
    )

    assert isinstance(outcome, Outcome)
    fractions = [fraction for fraction, _ in steps]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5
    assert outcome.device in ("cpu", "cuda")
    assert outcome.contrast in ("t2s", "t1", "t2", "t2_ax", "dwi")
    node = outcome.segmentationNode
    cord = mask_of(node, "cord", volume)
    wanted = scenes.voxels(reference) > 0
    assert _dice(cord, wanted) > 0.85

    # In the world, by Slicer's own path, a voxel of 0.9 mm away at most.
    box = np.array([np.argwhere(cord).min(axis=0), np.argwhere(cord).max(axis=0)])
    centre = scenes.to_world(volume, box.mean(axis=0))
    assert np.linalg.norm(np.array(node.GetSegmentCenterRAS("cord")) - centre) < 0.45

    # The curve runs through the cord, in the world too.
    curve = outcome.curveNode
    for number in range(curve.GetNumberOfControlPoints()):
        place = [0.0, 0.0, 0.0]
        curve.GetNthControlPointPositionWorld(number, place)
        index = np.rint(scenes.from_world(volume, place)).astype(int)
        assert cord[tuple(index)]

    table = outcome.tableNode
    assert table.GetNumberOfRows() == 5
    areas = [float(table.GetCellText(row, 2)) for row in range(5)]
    assert 30 < min(areas) <= max(areas) < 110
    slices = {row.sliceIndex for row in outcome.reviewRows}
    assert slices <= set(range(5))
    for row in outcome.reviewRows:
        index = scenes.from_world(volume, row.positionRAS)
        assert index[2] == pytest.approx(row.sliceIndex, abs=0.1)

    # Once more, along a person's points, clicked in any order: updated, not doubled.
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for height in (4, 0, 2):
        index = [*np.argwhere(wanted[:, :, height]).mean(axis=0), height]
        points.AddControlPointWorld(*scenes.to_world(volume, np.array(index)).tolist())
    before = scenes.nodes(scene)
    node.GetSegmentation().GetSegment("cord").SetName("My cord")
    again = SpinalCordSegLogic().segment(volume, ("cord",), centerline=points)
    assert isinstance(again, Outcome)
    assert scenes.nodes(scene) == before
    assert again.segmentationNode is node
    assert [name for name, _ in segments_of(node)] == ["cord", "gray_matter"]
    assert node.GetSegmentation().GetSegment("cord").GetName() == "My cord"
    cord = mask_of(node, "cord", volume)
    assert _dice(cord, wanted) > 0.85
    kept = copy_of(node, "cord", volume, AUTOMATIC)
    assert kept is not None
    assert (kept == cord).all()
    assert list(private_parent.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda scene: None, "no_volume",
         "no input volume is selected; choose the scan to segment."),
        (lambda scene: scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"), "no_volume",
         "the volume empty holds no voxels; load the scan again."),
        (lambda scene: scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels"),
         "volume_type", "labels is not a gray-scale volume; choose the scan to segment."),
        (lambda scene: scene.AddNewNodeByClass("vtkMRMLModelNode", "skull"), "volume_type",
         "skull is not a gray-scale volume; choose the scan to segment."),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_at_once(
    scene: Any, private_parent: Path, make: Any, kind: str, sentence: str
) -> None:
    with pytest.raises(Failure) as caught:
        SpinalCordSegLogic().segment(make(scene), wait=False)
    assert caught.value.kind == kind
    assert str(caught.value) == sentence
    assert list(private_parent.iterdir()) == []


# Reports that the graphics card's memory ran out unless it is to run on the processor, where it
# finds no cord. Like the library, but without waiting for torch.
GPU_RUNS_OUT = """
import sys
from SpinalCordSegLib.errors import CordNotFound
from SpinalCordSegLib.failures import user_error
from SpinalCordSegLib.progress import reporter
class OutOfMemoryError(RuntimeError): pass
error = OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
if sys.argv[sys.argv.index("--device") + 1] == "cpu":
    error = CordNotFound("no spinal cord was found in the image", "give --centerline")
reporter("json", sys.stdout, sys.stderr).error(user_error(error))
sys.exit(user_error(error).exit_status)
"""


def test_after_the_graphics_cards_memory_the_processor(scene: Any, private_parent: Path) -> None:
    volume = scenes.add_array(scene, np.ones((4, 4, 4), np.int16), np.eye(4))
    before = scenes.nodes(scene)
    said: list[str] = []
    logic = SpinalCordSegLogic([sys.executable, "-c", GPU_RUNS_OUT])
    with pytest.raises(Failure) as caught:
        logic.segment(volume, device="cuda", progress=lambda _, text: said.append(text))
    assert said == ["the graphics card ran out of memory: running again on the processor"]
    assert caught.value.kind == "no_cord"
    assert str(caught.value) == (
        "no spinal cord was found in the image; check that the scan shows the spine, or click "
        "points along the cord."
    )
    assert scenes.nodes(scene) == before
    assert list(private_parent.iterdir()) == []


def test_a_lone_point_is_no_centerline(scene: Any, private_parent: Path) -> None:
    volume = scenes.add_array(scene, np.ones((4, 4, 4), np.int16), np.eye(4))
    lone = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "lone")
    lone.AddControlPointWorld(1.0, 1.0, 1.0)
    with pytest.raises(Failure) as caught:
        SpinalCordSegLogic().segment(volume, centerline=lone)
    assert str(caught.value) == (
        "lone has fewer than two points; click at least two along the cord."
    )
    assert list(private_parent.iterdir()) == []


def test_the_folder_is_for_the_user_alone(scene: Any, private_parent: Path) -> None:
    volume = scenes.add_array(scene, np.ones((4, 4, 4), np.int16), np.eye(4))
    run = SpinalCordSegLogic([sys.executable, "-c", "import time; time.sleep(60)"]).segment(
        volume, wait=False
    )
    (folder,) = private_parent.iterdir()
    assert os.name == "nt" or folder.stat().st_mode & 0o777 == 0o700
    assert not isinstance(run, Outcome)
    run.cancel()
    assert list(private_parent.iterdir()) == []


# Finds a cord in the bright voxels at once; without any, what it writes is no curve.
BRIGHT = """
import json, pathlib, sys
import numpy as np, SimpleITK as sitk
image, out = sys.argv[2], pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
scan = sitk.ReadImage(image)
mask = scan > 50
middle = np.argwhere(sitk.GetArrayFromImage(mask)).mean(axis=0)[::-1]
out.mkdir()
sitk.WriteImage(sitk.Cast(mask, sitk.sitkUInt8), str(out / "image_label-SC_mask.nii.gz"))
points = [scan.TransformContinuousIndexToPhysicalPoint((middle[0], middle[1], k)) for k in (0., 5.)]
rows = ["x_mm,y_mm,z_mm"] + [",".join(map(str, point)) for point in points]
(out / "image_centerline.csv").write_text("\\n".join(rows))
report = {"review": [], "provenance": {"parameters": {"device": "cpu"}}}
(out / "image_seg.json").write_text(json.dumps(report))
print(json.dumps({"fraction": 0.5, "message": "outlining"}), flush=True)
print(json.dumps({"result": []}), flush=True)
"""


def _series(scene: Any, brightness: tuple[int, ...]) -> tuple[Any, Any]:
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "series")
    for number, bright in enumerate(brightness):
        voxels = np.zeros((12, 12, 6), np.int16)
        voxels[4:7, 5 : 7 + number, :] = bright
        item = scenes.add_array(scene, voxels, np.eye(4), "item")
        sequence.SetDataNodeAtValue(item, str(number))
        scene.RemoveNode(item)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.AddSynchronizedSequenceNode(sequence)
    scenes.show_item(browser, 0)
    return browser, browser.GetProxyNode(sequence)


def test_a_sequence_is_run_item_by_item(scene: Any, private_parent: Path) -> None:
    browser, volume = _series(scene, (100, 100, 100))
    said: list[tuple[float, str]] = []
    outcome = SpinalCordSegLogic([sys.executable, "-c", BRIGHT]).segment(
        volume, progress=lambda *step: said.append(step)
    )
    assert isinstance(outcome, Outcome)
    assert [text for _, text in said] == [f"item {n} of 3: outlining" for n in (1, 2, 3)]
    assert [fraction for fraction, _ in said] == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    for number in (2, 1, 0):
        scenes.show_item(browser, number)
        found = mask_of(outcome.segmentationNode, "cord", volume)
        assert (found == (scenes.voxels(volume) > 0)).all()
        assert found.sum() == 3 * (2 + number) * 6
    assert list(private_parent.iterdir()) == []


def test_a_sequence_of_which_one_item_fails_changes_nothing(
    scene: Any, private_parent: Path
) -> None:
    browser, volume = _series(scene, (100, 100, 1))
    before = scenes.nodes(scene)
    with pytest.raises(Failure) as caught:
        SpinalCordSegLogic([sys.executable, "-c", BRIGHT]).segment(volume)
    assert "holds no curve" in str(caught.value)
    assert scenes.nodes(scene) == before
    assert browser.GetSelectedItemNumber() == 0
    assert list(private_parent.iterdir()) == []


def test_the_example_that_segments_a_folder(
    scene: Any,
    checkout: Path,
    private_parent: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of the application; these do the same with its nodes.
    monkeypatch.setattr(slicer.util, "loadVolume", lambda path: scenes.add_volume(scene, path))
    monkeypatch.setattr(slicer.util, "saveNode", scenes.save)
    example = checkout / "SpinalCordSeg/Resources/Examples/segment_folder.py"
    run = runpy.run_path(str(example))["segment_folder"]
    scans, results = tmp_path / "scans", tmp_path / "results"
    scans.mkdir()
    for name, bright in (("first", 100), ("second", 1), ("third", 100)):
        voxels = np.zeros((6, 12, 12), np.int16)
        voxels[:, 5:8, 4:7] = bright
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(scans / f"{name}.nii.gz"))
    (scans / "notes.txt").write_text("not a scan")
    failed = run(scans, results, SpinalCordSegLogic([sys.executable, "-c", BRIGHT]))
    assert failed == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == ["first", "second", "third"]
    assert told[1].startswith("second: FAILED: the result could not be read")
    suffixes = (".mrk.json", ".seg.nrrd", ".tsv")
    wanted = {f"{name}{suffix}" for name in ("first", "third") for suffix in suffixes}
    # Slicer writes what the columns of a table hold beside it.
    assert wanted == {path.name for path in results.iterdir() if ".schema." not in path.name}
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(results / "first.seg.nrrd"))).sum() == 54
    assert len((results / "third.tsv").read_text().splitlines()) == 7
