# SPDX-License-Identifier: Apache-2.0
"""What a result looks like in the scene: curve, areas, review rows, views; saved and loaded again.

The volume is 30 x 55 x 14 voxels of 1 x 1 x 3 mm, its slices tilted by 30 degrees against the
cord, which is a cylinder of radius 5 mm straight along the patient's axis.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene as scenes
import slicer
from SpinalCordSegCore import review
from SpinalCordSegCore.areas import (
    ANGLE,
    AREA,
    POSITION,
    WHOLE,
    _image_of,
    mean_area,
    new_table,
    position_along,
    slice_areas,
    write_table,
)
from SpinalCordSegCore.correction import centerline_from_segment, restore_automatic_result
from SpinalCordSegCore.logic import SpinalCordSegLogic
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.outcome import Outcome, Target, show_finding, show_findings
from SpinalCordSegCore.results import Results
from SpinalCordSegCore.run import Finding
from SpinalCordSegCore.segmentation import mask_of, segments_of, structure_of, write_mask
from SpinalCordSegCore.volume import grid_of

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.measurement.cord import measure_cord
from SpinalCordSegLib.measurement.summary import summarise_cord

SIZE = (30, 55, 14)
RADIUS, TILT = 5.0, np.radians(30)
MATRIX = np.eye(4)
MATRIX[:3, :3] = (
    np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
    * [1, 1, 3]
)  # fmt: skip
MATRIX[:3, 3] = -15 * (MATRIX[:3, 0] + MATRIX[:3, 1])
MOVED = np.array([[0.9, -0.3, 0, 4], [0.3, 0.9, 0, 5], [0, 0.1, 1, 9], [0, 0, 0, 1]])


def _cylinder() -> tuple[np.ndarray, np.ndarray]:
    """Return the mask, and the axis as voxel indices from slice to slice."""
    index = np.stack(np.indices(SIZE), axis=-1)
    world = index @ MATRIX[:3, :3].T + MATRIX[:3, 3]
    mask = np.linalg.norm(world[..., :2], axis=-1) < RADIUS
    return mask, np.array([[15.0, _middle(k), k] for k in range(SIZE[2])])


def _middle(k: float) -> float:
    """Return where the cylinder's axis meets slice k, along J."""
    return float(15 + 3 * k * np.tan(TILT))


def _finding(volume: Any, top: int = SIZE[2]) -> Finding:
    """Return a result; the cord ends below slice `top`."""
    mask, curve = _cylinder()
    mask &= np.arange(SIZE[2]) < top
    curve = curve[:top]
    lesion = mask & (np.arange(SIZE[2]) == 3)
    doubts = [(3, "jumps", 0.9), (1, "unsure", 0.4)][: 1 if top == 6 else 2]
    rows = [
        {"slice_index": k, "index": np.array([15, _middle(k), k]), "reason": why, "severity": doubt}
        for k, why, doubt in doubts
    ]
    provenance = {"parameters": {"device": "cpu"}, "contrast": {"found": "t2"}}
    return Finding(
        Results({"cord": mask, "lesion": lesion}, curve, rows, provenance), grid_of(volume), 1.5
    )


@pytest.fixture
def volume(scene: Any) -> Any:
    node = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    node.SetAndObserveTransformNodeID(scenes.add_transform(scene, MOVED).GetID())
    return node


@pytest.fixture
def outcome(volume: Any) -> Outcome:
    return show_finding(Target(volume, None, None, None, None), _finding(volume))


def test_areas_are_those_across_the_cord(scene: Any) -> None:
    straight = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    mask, curve = _cylinder()
    areas = slice_areas({"cord": mask}, curve, grid_of(straight))
    whole = slice(2, -2)
    true = np.pi * RADIUS**2
    assert areas.areas_mm2["cord"][whole] == pytest.approx(true, rel=0.06)
    # Uncorrected, the tilted slices would show 15 % more.
    assert mask.sum(axis=(0, 1))[areas.slices][whole].mean() > 1.1 * true
    assert areas.angles[whole] == pytest.approx(30.0, abs=0.5)
    assert np.diff(areas.positions_mm) == pytest.approx(3 / np.cos(TILT), rel=0.01)


def test_the_table_and_the_mean_between_landmarks(outcome: Outcome) -> None:
    table = outcome.tableNode
    names = [table.GetColumnName(number) for number in range(table.GetNumberOfColumns())]
    assert names == ["Slice", POSITION, AREA["cord"], AREA["lesion"], ANGLE, WHOLE]
    mean = mean_area(table, 25.0, 8.0)
    assert mean.area_mm2 == pytest.approx(np.pi * RADIUS**2, rel=0.12)
    assert (mean.slices, mean.left_out) == (5, 0)
    assert position_along(outcome.curveNode, (1000.0, 0, 1000.0)) == pytest.approx(
        outcome.curveNode.GetCurveLengthWorld(), rel=0.02
    )
    with pytest.raises(Failure, match="no slice lies between"):
        mean_area(table, 900.0, 901.0)


