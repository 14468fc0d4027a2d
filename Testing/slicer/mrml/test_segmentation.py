# SPDX-License-Identifier: Apache-2.0
"""Masks become segments at the right place in the world, and come back voxel by voxel.

The volume is 20 x 24 x 12 voxels of 0.5 x 0.7 x 3 mm, turned about two axes; the cord is a box in
it, the gray matter a smaller box inside, the lesion one voxel layer of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scene as scenes
import slicer
from SpinalCordSegCore.messages import Failure
from SpinalCordSegCore.segmentation import (
    mask_of,
    new_segmentation,
    result_of,
    segments_of,
    write_mask,
    write_structures,
)
from SpinalCordSegCore.volume import grid_of, index_to_ras, to_world

from SpinalCordSegLib.labels import label_named

SIZE = (20, 24, 12)


def _turned(degrees: float, axis: int) -> np.ndarray:
    angle = np.radians(degrees)
    a, b = (other for other in range(3) if other != axis)
    matrix = np.eye(4)
    matrix[[a, a, b, b], [a, b, a, b]] = [
        np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle),
    ]  # fmt: skip
    return matrix


OBLIQUE = _turned(17, 0) @ _turned(-24, 2) @ np.diag([-0.5, 0.7, 3.0, 1.0])
OBLIQUE[:3, 3] = [12.0, -31.0, 250.0]
SHEARED = np.array([[1.1, 0.2, 0, 7], [0, 0.9, 0.1, -3], [0.1, 0, 1, 40], [0, 0, 0, 1]])


def _volume(scene: Any, transform: str) -> Any:
    node = scenes.add_array(scene, np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE), OBLIQUE)
    if transform == "sheared":
        node.SetAndObserveTransformNodeID(scenes.add_transform(scene, SHEARED).GetID())
    if transform == "bent":
        node.SetAndObserveTransformNodeID(_bend(scene).GetID())
    return node


def _bend(scene: Any) -> Any:
    """Return a thin-plate spline that moves the volume's neighbourhood by 5 to 9 mm."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform

    corners = np.array([[x, y, z] for x in (-30, 30) for y in (-60, 0) for z in (230, 310)], float)
    moves = np.random.default_rng(1).uniform(5, 9, corners.shape)
    bend = vtkThinPlateSplineTransform()
    for points, setter in (
        (corners, bend.SetSourceLandmarks), (corners + moves, bend.SetTargetLandmarks),
    ):  # fmt: skip
        landmarks = vtkPoints()
        for point in points:
            landmarks.InsertNextPoint(point)
        setter(landmarks)
    bend.SetBasisToR()
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(bend)
    return node


def _masks() -> dict[str, np.ndarray]:
    cord, gray, lesion = (np.zeros(SIZE, dtype=bool) for _ in range(3))
    cord[5:13, 6:15, 2:10] = True
    gray[7:11, 8:13, 3:9] = True
    lesion[6:12, 10, 4:7] = True
    return {"cord": cord, "gray_matter": gray, "white_matter": cord & ~gray, "lesion": lesion}


@pytest.mark.parametrize("transform", ["none", "sheared", "bent"])
def test_a_mask_is_where_its_voxels_are_in_the_world(scene: Any, transform: str) -> None:
    volume = _volume(scene, transform)
    mask = np.zeros(SIZE, dtype=bool)
    mask[9, 11, 7] = True
    node = new_segmentation(volume)
    ids = write_structures(node, volume, {"cord": mask})
    place = to_world(volume, index_to_ras(volume, np.array([[9.0, 11.0, 7.0]])))[0]
    # Slicer's own answer, by its own path: it goes to the world through the segmentation node.
    assert node.GetSegmentCenterRAS(ids["cord"]) == pytest.approx(place, abs=0.2)


@pytest.mark.parametrize("transform", ["none", "sheared", "bent"])
def test_overlapping_structures_keep_every_voxel(scene: Any, transform: str) -> None:
    volume = _volume(scene, transform)
    node = new_segmentation(volume)
    ids = write_structures(node, volume, _masks())
    for name, mask in _masks().items():
        assert (mask_of(node, ids[name], volume) == mask).all()


def test_slicer_reads_the_same_voxels(scene: Any) -> None:
    volume = _volume(scene, "none")
    node = new_segmentation(volume)
    ids = write_structures(node, volume, _masks())
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(ids["lesion"], image)
    assert image.GetExtent() == (6, 11, 10, 10, 4, 6)


