# SPDX-License-Identifier: Apache-2.0
"""A mask refined by the library's level sets, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .messages import broken_result, crashed, from_worker
from .private_folder import PrivateFolder
from .segmentation import Mask
from .volume import voxels_of, write_voxels
from .worker import Worker


def refined(
    volumeNode: Any, mask: Mask, slices: Sequence[int] | None, method: str
) -> tuple[Mask, tuple[str, ...]]:
    """Return a mask with its outline moved onto the edges of a volume, and the warnings.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
    mask : ndarray of bool, (I, J, K)
    slices : sequence of int, optional
        Along the volume's own axial axis; all by default.
    method : str
        ``grlse`` or ``drlse``.

    Raises
    ------
    Failure
    """
    import SimpleITK as sitk

    folder = PrivateFolder()
    try:
        image, drawn, output = (folder.path / name for name in ("i.nrrd", "m.nrrd", "r.nrrd"))
        grid = write_voxels(volumeNode, voxels_of(volumeNode), image)
        write_voxels(volumeNode, mask.astype(np.uint8), drawn)
        arguments = ["refine", str(image), str(drawn), "-o", str(output), "--method", method]
        if slices is not None:
            arguments += ["--slices", ",".join(map(str, slices))]
        warnings = _finish(Worker(arguments))
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(output))).transpose() > 0
    except RuntimeError as error:
        raise broken_result(" ".join(str(error).split())[:200]) from error
    finally:
        folder.remove()
    if found.shape != grid.size:
        raise broken_result(f"{found.shape} voxels, not {grid.size}")
    return found, warnings


def _finish(worker: Worker) -> tuple[str, ...]:
    try:
        while (end := worker.end()) is None:
            worker.progress()
            time.sleep(0.02)
    finally:
        worker.kill(atOnce=True)
    if end.files is None:
        raise from_worker(end.error) if end.error else crashed(end.status)
    return end.warnings
