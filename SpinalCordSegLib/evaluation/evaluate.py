# SPDX-License-Identifier: Apache-2.0
"""One prediction against one reference: every metric of a structure, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..images import check_image
from ..network_order import stored_slices
from .centerline import errors_mm, localised, mean_squared_error_mm2, slice_centres
from .gray_matter_challenge import challenge_metrics
from .grids import Spacing, masks_on_one_grid
from .lesions import count_lesions
from .overlap import dice, precision, relative_volume_difference, sensitivity
from .surface import (
    average_surface_distance,
    hausdorff,
    hausdorff95,
    rms_surface_distance,
    surface_distances,
)

Mask = NDArray[np.bool_]

# Goes up when a metric of the same name would give another number.
DEFINITIONS_VERSION = 1

STRUCTURES = ("cord", "lesion", "gray_matter")


@dataclass(frozen=True)
class SliceScore:
    """One axial slice, compared in its plane.

    Attributes
    ----------
    slice_index : int
        Along the reference's own axial axis (the voxel axis nearest to superior-inferior).
    dice : float
    hausdorff95_mm, rmse_mm : float
        Of the contours; infinite where one mask does not reach the slice.
    """

    slice_index: int
    dice: float
    hausdorff95_mm: float
    rmse_mm: float


@dataclass(frozen=True)
class Evaluation:
    """How well a prediction agrees with a reference.

    Attributes
    ----------
    structure : str
        What was compared: cord, lesion or gray_matter.
    metrics : mapping of str to float or int
        By name; the name ends with the unit where there is one. Infinite where a mask is empty
        and the other is not, NaN where a metric has no answer.
    slices : tuple of SliceScore
        Of each axial slice that either mask reaches, in the order inferior to superior.
    """

    structure: str
    metrics: Mapping[str, float]
    slices: tuple[SliceScore, ...]


def evaluate(
    prediction: sitk.Image,
    reference: sitk.Image,
    structure: str = "cord",
    label: int | None = None,
    reference_label: int | None = None,
) -> Evaluation:
    """Compare a mask with a reference.

    Parameters
    ----------
    prediction, reference : SimpleITK.Image
        Masks on the same grid, stored in whatever order.
    structure : {"cord", "lesion", "gray_matter"}
        Which metrics: overlap, volume and surface distances for all; the centerline (Gros 2019,
        2.4.1) for the cord; lesion by lesion (2.4.3) for lesions; the ten of the gray matter
        challenge (Perone 2018) for gray matter.
    label, reference_label : int, optional
        Which value of a label map is the structure; every value other than 0 if not given.

    Returns
    -------
    Evaluation
        ``dice``, ``sensitivity``, ``precision`` (0 to 1), ``dice_on_reference_slices`` (leaves
        out the slices that the reference does not have),
        ``relative_volume_difference_percent``, ``hausdorff_mm``, ``hausdorff95_mm``,
        ``assd_mm``, ``rmse_mm``, ``prediction_mm3``, ``reference_mm3``, and those of the
        structure.

    Raises
    ------
    InvalidArgument
        If there is no such structure.
    InvalidImage
        If the images are no masks, or lie on different grids.
    """
    if structure not in STRUCTURES:
        raise InvalidArgument(
            f"{structure!r} cannot be evaluated", f"choose one of {', '.join(STRUCTURES)}"
        )
    ours, theirs, spacing = masks_on_one_grid(prediction, reference, label, reference_label)
    metrics = _common(ours, theirs, spacing)
    if structure == "cord":
        metrics |= _centerline(ours, theirs, spacing)
    elif structure == "lesion":
        metrics |= _lesions(ours, theirs)
    else:
        metrics |= asdict(challenge_metrics(ours, theirs, spacing))
    index = stored_slices(check_image(reference, "the reference", allow_constant=True))
    return Evaluation(structure, metrics, _slices(ours, theirs, spacing, index))


def _common(mask: Mask, reference: Mask, spacing: Spacing) -> dict[str, float]:
    distances = surface_distances(mask, reference, spacing)
    present = reference.any(axis=(0, 1))
    voxel = float(np.prod(spacing))
    return {
        "dice": dice(mask, reference),
        "dice_on_reference_slices": dice(mask & present, reference),
        "sensitivity": sensitivity(mask, reference),
        "precision": precision(mask, reference),
        "relative_volume_difference_percent": relative_volume_difference(mask, reference),
        "hausdorff_mm": hausdorff(distances),
        "hausdorff95_mm": hausdorff95(distances),
        "assd_mm": average_surface_distance(distances),
        "rmse_mm": rms_surface_distance(distances),
        "prediction_mm3": float(np.count_nonzero(mask) * voxel),
        "reference_mm3": float(np.count_nonzero(reference) * voxel),
    }


def _centerline(mask: Mask, reference: Mask, spacing: Spacing) -> dict[str, float]:
    centres = slice_centres(mask)
    squared = mean_squared_error_mm2(errors_mm(centres, reference, spacing))
    return {
        "centerline_mse_mm2": squared,
        "centerline_rmse_mm": float(np.sqrt(squared)),
        "localisation_rate": localised(centres, reference),
    }


def _lesions(mask: Mask, reference: Mask) -> dict[str, float]:
    counts = count_lesions(mask, reference)
    return {
        "lesions_in_reference": counts.reference,
        "lesions_found": counts.found,
        "lesions_predicted": counts.predicted,
        "lesions_predicted_right": counts.right,
        "lesion_sensitivity": counts.sensitivity,
        "lesion_precision": counts.precision,
    }


def _slices(
    mask: Mask, reference: Mask, spacing: Spacing, index: NDArray[np.int_]
) -> tuple[SliceScore, ...]:
    scores = []
    for k in np.flatnonzero((mask | reference).any(axis=(0, 1))):
        ours, theirs = mask[:, :, k], reference[:, :, k]
        distances = surface_distances(ours, theirs, spacing[:2])
        scores.append(
            SliceScore(
                int(index[k]),
                dice(ours, theirs),
                hausdorff95(distances),
                rms_surface_distance(distances),
            )
        )
    return tuple(scores)