def test_names_colours_and_codes(scene: Any) -> None:
    volume = _volume(scene, "none")
    node = new_segmentation(volume)
    write_structures(node, volume, _masks())
    segments = [segment for _, segment in segments_of(node)]
    assert [segment.GetName() for segment in segments] == [
        label_named(name).title for name in _masks()
    ]
    for segment, name in zip(segments, _masks(), strict=True):
        label = label_named(name)
        assert segment.GetColor() == pytest.approx([part / 255 for part in label.colour])
        entry = slicer.vtkSlicerTerminologyEntry()
        logic = slicer.vtkSlicerTerminologiesModuleLogic()
        assert logic.DeserializeTerminologyEntry(segment.GetTerminology(), entry)
        assert entry.GetCategoryObject().GetCodeValue() == label.category_code
        assert entry.GetTypeObject().GetCodeValue() == label.code
        assert entry.GetTypeObject().GetCodingSchemeDesignator() == "SCT"
    assert entry.GetRegionObject().GetCodeValue() == label_named("cord").code


def test_a_second_run_replaces_its_segments_and_leaves_others(scene: Any) -> None:
    volume = _volume(scene, "sheared")
    masks = _masks()
    node = new_segmentation(volume)
    first = write_structures(node, volume, masks)
    drawn = node.GetSegmentation().AddEmptySegment("drawn", "Drawn by hand")
    write_mask(node, drawn, volume, masks["cord"])
    node.GetSegmentation().GetSegment(first["cord"]).SetName("My cord")
    smaller = {"cord": masks["cord"] & (np.arange(SIZE[2]) < 6)}
    assert result_of(volume) is node
    assert write_structures(node, volume, smaller) == {"cord": first["cord"]}
    assert [name for name, _ in segments_of(node)] == [*first.values(), "drawn"]
    assert node.GetSegmentation().GetSegment(first["cord"]).GetName() == "My cord"
    assert (mask_of(node, first["cord"], volume) == smaller["cord"]).all()
    assert (mask_of(node, first["lesion"], volume) == masks["lesion"]).all()
    assert (mask_of(node, drawn, volume) == masks["cord"]).all()


def test_writing_is_one_undo_step(scene: Any) -> None:
    volume = _volume(scene, "none")
    masks = _masks()
    node = new_segmentation(volume)
    ids = write_structures(node, volume, {"cord": masks["cord"]})
    editor = slicer.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(scene)
    editorNode = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetSegmentEditorNode(editorNode)
    editor.SetSegmentationNode(node)
    changed = {"cord": ~masks["cord"], "lesion": masks["lesion"]}
    write_structures(node, volume, changed, editor.SaveStateForUndo)
    editor.Undo()
    assert [name for name, _ in segments_of(node)] == [ids["cord"]]
    assert (mask_of(node, ids["cord"], volume) == masks["cord"]).all()
    editor.Redo()
    assert (mask_of(node, ids["cord"], volume) == changed["cord"]).all()
    assert (mask_of(node, "lesion", volume) == masks["lesion"]).all()


def test_a_mask_of_another_size_is_refused(scene: Any) -> None:
    volume = _volume(scene, "none")
    node = new_segmentation(volume)
    with pytest.raises(ValueError, match="does not fit"):
        write_structures(node, volume, {"cord": np.ones((20, 24, 5), dtype=bool)})


def test_an_empty_mask_empties_the_segment(scene: Any) -> None:
    volume = _volume(scene, "none")
    node = new_segmentation(volume)
    ids = write_structures(node, volume, _masks())
    write_mask(node, ids["cord"], volume, np.zeros(SIZE, dtype=bool))
    assert not mask_of(node, ids["cord"], volume).any()
    assert mask_of(node, ids["lesion"], volume).sum() == _masks()["lesion"].sum()


def test_other_voxels_and_other_transforms_are_told_apart(scene: Any) -> None:
    volume = _volume(scene, "none")
    node = new_segmentation(volume)
    ids = write_structures(node, volume, _masks())
    finer = scenes.add_array(scene, np.zeros(SIZE, np.int16), OBLIQUE @ np.diag([0.5, 1, 1, 1]))
    with pytest.raises(Failure, match="lie on other voxels"):
        mask_of(node, ids["cord"], finer)
    node.SetAndObserveTransformNodeID(scenes.add_transform(scene, SHEARED).GetID())
    with pytest.raises(Failure, match="not under the same transform"):
        mask_of(node, ids["cord"], volume)


@pytest.mark.parametrize("transform", ["none", "sheared", "bent"])
def test_the_worker_sees_axes_as_the_user_does(scene: Any, transform: str) -> None:
    volume = _volume(scene, transform)
    grid = grid_of(volume)
    assert np.allclose(grid.direction.T @ grid.direction, np.eye(3))
    assert np.allclose(grid.spacing, [0.5, 0.7, 3.0])
    assert grid.axialAxis == 2
    corners = np.array([[0.0, 0, 0], [3, 5, 7]])
    assert np.allclose(grid.to_index(grid.to_points(corners)), corners)


def test_a_transform_that_swaps_axes_swaps_them_for_the_worker(scene: Any) -> None:
    volume = scenes.add_array(scene, np.zeros(SIZE, np.int16), np.diag([1.0, 1, 1, 1]))
    turn = scenes.add_transform(scene, _turned(90, 0))
    volume.SetAndObserveTransformNodeID(turn.GetID())
    assert grid_of(volume).axialAxis == 1
