# SPDX-License-Identifier: Apache-2.0
"""Everything measured on one scan: the cord, its summaries, its lesions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from ..centerline.curve import Centerline
from .cord import CordMeasurements, Landmark, measure_cord
from .course import SMOOTHING_MM
from .lesions import Lesion, max_axial_damage_ratio, measure_lesions
from .summary import CordSummary, summarise_cord, summarise_levels


@dataclass(frozen=True)
class MeasurementReport:
    """What is known about one scan.

    Attributes
    ----------
    name : str
        Of the scan or its mask, as a person reads it; without folders.
    cord : CordMeasurements
    summaries : tuple of CordSummary
        The first is what was asked for; then one for each vertebral level, if they are known.
    lesions : tuple of Lesion or None
        None where there is no mask of lesions.
    damage_ratio : float or None
        The maximum axial damage ratio of all lesions together.
    settings : mapping of str to Any
        How it was measured, for JSON.
    """

    name: str
    cord: CordMeasurements
    summaries: tuple[CordSummary, ...]
    lesions: tuple[Lesion, ...] | None = None
    damage_ratio: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def measure_masks(
    masks: Mapping[str, sitk.Image],
    name: str,
    image: sitk.Image | None = None,
    centerline: Centerline | None = None,
    levels: sitk.Image | None = None,
    landmark: Landmark | None = None,
    slices: Collection[int] | None = None,
    distance_mm: tuple[float, float] | None = None,
    vertebrae: Collection[int] | None = None,
) -> MeasurementReport:
    """Measure all structures of one scan.

    Parameters
    ----------
    masks : mapping of str to sitk.Image
        By the names of ``LABELS``, such as ``Result.masks``; with the cord.
    name : str
        What the report calls the scan.
    image, centerline, levels, landmark
        As for :func:`~.cord.measure_cord`.
    slices, distance_mm, vertebrae
        What the first summary is to cover, as for :func:`~.summary.summarise_cord`.

    Raises
    ------
    InvalidImage, InvalidArgument
        As these two.
    """
    cord = measure_cord(
        masks["cord"],
        image,
        centerline,
        masks.get("gray_matter"),
        masks.get("white_matter"),
        levels,
        landmark,
    )
    asked = summarise_cord(cord, slices, distance_mm, vertebrae)
    each = (level for level in summarise_levels(cord) if level.range != asked.range)
    lesions, ratio = None, None
    if "lesion" in masks:
        lesions = measure_lesions(masks["lesion"], centerline, image, masks["cord"], landmark)
        ratio = max_axial_damage_ratio(masks["lesion"], masks["cord"])
    settings = {
        "structures": list(masks),
        "centre_line": "through the mask" if centerline is None else "given",
        "smoothing_mm": SMOOTHING_MM,
        "landmark": _listed(landmark),
        "slices": _listed(slices),
        "distance_mm": _listed(distance_mm),
        "vertebrae": _listed(vertebrae),
    }
    return MeasurementReport(name, cord, (asked, *each), lesions, ratio, settings)


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else list(value)
