# SPDX-License-Identifier: Apache-2.0
"""Volume nodes and the image files that the worker reads.

A volume node may have any IJKToRAS matrix, sheared ones included, and any parent transform. The
file gets the same voxels with the node's spacing and the nearest rotation of its axes *as the user
sees them*, which is what image files can hold and what tells the networks where the head is.
Everything that comes back is brought to the node by voxel index, so nothing is lost on the way.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .messages import Failure, no_disk_space

Floats = NDArray[np.float64]

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """The geometry of a volume's file.

    Attributes
    ----------
    size : tuple of int
        Voxels along I, J, K.
    spacing : tuple of float
        mm.
    direction : ndarray, (3, 3)
        A column for each axis, LPS, orthonormal.
    origin : ndarray, (3,)
        Centre of the first voxel, mm, LPS.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    direction: Floats
    origin: Floats

    @property
    def axialAxis(self) -> int:
        """The axis nearest to superior-inferior: what slices are counted along."""
        from SpinalCordSegLib.network_order import axial_axis

        return axial_axis(self.direction.ravel().tolist())

    def to_index(self, points: Floats) -> Floats:
        """Return the continuous voxel index (N, 3) of points (N, 3), mm, LPS."""
        return ((np.asarray(points) - self.origin) @ self.direction) / np.array(self.spacing)

    def to_points(self, index: Floats) -> Floats:
        """Return the points (N, 3), mm, LPS, of continuous voxel indices (N, 3)."""
        return (np.asarray(index) * np.array(self.spacing)) @ self.direction.T + self.origin


def check_volume(volumeNode: Any) -> None:
    """Make sure that a node is a volume the networks can read.

    Raises
    ------
    Failure
        ``no_volume`` or ``volume_type``.
    """
    if volumeNode is None:
        raise Failure("no_volume", "no input volume is selected", "choose the scan to segment")
    name = volumeNode.GetName()
    if not volumeNode.IsA("vtkMRMLScalarVolumeNode") or volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise Failure(
            "volume_type", f"{name} is not a gray-scale volume", "choose the scan to segment"
        )
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise Failure("no_volume", f"the volume {name} holds no voxels", "load the scan again")
    if image.GetNumberOfScalarComponents() != 1:
        raise Failure(
            "volume_type",
            f"{name} holds {image.GetNumberOfScalarComponents()} values per voxel",
            "choose a volume with one, for example by Vector to Scalar Volume",
        )


def voxels_of(volumeNode: Any) -> NDArray[Any]:
    """Return the voxels of a volume node, (I, J, K), not copied."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image = volumeNode.GetImageData()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    return values.reshape(image.GetDimensions()[::-1]).transpose()


def ijk_to_ras(volumeNode: Any) -> Floats:
    """Return the (4, 4) matrix from voxel index to RAS, mm, without the parent transform."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return _array(matrix)


def index_to_ras(volumeNode: Any, index: Floats) -> Floats:
    """Return points (N, 3), RAS, without the parent transform, of voxel indices (N, 3)."""
    matrix = ijk_to_ras(volumeNode)
    return np.asarray(index) @ matrix[:3, :3].T + matrix[:3, 3]


def ras_to_index(volumeNode: Any, points: Floats) -> Floats:
    """Return voxel indices (N, 3) of points (N, 3), RAS, without the parent transform."""
    matrix = ijk_to_ras(volumeNode)
    return np.linalg.solve(matrix[:3, :3], (np.asarray(points) - matrix[:3, 3]).T).T


def to_world(transformableNode: Any, points: Floats) -> Floats:
    """Return points (N, 3) of a node's own space in the world, whatever the parent transform."""
    moved = np.empty((len(points), 3))
    for row, point in enumerate(np.asarray(points, dtype=float)):
        world = [0.0, 0.0, 0.0]
        transformableNode.TransformPointToWorld(point.tolist(), world)
        moved[row] = world
    return moved


def from_world(transformableNode: Any, points: Floats) -> Floats:
    """Return world points (N, 3) in a node's own space."""
    moved = np.empty((len(points), 3))
    for row, point in enumerate(np.asarray(points, dtype=float)):
        local = [0.0, 0.0, 0.0]
        transformableNode.TransformPointFromWorld(point.tolist(), local)
        moved[row] = local
    return moved


def grid_of(volumeNode: Any) -> Grid:
    """Return the geometry that a volume's file gets.

    A parent transform turns it only where it is linear: what a bent space looks like, no file
    can say.
    """
    matrix = ijk_to_ras(volumeNode)
    axes = _parent_matrix(volumeNode) @ matrix[:3, :3]
    left, _, right = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    spacing = tuple(float(step) for step in np.linalg.norm(matrix[:3, :3], axis=0))
    size = tuple(int(count) for count in volumeNode.GetImageData().GetDimensions())
    return Grid(size, spacing, _LPS_FROM_RAS @ left @ right, _LPS_FROM_RAS @ matrix[:3, 3])


def write_volume(volumeNode: Any, path: Path) -> Grid:
    """Write a volume to a file that SimpleITK reads, and return its geometry.

    Raises
    ------
    Failure
        ``no_disk`` if it does not fit, or cannot be written.
    """
    return write_voxels(volumeNode, voxels_of(volumeNode), path)


def write_voxels(volumeNode: Any, voxels: NDArray[Any], path: Path) -> Grid:
    """Write an array (I, J, K) on the voxels of a volume to a file, and return its geometry.

    Raises
    ------
    Failure
        ``no_disk`` if it does not fit, or cannot be written.
    """
    import SimpleITK as sitk

    grid = grid_of(volumeNode)
    # As much again for the result.
    if shutil.disk_usage(path.parent).free < 2 * voxels.nbytes:
        raise no_disk_space(path.parent)
    image = sitk.GetImageFromArray(voxels.transpose())
    image.SetSpacing(grid.spacing)
    image.SetDirection(grid.direction.ravel().tolist())
    image.SetOrigin(grid.origin.tolist())
    try:
        sitk.WriteImage(image, str(path), useCompression=False)
    except RuntimeError as error:
        raise no_disk_space(path.parent) from error
    return grid


def _parent_matrix(volumeNode: Any) -> Floats:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    transformNode = volumeNode.GetParentTransformNode()
    if transformNode is None or not transformNode.IsTransformToWorldLinear():
        return np.eye(3)
    matrix = vtkMatrix4x4()
    transformNode.GetMatrixTransformToWorld(matrix)
    return _array(matrix)[:3, :3]


def _array(matrix: Any) -> Floats:
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
