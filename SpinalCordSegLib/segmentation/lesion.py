# SPDX-License-Identifier: Apache-2.0
"""CNN2-lesion: multiple-sclerosis lesions in patches along the curve (Gros 2019, section 2.2.3).

The published networks and their intensity standardisation, or a network of ours that sees the cord
alone, on our straightened neighbourhood of the curve: blocks overlap and are blended, probabilities
instead of masks are brought back to the image, and lesions lie in the cord.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..centerline.curve import Centerline
from ..errors import CordNotFound, InvalidArgument
from ..field_of_view import crop_like, crop_to_content, embed
from ..images import array_from, image_from, restore_grid, to_network_order
from ..intensity import zero_mean_unit_variance
from ..measurement.lesions import Lesion, drop_small_lesions, measure_lesions
from ..networks import for_prediction
from ..weights import LoadedWeights
from ..weights.specification import Preprocessing
from .along_curve import straighten, unstraighten
from .cord_scale import block_of_cord
from .patches import predict_along
from .standardisation import standardise

# A voxel beside the cord in the slice may be partly cord: lesions may reach that far, not further.
_BESIDE = np.ones((3, 3, 1), bool)


@dataclass(frozen=True)
class LesionSegmentation:
    """Lesions on the image's own grid.

    Attributes
    ----------
    mask : SimpleITK.Image
        uint8, 0 and 1.
    probability : SimpleITK.Image
        float32, 0 to 1, 0 away from the curve. Restricted to the cord and the voxels beside it
        only if the network sees nothing else, and says nothing of what lies around.
    table : tuple of Lesion
        One row each, from the top of the image down.
    """

    mask: sitk.Image
    probability: sitk.Image
    table: tuple[Lesion, ...]


def segment_lesions(
    image: sitk.Image,
    centerline: Centerline,
    weights: LoadedWeights,
    cord_mask: sitk.Image | None = None,
    threshold: float | None = None,
    minimum_mm3: float = 0.0,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> LesionSegmentation:
    """Outline lesions around the centerline.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    centerline : Centerline
        Slices that it does not cross are left empty.
    weights : LoadedWeights
        A 3D lesion network of the image's contrast, or for any, and its preprocessing.
    cord_mask : SimpleITK.Image, optional
        On the image's grid. Lesions are kept where it is not 0 and on the voxels beside it in the
        same slice, corners included; everywhere if it is left out, which only networks can do
        that see more than the cord.
    threshold : float, optional
        Probability from which on a voxel is lesion; the weights' own by default.
    minimum_mm3 : float
        Connected pieces (26 neighbours) smaller than this are dropped.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.

    Returns
    -------
    LesionSegmentation
        Its table is empty if there is no lesion: that is a result, not an error.

    Raises
    ------
    CordNotFound
        If the centerline does not cross the image.
    InvalidArgument
        If the cord mask lies on another grid, or is left out and needed.
    """
    whole = to_network_order(image)
    ordered = crop_to_content(whole)
    curve = centerline.in_slices(ordered)
    if not np.isfinite(curve).any():
        raise CordNotFound(
            "the centerline does not cross the image",
            "check that both belong together and that the centerline is in LPS millimetres",
        )
    cord, allowed = None, None
    if cord_mask is not None:
        _check_grid(cord_mask, image)
        upright = to_network_order(cord_mask)
        cord = array_from(crop_like(upright, ordered)) != 0
        allowed = ndimage.binary_dilation(array_from(upright) != 0, _BESIDE)
    along = _probability(ordered, curve, weights, cord, device, progress)
    probability = embed(image_from(along, ordered), whole)
    if allowed is not None and weights.specification.preprocessing.intensity == "cord":
        probability = image_from(array_from(probability) * allowed, whole)

    threshold = weights.specification.threshold if threshold is None else threshold
    lesions = array_from(probability) >= threshold
    if allowed is not None:
        lesions &= allowed
    if minimum_mm3 > 0:
        lesions = drop_small_lesions(lesions, minimum_mm3 / float(np.prod(whole.GetSpacing())))
    mask = restore_grid(image_from(lesions.astype(np.uint8), whole), image)
    return LesionSegmentation(
        mask=mask,
        probability=restore_grid(probability, image),
        table=measure_lesions(mask, centerline, image),
    )


def _probability(
    ordered: sitk.Image,
    curve: np.ndarray,
    weights: LoadedWeights,
    cord: np.ndarray | None,
    device: str,
    progress: Callable[[float, str], None] | None,
) -> np.ndarray:
    preprocessing = weights.specification.preprocessing
    volume = array_from(ordered)
    spacing = [
        wanted or own
        for wanted, own in zip(preprocessing.spacing_mm, ordered.GetSpacing(), strict=True)
    ]
    width = preprocessing.patch_voxels[:2]
    block = straighten(volume, ordered.GetSpacing(), curve, spacing, width)
    values = block.values
    if preprocessing.intensity == "nyul":
        values = standardise(values, preprocessing.landmarks)
    if preprocessing.intensity == "cord":
        if cord is None:
            raise InvalidArgument(
                f"the weights {weights.specification.name} look at the cord alone",
                "give a mask of the cord",
            )
        rows = preprocessing.patch_voxels[2]
        values = block_of_cord(block, cord, curve, rows, fluid_up=True).values
    along = predict_lesions(values, weights, device, progress)
    return unstraighten(block, along, volume.shape)


def predict_lesions(
    values: np.ndarray,
    weights: LoadedWeights,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> np.ndarray:
    """Return lesion probabilities (X, Y, Z) on a block on the network's grid and intensity scale.

    Parameters
    ----------
    values : ndarray of float32, (X, Y, Z)
        Standardised if the weights want ``nyul``, scaled if they want ``cord``; NaN outside the
        image.
    weights, device, progress
        See :func:`segment_lesions`.
    """
    preprocessing = weights.specification.preprocessing
    normalise: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "nyul": _on_scale(preprocessing),
        "cord": np.nan_to_num,
    }
    return predict_along(
        values,
        for_prediction(weights.network, device),
        preprocessing.patch_voxels[2],
        device,
        progress,
        normalise.get(preprocessing.intensity, zero_mean_unit_variance),
        "looking for lesions",
    )


def _on_scale(preprocessing: Preprocessing) -> Callable[[np.ndarray], np.ndarray]:
    """Return the normalisation of standardised windows; outside the image they are black."""

    def normalise(window: np.ndarray) -> np.ndarray:
        black = np.nan_to_num(window, nan=preprocessing.landmarks[0])
        return ((black - preprocessing.mean) / preprocessing.std).astype(np.float32)

    return normalise


def _check_grid(cord_mask: sitk.Image, image: sitk.Image) -> None:
    if cord_mask.GetSize() != image.GetSize():
        raise InvalidArgument(
            f"the cord mask has {cord_mask.GetSize()} voxels, the image {image.GetSize()}",
            "give a mask on the grid of the image",
        )
