# SPDX-License-Identifier: Apache-2.0
"""Where along its curve the cord begins and ends: the conus below, the brainstem above.

Slice by slice, the roots of the cauda equina in their sac pass for a cord, and so does the
brainstem. A network that sees image and outline over a decimetre or two tells them apart; the
cascade of Gros 2019 has no such step.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..heaviest_run import heaviest_run
from ..intensity import zero_mean_unit_variance
from ..networks import for_prediction
from ..weights import LoadedWeights
from .along_curve import StraightBlock

# The network's voxels are so many times those of the outline's, along each axis.
COARSER = 2

# The network has to see so much of what lies beyond the cord, half of what tells where it ends;
# curves stop where it is hard to see.
LOOK_BEYOND_MM = 50.0

# One slice cannot say more than this, in units of the logarithm of the odds.
_MOST_EVIDENCE = 4.0
# What an outline that is taken off has against it, slices of 1 mm: two millimetres that are quite
# surely no cord, or more that are less surely. With 20 it went on for 15 and 19 mm into generated
# brainstems; with 4, thick slices in full, one of 5 mm that a rater drew was lost.
_LEAST_AGAINST = 6.0
# However thick a slice, it is one look at the cord: one of 17 mm in slight doubt is no end.
_MOST_MM = 3.0
# Beyond the curve, where the network that found it saw no cord, it takes so much more, in the same
# units, to believe in one.
_MORE_BEYOND = 2.0
# In less than this, which training does not show, no end is looked for.
_SHORTEST_MM = 20.0


def judges(ends: LoadedWeights, outline: LoadedWeights) -> bool:
    """Tell whether a network for the ends was made for blocks like those of an outline's."""
    fine, coarse = outline.specification.preprocessing, ends.specification.preprocessing
    return coarse.spacing_mm == tuple(COARSER * s if s else None for s in fine.spacing_mm) and all(
        COARSER * c == f
        for c, f in zip(coarse.patch_voxels[:2], fine.patch_voxels[:2], strict=True)
    )


def slices_with_cord(
    block: StraightBlock,
    outline: np.ndarray,
    found: np.ndarray,
    near: np.ndarray,
    ends: LoadedWeights,
    device: str = "cpu",
) -> np.ndarray:
    """Return on which slices of the image, from ``block.first_slice`` up, there may be cord.

    Parameters
    ----------
    block : StraightBlock
        The image around the curve.
    outline : ndarray of float32, (X, Y, Z)
        Probability of cord on the block.
    found : ndarray of bool, (K,)
        On which of these slices there is an outline.
    near : ndarray of bool, (K,)
        Which of them the curve crossed before it was drawn on by :data:`LOOK_BEYOND_MM`.
    ends : LoadedWeights
        That :func:`judges` such an outline.
    device : str
        Torch device.

    Returns
    -------
    ndarray of bool, (K,)
        One run; all of them where little speaks against the rest, or is seen at all.
    """
    slices = np.arange(len(block.centres))
    if block.values.shape[2] * block.spacing_mm[2] < _SHORTEST_MM:
        return np.ones(slices.size, bool)
    network = for_prediction(ends.network, device)
    views = seen_from_afar(block.values, outline).to(device)[None]
    with torch.inference_mode():
        # The same all over a slice; as good as its mirror image.
        present = (network(views) + network(views.flip(2)))[0, 0, 0, 0] / 2
    rows = block.slice_of_row
    middles = [rows[i : i + COARSER].mean() for i in range(0, len(rows), COARSER)]
    presence = np.interp(slices, middles, present.float().cpu().numpy())
    threshold = ends.specification.threshold
    first, last = most_likely_run(presence, found, near, block.image_spacing_mm[2], threshold)
    return (slices >= first) & (slices <= last)


def seen_from_afar(values: np.ndarray, outline: np.ndarray) -> torch.Tensor:
    """Return what the network sees of a block.

    Parameters
    ----------
    values : ndarray of float32, (X, Y, Z)
        Intensities; NaN outside the image.
    outline : ndarray of float32, (X, Y, Z)
        Probability of cord.

    Returns
    -------
    Tensor of float32, (2, X, Y, Z), sizes divided by :data:`COARSER`
        The outline, and the intensities with zero mean and unit variance, 0 outside the image.
    """
    both = np.stack([outline, zero_mean_unit_variance(values)]).astype(np.float32)
    return F.avg_pool3d(torch.from_numpy(both), COARSER, ceil_mode=True)


def most_likely_run(
    presence: np.ndarray,
    found: np.ndarray,
    near: np.ndarray,
    slice_mm: float,
    threshold: float,
) -> tuple[int, int]:
    """Return the first and the last slice of the cord, which is one run.

    Parameters
    ----------
    presence : ndarray of float, (K,)
        Probability that there is cord on a slice, 0 to 1.
    found : ndarray of bool, (K,)
        Where there is an outline.
    near : ndarray of bool, (K,)
        Where the network that found the curve saw cord, or hardly further.
    slice_mm : float
        Distance between slices; thick ones count no more than :data:`_MOST_MM`.
    threshold : float
        A slice less likely to show cord than this speaks against it.

    Returns
    -------
    first, last : int
        Of the run with most evidence for it and against all else; all slices, at the end where
        little speaks against the outline, or where no run has more for it than against it, or has
        an outline.
    """
    needed = _log_odds(threshold) + np.where(near, 0.0, _MORE_BEYOND)
    evidence = (_log_odds(presence) - needed) * min(slice_mm, _MOST_MM)
    run = heaviest_run(evidence)
    if run is None:
        return 0, presence.size - 1
    first, last = run
    against = -evidence * found
    if against[:first].sum() < _LEAST_AGAINST:
        first = 0
    if against[last + 1 :].sum() < _LEAST_AGAINST:
        last = presence.size - 1
    return (first, last) if found[first : last + 1].any() else (0, presence.size - 1)


def _log_odds(probability: np.ndarray | float) -> np.ndarray:
    bounded = np.clip(probability, 1e-6, 1 - 1e-6)
    odds: np.ndarray = np.log(bounded / (1 - bounded))
    return np.clip(odds, -_MOST_EVIDENCE, _MOST_EVIDENCE)
