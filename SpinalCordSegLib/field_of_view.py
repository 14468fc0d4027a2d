# SPDX-License-Identifier: Apache-2.0
"""Padding around a scan is not part of it: leave it out, and put it back.

Scanners and tools pad images with a constant. A network that normalises what it sees would be
misled by it, so the same scan with and without padding would give different masks.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def crop_to_content(image: sitk.Image) -> sitk.Image:
    """Return the image without outer planes of one constant value.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.

    Returns
    -------
    SimpleITK.Image
        The smallest box that holds every voxel different from the value of the first corner, in
        the image's own orientation, spacing and place; the image itself where nothing is padded.
    """
    array = sitk.GetArrayViewFromImage(image)
    other = array != array[0, 0, 0]
    start, size = [], []
    for axis in (2, 1, 0):
        rest = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(other.any(axis=rest))
        if used.size == 0:
            return image
        start.append(int(used[0]))
        size.append(int(used[-1] - used[0] + 1))
    if size == list(image.GetSize()):
        return image
    return sitk.RegionOfInterest(image, size, start)


def crop_like(whole: sitk.Image, part: sitk.Image) -> sitk.Image:
    """Return the box of `whole` that `part`, cut out of an image on the same grid, covers."""
    start = whole.TransformPhysicalPointToIndex(part.GetOrigin())
    return sitk.RegionOfInterest(whole, part.GetSize(), start)


def embed(part: sitk.Image, whole: sitk.Image) -> sitk.Image:
    """Return `part`, which :func:`crop_to_content` cut out, on the grid of `whole`.

    Voxels outside the part are 0; the geometry is exactly that of `whole`.
    """
    if part.GetSize() == whole.GetSize():
        return part
    result = sitk.Image(whole.GetSize(), part.GetPixelID())
    result.CopyInformation(whole)
    start = whole.TransformPhysicalPointToIndex(part.GetOrigin())
    return sitk.Paste(result, part, part.GetSize(), (0, 0, 0), start)