def test_the_mean_is_that_of_the_command_measure(scene: Any) -> None:
    """The image's edge cuts the cord above, the end of the mask below."""
    volume = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    grid = grid_of(volume)
    mask, curve = _cylinder()
    mask[:, 36:, :] = False
    mask = np.roll(mask, 19, axis=1)
    curve[:, 1] += 19
    mask[:16, :, 1] = False
    mask[:, :, 0] = False
    areas = slice_areas({"cord": mask, "gray_matter": mask}, curve, grid)
    measured = measure_cord(_image_of(mask, grid), centerline=Centerline(grid.to_points(curve)))
    rows = {row.slice: row for row in measured.slices}
    assert areas.slices.tolist() == sorted(rows)
    assert areas.whole.tolist() == [rows[k].whole for k in areas.slices]
    assert 0 < (~areas.whole).sum() < len(rows)
    assert areas.areas_mm2["cord"] == pytest.approx([rows[k].area_mm2 for k in areas.slices])

    table = new_table(volume)
    write_table(table, areas)
    mean = mean_area(table, -1000, 1000)
    summary = summarise_cord(measured)
    assert (mean.slices, mean.left_out) == (summary.slices, summary.left_out)
    assert mean.area_mm2 == pytest.approx(summary.statistics["area_mm2"].mean, abs=0.01)
    assert areas.areas_mm2["cord"].mean() < 0.97 * mean.area_mm2
    assert not areas.whole[0]
    lowest = areas.positions_mm[0]
    with pytest.raises(Failure, match="only cut slices lie between the two landmarks"):
        mean_area(table, lowest - 1, lowest + 1)


def test_a_slice_without_cord_is_none_of_the_cord(scene: Any) -> None:
    volume = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    mask, curve = _cylinder()
    lesion = mask & (np.arange(SIZE[2]) > 7)
    areas = slice_areas(
        {"lesion": lesion, "cord": mask & (np.arange(SIZE[2]) < 10)}, curve, grid_of(volume)
    )
    assert areas.slices.tolist() == list(range(SIZE[2]))
    assert not areas.whole[10:].any()
    table = new_table(volume)
    write_table(table, areas)
    mean = mean_area(table, -1000, 1000)
    assert mean.area_mm2 == pytest.approx(np.pi * RADIUS**2, rel=0.06)
    assert mean.slices + mean.left_out == 10


def test_without_a_cord_there_is_no_mean_of_it(scene: Any) -> None:
    volume = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    mask, curve = _cylinder()
    table = new_table(volume)
    write_table(table, slice_areas({"gray_matter": mask}, curve, grid_of(volume)))
    with pytest.raises(Failure, match="does not tell the cord's area"):
        mean_area(table, -1000, 1000)


def test_the_curve_moves_with_the_volume(outcome: Outcome, volume: Any) -> None:
    curve = outcome.curveNode
    assert curve.GetParentTransformNode() is volume.GetParentTransformNode()
    place = [0.0, 0.0, 0.0]
    for number in range(curve.GetNumberOfControlPoints()):
        curve.GetNthControlPointPositionWorld(number, place)
        i, j, k = scenes.from_world(volume, place)
        assert (i, j) == pytest.approx((15.0, _middle(k)), abs=1e-3)
    # Control points a person can move: about a centimetre apart.
    assert curve.GetNumberOfControlPoints() == round(curve.GetCurveLengthWorld() / 10) + 1


def test_rows_stay_with_the_segmentation_and_move_with_it(outcome: Outcome, volume: Any) -> None:
    node = outcome.segmentationNode
    rows = review.rows_of(node)
    assert [(row.sliceIndex, row.reason, row.severity) for row in rows] == [
        (3, "jumps", 0.9), (1, "unsure", 0.4),
    ]  # fmt: skip
    for row, told in zip(rows, outcome.reviewRows, strict=True):
        assert row.positionRAS == pytest.approx(told.positionRAS, abs=1e-3)
    assert rows[0].positionRAS == pytest.approx(
        scenes.to_world(volume, np.array([15.0, _middle(3), 3.0])), abs=1e-3
    )
    assert review.slice_at(volume, rows[0].positionRAS) == 3
    node.SetAndObserveTransformNodeID(None)
    assert review.rows_of(node)[0].positionRAS != pytest.approx(rows[0].positionRAS, abs=1)
    assert review.rows_of(None) == []


def _views(scene: Any) -> dict[str, Any]:
    views = {}
    for kind in ("Axial", "Sagittal", "Coronal"):
        view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
        view.SetLayoutName(kind)
        view.SetDefaultOrientation(kind)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        view.SetOrientation(kind)
        views[kind] = view
    return views


