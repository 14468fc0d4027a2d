# SPDX-License-Identifier: Apache-2.0
"""CNN2 for the cord: patches along the curve (Gros 2019, section 2.2.3).

The patches are 3D as in the paper; the published tool also has networks for single slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..centerline.curve import Centerline
from ..errors import CordNotFound
from ..field_of_view import crop_to_content, embed
from ..images import array_from, image_from, restore_grid, to_network_order
from ..intensity import intensity_limits, normalised
from ..networks import for_prediction
from ..weights import LoadedWeights
from .along_curve import straighten, unstraighten
from .boundary import boundary_threshold
from .cleanup import CleanMask, clean_cord_mask, drop_unsure_ends
from .cord_ends import LOOK_BEYOND_MM, judges, slices_with_cord
from .patches import predict_along, predict_slices


@dataclass(frozen=True)
class CordSegmentation:
    """The cord on the image's own grid.

    Attributes
    ----------
    mask : SimpleITK.Image
        uint8, 0 and 1.
    probability : SimpleITK.Image
        float32, 0 to 1; 0 away from the curve.
    filled_slices : tuple of int
        Axial slices, in network order, interpolated from their neighbours.
    threshold : float
        Probability from which on a voxel is cord.
    """

    mask: sitk.Image
    probability: sitk.Image
    filled_slices: tuple[int, ...]
    threshold: float


def segment_cord(
    image: sitk.Image,
    centerline: Centerline,
    weights: LoadedWeights,
    threshold: float | None = None,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
    ends: LoadedWeights | None = None,
) -> CordSegmentation:
    """Outline the cord around its centerline.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    centerline : Centerline
        Slices that it does not cross are left empty.
    weights : LoadedWeights
        A cord network, 3D or for axial slices, and its preprocessing.
    threshold : float, optional
        Probability from which on a voxel is cord; by default the weights' own, for the fluid that
        is around.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.
    ends : LoadedWeights, optional
        Of a network that tells where the cord ends. Without, the outline goes as far as slices
        look like cord.

    Raises
    ------
    CordNotFound
        If the centerline misses the image, or no voxel along it looks like cord.
    """
    whole = to_network_order(image)
    ordered = crop_to_content(whole)
    volume = array_from(ordered)
    curve = centerline.in_slices(ordered)
    near = np.asarray(np.isfinite(curve).all(axis=1))
    if not near.any():
        raise CordNotFound(
            "the centerline does not cross the image",
            "check that both belong together and that the centerline is in LPS millimetres",
        )
    judge = ends if ends is not None and judges(ends, weights) else None
    if judge:
        curve = centerline.prolonged(LOOK_BEYOND_MM).in_slices(ordered)
    preprocessing = weights.specification.preprocessing
    spacing = tuple(
        wanted or own
        for wanted, own in zip(preprocessing.spacing_mm, ordered.GetSpacing(), strict=True)
    )
    width = preprocessing.patch_voxels[:2]
    block = straighten(volume, ordered.GetSpacing(), curve, spacing, width)
    along = _probability_along(block.values, weights, device, progress)
    probability = unstraighten(block, along, volume.shape)

    if threshold is None:
        threshold = boundary_threshold(weights.specification, block, along)
    slice_mm = ordered.GetSpacing()[2]
    believed = drop_unsure_ends(probability >= threshold, probability, slice_mm)
    if judge:
        crossed = slice(block.first_slice, block.first_slice + len(block.centres))
        found = np.asarray(believed[:, :, crossed].any(axis=(0, 1)))
        believed[:, :, crossed] &= slices_with_cord(
            block, along, found, near[crossed], judge, device
        )
    cleaned = clean_cord_mask(believed, curve, slice_mm)
    if not cleaned.mask.any():
        raise CordNotFound(
            "no spinal cord was found along the centerline",
            "check the centerline against the image, or lower --threshold",
        )
    return cord_on_grid(cleaned, probability, threshold, ordered, whole, image)


def cord_on_grid(
    cleaned: CleanMask,
    probability: np.ndarray,
    threshold: float,
    ordered: sitk.Image,
    whole: sitk.Image,
    image: sitk.Image,
) -> CordSegmentation:
    """Bring a mask found on part of an image back to the image's own grid.

    Parameters
    ----------
    cleaned : CleanMask
    probability : ndarray of float32, (X, Y, Z)
        Both on the grid of `ordered`.
    threshold : float
        That the mask was cut at.
    ordered : SimpleITK.Image
        What ``crop_to_content`` left of `whole`.
    whole : SimpleITK.Image
        `image` in network order.
    image : SimpleITK.Image
        In any orientation.
    """
    mask = embed(image_from(cleaned.mask.astype(np.uint8), ordered), whole)
    first = whole.TransformPhysicalPointToIndex(ordered.GetOrigin())[2]
    return CordSegmentation(
        mask=restore_grid(mask, image),
        probability=restore_grid(embed(image_from(probability, ordered), whole), image),
        filled_slices=tuple(first + int(k) for k in cleaned.filled_slices),
        threshold=threshold,
    )


def _probability_along(
    values: np.ndarray,
    weights: LoadedWeights,
    device: str,
    progress: Callable[[float, str], None] | None,
) -> np.ndarray:
    """Return the network's probabilities on the straight block around the curve."""
    preprocessing = weights.specification.preprocessing
    limits = intensity_limits(values, preprocessing)
    network = for_prediction(weights.network, device)

    def normalise(window: np.ndarray) -> np.ndarray:
        return normalised(window, preprocessing, limits)

    if network.dimensions == 2:
        return predict_slices(values, network, device, progress, normalise)
    length = preprocessing.patch_voxels[2]
    return predict_along(values, network, length, device, progress, normalise)
