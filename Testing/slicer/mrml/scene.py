# SPDX-License-Identifier: Apache-2.0
"""A Slicer scene without the application: the logics that the extension meets, and test volumes."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])


def boot() -> types.SimpleNamespace:
    """Return a new scene with its application logic and its modules' logics."""
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    application.GetColorLogic().SetMRMLScene(scene)
    application.GetColorLogic().AddDefaultColorNodes()
    logics = {}
    for name, kind in (
        ("SubjectHierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic),
        ("Volumes", slicer.vtkSlicerVolumesLogic),
        ("Segmentations", slicer.vtkSlicerSegmentationsModuleLogic),
        ("Markups", slicer.vtkSlicerMarkupsLogic),
        ("Tables", slicer.vtkSlicerTablesLogic),
        ("Sequences", slicer.vtkSlicerSequencesLogic),
    ):
        logic = kind()
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application)
        application.SetModuleLogic(name, logic)
        logics[name] = logic
    return types.SimpleNamespace(scene=scene, application=application, logics=logics)


def add_volume(scene: Any, path: Path, name: str = "scan") -> Any:
    """Load an image file as a scalar volume node."""
    image = sitk.ReadImage(str(path))
    return add_image(scene, image, name)


def add_image(scene: Any, image: sitk.Image, name: str = "scan") -> Any:
    """Put a SimpleITK image into the scene as a scalar volume node."""
    matrix = np.eye(4)
    direction = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, :3] = _RAS_FROM_LPS @ direction
    matrix[:3, 3] = _RAS_FROM_LPS @ np.array(image.GetOrigin())
    return add_array(scene, sitk.GetArrayFromImage(image).transpose(), matrix, name)


def add_array(scene: Any, voxels: np.ndarray, matrix: np.ndarray, name: str = "scan") -> Any:
    """Put an array (I, J, K) into the scene with a matrix from voxel index to RAS."""

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(vtk_matrix(matrix))
    node.SetAndObserveImageData(vtk_image(voxels))
    return node


def add_transform(scene: Any, matrix: np.ndarray, name: str = "moved") -> Any:
    """Add a linear transform to the parent."""
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(vtk_matrix(matrix))
    return node


def vtk_matrix(matrix: np.ndarray) -> vtkMatrix4x4:
    """Return an array (4, 4) as a matrix of VTK."""
    result = vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result


def nodes(scene: Any) -> list[str]:
    """Return the ids of all nodes: the scene's content, to be compared."""
    return sorted(scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes()))


def voxels(volumeNode: Any) -> np.ndarray:
    """Return a copy of the voxels of a volume node, (I, J, K)."""
    return image_array(volumeNode.GetImageData())


def to_world(volumeNode: Any, index: np.ndarray) -> np.ndarray:
    """Return where a voxel index lies in the world, RAS, through linear transforms only."""
    return (_index_to_world(volumeNode) @ [*index, 1.0])[:3]


def from_world(volumeNode: Any, point: Any) -> np.ndarray:
    """Return the voxel index of a world point, through linear transforms only."""
    return (np.linalg.inv(_index_to_world(volumeNode)) @ [*point, 1.0])[:3]


def _index_to_world(volumeNode: Any) -> np.ndarray:
    matrix, parent = vtkMatrix4x4(), vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    if volumeNode.GetParentTransformNode() is not None:
        volumeNode.GetParentTransformNode().GetMatrixTransformToWorld(parent)
    vtkMatrix4x4.Multiply4x4(parent, matrix, matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def vtk_image(values: np.ndarray) -> vtkImageData:
    """Return an array (I, J, K) as an image of VTK."""
    image = vtkImageData()
    image.SetDimensions(*values.shape)
    scalars = numpy_to_vtk(np.ascontiguousarray(values.transpose()).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    return image


def image_array(image: vtkImageData) -> np.ndarray:
    """Return the voxels of an image of VTK, (I, J, K)."""
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    return values.reshape(image.GetDimensions()[::-1]).transpose().copy()


def register_storage(booted: types.SimpleNamespace, cache: Path) -> None:
    """Let a scene read and write bundles, as the application does."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(booted.scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLApplicationLogic(booted.application)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    booted.storage = (remote, manager)


def show_item(browserNode: Any, number: int) -> None:
    """Let a sequence browser show an item, as its slider does."""
    browserNode.SetSelectedItemNumber(number)
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)


def save(node: Any, path: str) -> bool:
    """Write a node's file as the application's saving does."""
    node.AddDefaultStorageNode(path)
    node.GetStorageNode().SetFileName(path)
    return bool(node.GetStorageNode().WriteData(node))