def _axes(view: Any) -> np.ndarray:
    matrix = view.GetSliceToRAS()
    return np.array([[matrix.GetElement(i, j) for j in range(3)] for i in range(3)])


def _preset(view: Any) -> np.ndarray:
    matrix = view.GetSliceOrientationPreset(view.GetDefaultOrientation())
    return np.array([[matrix.GetElement(i, j) for j in range(3)] for i in range(3)])


def test_a_row_moves_every_slice_view(scene: Any, outcome: Outcome, volume: Any) -> None:
    views = _views(scene)
    row = outcome.reviewRows[0]
    for perpendicular in (False, True, False):
        review.show_row(row, volume, outcome.curveNode, perpendicular)
        for kind, view in views.items():
            matrix = view.GetSliceToRAS()
            normal = _axes(view)[:, 2]
            offset = [matrix.GetElement(axis, 3) for axis in range(3)] - np.array(row.positionRAS)
            assert normal @ offset == pytest.approx(0.0, abs=0.01)
            # The cord runs along the patient's axis as MOVED turns it.
            cord = np.array([0.0, 0.0, 1.0])
            along = abs(normal @ cord)
            assert along == pytest.approx(1.0 if kind == "Axial" else 0.0, abs=0.02)
            if not perpendicular:
                assert view.GetOrientation() == kind


def test_perpendicular_views_follow_a_leaning_curve(
    scene: Any, outcome: Outcome, volume: Any
) -> None:
    views = _views(scene)
    lean = scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode")
    tangent = np.array([0.2, 0.5, 0.8]) / np.linalg.norm([0.2, 0.5, 0.8])
    for step in (-40, 0, 40):
        lean.AddControlPointWorld(*(np.array(outcome.reviewRows[0].positionRAS) + step * tangent))
    review.show_row(outcome.reviewRows[0], volume, lean, True)
    normals = {}
    for kind, view in views.items():
        axes = _axes(view)
        normals[kind] = axes[:, 2]
        # Turned, not mirrored, and no further than it has to be.
        before = _preset(view)
        assert np.linalg.det(axes) == pytest.approx(np.linalg.det(before))
        assert (axes * before).sum(axis=0).min() > 0.7
    assert abs(normals["Axial"] @ tangent) == pytest.approx(1.0, abs=1e-3)
    assert normals["Sagittal"] @ tangent == pytest.approx(0.0, abs=1e-3)
    assert normals["Coronal"] @ tangent == pytest.approx(0.0, abs=1e-3)
    review.show_row(outcome.reviewRows[0], volume, lean, False)
    assert views["Axial"].GetOrientation() == "Axial"


