# SPDX-License-Identifier: Apache-2.0
"""What a segmentation gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from .centerline.curve import Centerline
from .measurement.review import ReviewItem


@dataclass(frozen=True)
class Result:
    """The structures found in one image, all on that image's own voxel grid.

    Attributes
    ----------
    labels : sitk.Image
        uint8 label map; the values are those of ``LABELS``, lesion over gray matter over cord.
    masks : mapping of str to sitk.Image
        One uint8 image of 0 and 1 per structure. Structures overlap: gray matter, white matter
        and lesions lie inside the cord.
    probabilities : mapping of str to sitk.Image
        One float32 image per structure, 0 to 1.
    centerline : Centerline
        The curve through the cord, millimetres, LPS, inferior to superior.
    review : tuple of ReviewItem
        Slices a person should look at, worst first.
    provenance : mapping of str to Any
        How the result came about: contrast, weights and their SHA-256, versions, parameters,
        seconds per stage. Can be written as JSON.
    """

    labels: sitk.Image
    masks: Mapping[str, sitk.Image]
    probabilities: Mapping[str, sitk.Image]
    centerline: Centerline
    review: tuple[ReviewItem, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
