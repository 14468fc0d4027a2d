# SPDX-License-Identifier: Apache-2.0
"""Which of several centerline networks suits an image: each looks at a few slices.

A network made for another contrast is unsure, finds pieces here and there, or finds something on
one slice and something else on the next. That is seen without knowing the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..field_of_view import crop_to_content
from ..images import array_from, to_network_order
from ..weights import LoadedWeights
from .heatmap import CordHeatmap

# A find this far from the line between its neighbours is consistent; further apart, it may be
# further off by this share of the distance between the slices.
_STEADY_MM = 5.0
_STEADY_SLOPE = 0.15

# A cord's cross section, with room for a network that marks more than the cord.
_LARGEST_MM2 = 250.0


@dataclass(frozen=True)
class Suitability:
    """How well a candidate seems to find the cord in an image.

    Attributes
    ----------
    index : int
        Of the candidate in the sequence that was given.
    name : str
        Of its weights.
    score : float
        0 to 1, the product of the three parts below.
    sureness : float
        Mean over the slices of the highest probability, 0 where nothing reaches the threshold.
    steadiness : float
        Share of slices with a find on which it lies where the others lead one to expect it.
    singleness : float
        Share of the pixels found that belong to the object found, at the size of a cord.
    """

    index: int
    name: str
    score: float
    sureness: float
    steadiness: float
    singleness: float


def rank_candidates(
    image: sitk.Image,
    candidates: Sequence[LoadedWeights],
    slices: int = 9,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Suitability, ...]:
    """Return candidates, the most suitable first.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    candidates : sequence of LoadedWeights
        Centerline networks, such as the published ones of several contrasts. Of two with the same
        score the one given first stays first.
    slices : int
        How many axial slices each looks at, spread evenly over the middle nine tenths of the
        image; at the ends cords are hard to see for any network.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the comparison.

    Returns
    -------
    tuple of Suitability
        Scores compare candidates on one image; they are no probabilities.
    """
    ordered = crop_to_content(to_network_order(image))
    volume, spacing = array_from(ordered), ordered.GetSpacing()
    count = volume.shape[2]
    margin = int(0.05 * count)
    chosen = np.unique(
        np.rint(np.linspace(margin, count - 1 - margin, min(slices, count))).astype(int)
    )
    judged = []
    for index, candidate in enumerate(candidates):
        if progress:
            progress(index / len(candidates), f"trying {candidate.specification.name}")
        look = CordHeatmap(volume, spacing, candidate, device)
        heat = look.at_whole_slices(chosen, None)
        parts = _judge(heat, look.threshold, np.array(look.spacing_mm), chosen * spacing[2])
        score = float(np.prod(parts))
        judged.append(Suitability(index, candidate.specification.name, score, *parts))
    return tuple(sorted(judged, key=lambda candidate: -candidate.score))


def _judge(
    heat: np.ndarray, threshold: float, pixel_mm: np.ndarray, height_mm: np.ndarray
) -> tuple[float, float, float]:
    """Return sureness, steadiness and singleness of probabilities (X, Y, K) on K slices."""
    finds = [_strongest(heat[:, :, k], threshold) for k in range(heat.shape[2])]
    found = [k for k, find in enumerate(finds) if find is not None]
    if not found:
        return 0.0, 0.0, 0.0
    highest, centres, sizes = zip(*(find for find in finds if find is not None), strict=True)
    largest = _LARGEST_MM2 / float(np.prod(pixel_mm))
    steady = _steady(np.array(centres) * pixel_mm, height_mm[found])
    return (
        float(np.sum(highest)) / heat.shape[2],
        float(steady.mean()),
        float(np.minimum(sizes, largest).sum() / (heat >= threshold).sum()),
    )


def _strongest(
    plane: np.ndarray, threshold: float
) -> tuple[float, tuple[float, float], int] | None:
    """Return peak, centre and pixels of the object with the largest sum of probabilities."""
    objects, count = ndimage.label(plane >= threshold)
    if count == 0:
        return None
    masses = ndimage.sum_labels(plane, objects, np.arange(1, count + 1))
    own = objects == int(np.argmax(masses)) + 1
    x, y = ndimage.center_of_mass(plane * own)
    return float(plane[own].max()), (float(x), float(y)), int(own.sum())


def _steady(centre_mm: np.ndarray, height_mm: np.ndarray) -> np.ndarray:
    """Tell for each find whether it lies on the way between the one below and the one above."""
    count = len(centre_mm)
    if count < 2:
        return np.ones(count, bool)
    steady = np.zeros(count, bool)
    for k in range(count):
        low, high = max(0, k - 1), min(count - 1, k + 1)
        others = [j for j in (low, high) if j != k]
        gap = np.abs(height_mm[others] - height_mm[k])
        nearness = (1 / gap) / (1 / gap).sum()
        expected = (centre_mm[others] * nearness[:, None]).sum(axis=0)
        off = np.linalg.norm(centre_mm[k] - expected)
        steady[k] = off <= _STEADY_MM + _STEADY_SLOPE * gap.max()
    return steady