def test_results_lie_in_the_study_of_the_scan(scene: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    node = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    hierarchy.CreateItem(study, node)
    found = show_finding(Target(node, None, None, None, None), _finding(node))
    for result in (found.segmentationNode, found.curveNode, found.tableNode):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == study


def test_a_failure_on_the_way_into_the_scene_leaves_nothing(
    scene: Any, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scenes.nodes(scene)
    monkeypatch.setattr("SpinalCordSegCore.outcome.write_table", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        show_finding(Target(volume, None, None, None, None), _finding(volume))
    assert scenes.nodes(scene) == before


def test_a_volume_that_was_removed_meanwhile(scene: Any, volume: Any) -> None:
    finding = _finding(volume)
    target = Target(volume, None, None, None, None)
    scene.RemoveNode(volume)
    before = scenes.nodes(scene)
    with pytest.raises(Failure, match="was removed while the run was going on"):
        show_finding(target, finding)
    assert scenes.nodes(scene) == before


def test_a_second_run_follows_the_volume_under_another_transform(
    scene: Any, outcome: Outcome, volume: Any
) -> None:
    volume.SetAndObserveTransformNodeID(scenes.add_transform(scene, np.eye(4)).GetID())
    again = show_finding(Target(volume, None, None, None, None), _finding(volume))
    assert again.segmentationNode is outcome.segmentationNode
    assert again.curveNode.GetParentTransformNode() is volume.GetParentTransformNode()
    mask, _ = _cylinder()
    assert (mask_of(again.segmentationNode, "cord", volume) == mask).all()
    restore_automatic_result(None, again.segmentationNode, "cord", volume)


def test_a_segmentation_elsewhere_is_refused_before_the_run(scene: Any, outcome: Outcome) -> None:
    elsewhere = scenes.add_array(scene, np.ones(SIZE, np.int16), MATRIX)
    with pytest.raises(Failure, match="not under the same transform"):
        SpinalCordSegLogic().segment(elsewhere, segmentationNode=outcome.segmentationNode)


def test_into_the_segments_that_an_effect_names(volume: Any, scene: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    written: dict[str, tuple[int, ...]] = {}
    drawn = node.GetSegmentation().AddEmptySegment("drawn", "Drawn")
    target = Target(
        volume, node, None, {"cord": drawn},
        lambda segmentID, labelmap: written.update({segmentID: labelmap.GetExtent()}),
    )  # fmt: skip
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    found = show_finding(target, _finding(volume))
    assert found.segmentationNode is node
    assert list(written) == ["drawn", "lesion"]
    assert [structure_of(segment) for _, segment in segments_of(node)] == ["cord", "lesion"]
    assert node.GetSegmentation().GetSegment("drawn").GetName() == "Drawn"


def test_a_centerline_from_a_segment(outcome: Outcome, volume: Any) -> None:
    curve = centerline_from_segment(outcome.segmentationNode, "cord", volume)
    place = [0.0, 0.0, 0.0]
    for number in range(1, curve.GetNumberOfControlPoints() - 1):
        curve.GetNthControlPointPositionWorld(number, place)
        i, j, k = scenes.from_world(volume, place)
        assert (i, j) == pytest.approx((15.0, _middle(k)), abs=1.0)


def test_saved_and_loaded_again(
    slicer_scene: Any, outcome: Outcome, volume: Any, tmp_path: Path
) -> None:
    mask, _ = _cylinder()
    node = outcome.segmentationNode
    write_mask(node, "cord", volume, ~mask)
    bundle = tmp_path / "scene.mrb"
    scenes.register_storage(slicer_scene, tmp_path)
    assert slicer_scene.scene.WriteToMRB(str(bundle))
    fresh = scenes.boot()
    scenes.register_storage(fresh, tmp_path)
    assert fresh.scene.ReadFromMRB(str(bundle), True)
    again = fresh.scene.GetFirstNodeByName(node.GetName())
    scan = fresh.scene.GetFirstNodeByName(volume.GetName())
    assert (mask_of(again, "cord", scan) == ~mask).all()
    assert [structure_of(segment) for _, segment in segments_of(again)] == ["cord", "lesion"]
    told, kept = outcome.reviewRows[0], review.rows_of(again)[0]
    assert kept.positionRAS == pytest.approx(told.positionRAS, abs=1e-3)
    # The automatic result came along, and a second run finds all of it.
    restore_automatic_result(None, again, "cord", scan)
    assert (mask_of(again, "cord", scan) == mask).all()
    before = scenes.nodes(fresh.scene)
    found = show_finding(Target(scan, None, None, None, None), _finding(scan))
    assert found.segmentationNode is again
    assert scenes.nodes(fresh.scene) == before
    fresh.scene.Clear(True)


@pytest.fixture
def browser(scene: Any) -> Any:
    """A sequence of three volumes, the second of them shown."""
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "series")
    for number in range(3):
        item = scenes.add_array(scene, np.full(SIZE, number + 1, np.int16), MATRIX, "item")
        sequence.SetDataNodeAtValue(item, str(number))
        scene.RemoveNode(item)
    node = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    node.AddSynchronizedSequenceNode(sequence)
    scenes.show_item(node, 1)
    return node


def test_each_item_of_a_sequence_has_its_own_result(scene: Any, browser: Any) -> None:
    volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
    findings = [_finding(volume, top) for top in (6, 9, 12)]
    target = Target(volume, None, None, None, None)
    for _ in range(2):
        outcome = show_findings(target, browser, findings)
        assert browser.GetSelectedItemNumber() == 1
        assert scenes.voxels(volume).max() == 2
        node = outcome.segmentationNode
        for number in (2, 0, 1):
            scenes.show_item(browser, number)
            found = mask_of(node, "cord", volume)
            assert (found == findings[number].results.masks["cord"]).all()
            assert outcome.tableNode.GetNumberOfRows() == 6 + 3 * number
            assert len(review.rows_of(node)) == (1 if number == 0 else 2)
            write_mask(node, "cord", volume, ~found)
            restore_automatic_result(None, node, "cord", volume)
            assert (mask_of(node, "cord", volume) == found).all()
    before = scenes.nodes(scene)
    show_findings(target, browser, findings)
    assert scenes.nodes(scene) == before


def test_a_correction_of_one_item_is_kept(scene: Any, browser: Any) -> None:
    volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
    target = Target(volume, None, None, None, None)
    node = show_findings(target, browser, [_finding(volume)] * 3).segmentationNode
    mask = mask_of(node, "cord", volume)
    write_mask(node, "cord", volume, ~mask)
    scenes.show_item(browser, 2)
    assert (mask_of(node, "cord", volume) == mask).all()
    scenes.show_item(browser, 1)
    assert (mask_of(node, "cord", volume) == ~mask).all()
