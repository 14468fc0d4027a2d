# SPDX-License-Identifier: Apache-2.0
"""The level set of Zhang 2021 as printed: from a network's mask to the cord, in pixels.

For comparison; :func:`~.refine.refine` is what this library does itself. The formulas that are
misprinted (the brackets of equations 12 to 14) are those of Li 2010. The paper gives neither
Canny's thresholds nor the proportion of the circle: they are arguments here.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .drlse import drlse
from .edges import box_blur, centre_crop, edge_indicator, emphasise_edges
from .grlse import grlse
from .initialisation import inscribed_circle

CROP = 256


def zhang_level_set(
    slices: NDArray[np.generic],
    masks: NDArray[np.bool_],
    method: str = "grlse",
    proportion: float = 0.5,
    thresholds: tuple[float, float] = (50, 150),
) -> NDArray[np.bool_]:
    """Segment axial slices from a circle in their masks (sections 2.1 to 2.3).

    Parameters
    ----------
    slices : ndarray, (N, H, W)
        Gray levels, 0 to 255, of square pixels.
    masks : ndarray of bool, (N, H, W)
        A network's segmentation; slices without any stay empty.
    method : str
        ``grlse``, or ``drlse`` for what the paper compares with.
    proportion : float
        Radius of the initial circle as a part of that of the circle in the mask's bounding box.
    thresholds : (low, high)
        Of Canny's hysteresis.

    Returns
    -------
    ndarray of bool, (N, H, W)
        Empty outside the middle 256 x 256 pixels.
    """
    image, inside = centre_crop(slices, CROP), centre_crop(masks, CROP) != 0
    present = np.flatnonzero(inside.any(axis=(1, 2)))
    result = np.zeros(masks.shape, bool)
    if present.size == 0:
        return result
    emphasised = emphasise_edges(box_blur(image[present]), thresholds=thresholds)
    start = inscribed_circle(inside[present], proportion)
    if method == "drlse":
        evolution = drlse(edge_indicator(emphasised), start, until_rest=False)
    else:
        evolution = grlse(torch.from_numpy(emphasised), start, until_rest=False)
    # A view into the result: what is written to it is written there.
    centre_crop(result, CROP)[present] = (evolution.phi < 0).numpy()
    return result
