# SPDX-License-Identifier: Apache-2.0
"""Telling which contrast an image has.

The default weights serve every contrast, so the cord is outlined first and the contrast is then
measured where it shows: in the cord, in the fluid around it and in what surrounds both. Each
kind of image is described by a centre and a width for a few such measurements
(``Resources/contrasts.json``); the kind that the image fits best gives the guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, special

from ..centerline.curve import Centerline
from ..contrasts import CONTRASTS
from ..errors import CordNotFound
from ..images import array_from, to_network_order
from ..resources import resources_folder

# Where to measure, in millimetres from the cord's outline in the slice. The first millimetre is
# partly cord; the canal ends after two to four millimetres.
_FLUID_MM = (1.0, 2.5)
_CANAL_MM = (0.5, 4.0)
_SURROUNDINGS_MM = (4.0, 25.0)
_CORD_RADIUS_MM = 4.0
_MOST_SLICES = 24

# Darker than this against the cord is black, how black tells nothing; brighter than that, white.
_BLACK, _WHITE = 0.3, 20.0

# The measurements go with one another, so evidence is counted as if there were half as many.
_CORRELATION = 0.5

# Images less typical of their kind than this (chi-square tail) are trusted less.
_TYPICAL = 0.05


@dataclass(frozen=True)
class ContrastMeasurements:
    """What tells contrasts apart; logarithms are natural.

    Attributes
    ----------
    fluid : float
        Logarithm of the median 1 to 2.5 mm from the cord, where the fluid is, over the cord's.
    fluid_over_surroundings : float
        Logarithm of the 90th percentile within 4 mm of the cord over the median 4 to 25 mm from
        it: large where fluid shines and muscle is dark.
    brightest : float
        Logarithm of the 95th percentile 4 to 25 mm from the cord over the cord: fat and marrow,
        which diffusion weighting suppresses.
    thickness : float
        Logarithm of the distance between axial slices in millimetres.
    """

    fluid: float
    fluid_over_surroundings: float
    brightest: float
    thickness: float


@dataclass(frozen=True)
class ContrastGuess:
    """A contrast and how sure it is.

    Attributes
    ----------
    contrast : str
        A key of ``contrasts.CONTRASTS``.
    confidence : float
        0 to 1: the share of the best contrast among all, lowered where the image is not typical
        even of that one. Under 0.8 a person, or ``centerline.choose``, should look; a share lost
        between t2 and t2_ax does not matter to a centerline.
    scores : dict of str to float
        Share of each contrast; they add up to 1.
    measurements : ContrastMeasurements
    """

    contrast: str
    confidence: float
    scores: dict[str, float]
    measurements: ContrastMeasurements


def detect_contrast(
    image: sitk.Image, centerline: Centerline, cord: sitk.Image | None = None
) -> ContrastGuess:
    """Tell which contrast an image has.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    centerline : Centerline
        Measured are slices that it crosses.
    cord : SimpleITK.Image, optional
        On the image's grid: a mask, of which voxels other than 0 count, or float probabilities,
        of which those from 0.5 on do. A disc around the curve stands in for it.

    Raises
    ------
    CordNotFound
        If there is no cord on the slices that the centerline crosses.
    """
    return classify(measure_contrast(image, centerline, cord))


def measure_contrast(
    image: sitk.Image, centerline: Centerline, cord: sitk.Image | None = None
) -> ContrastMeasurements:
    """Return the measurements; parameters and errors as for :func:`detect_contrast`."""
    ordered = to_network_order(image)
    volume, spacing = array_from(ordered), ordered.GetSpacing()
    curve = centerline.in_slices(ordered)
    inside = None if cord is None else _as_mask(cord)
    crossed = np.isfinite(curve).all(axis=1)
    if inside is not None:
        crossed &= inside.any(axis=(0, 1))
    slices = np.flatnonzero(crossed)
    if slices.size == 0:
        raise CordNotFound("the contrast cannot be told without a cord", "give it with --contrast")
    chosen = np.unique(np.rint(np.linspace(0, slices.size - 1, _MOST_SLICES)).astype(int))
    black = min(0.0, float(np.percentile(volume, 1)))
    rows = []
    for k in slices[chosen]:
        window, centre = _window(volume.shape, curve[k], spacing)
        own = None if inside is None else inside[*window, k]
        rows.append(_measure_slice(volume[*window, k] - black, own, centre, spacing))
    ratios = np.nanmedian(np.array(rows), axis=0)
    fluid, shining, brightest = np.nan_to_num(_logarithm(ratios)).tolist()
    return ContrastMeasurements(fluid, shining, brightest, float(np.log(spacing[2])))


def classify(
    measurements: ContrastMeasurements, kinds: Sequence[Mapping[str, Any]] | None = None
) -> ContrastGuess:
    """Return the contrast that fits measurements best.

    Every kind of image expects each measurement around a centre, with a width; deviations count as
    those of Gaussians. No kind is taken to be more common than another.

    Parameters
    ----------
    kinds : sequence of mapping, optional
        ``name``, ``contrast``, ``centre`` and ``width`` of each kind, as in
        ``Resources/contrasts.json``, which is the default. A contrast may have several.
    """
    values = asdict(measurements)
    kinds = _kinds() if kinds is None else kinds
    logs, tails = [], []
    for kind in kinds:
        centres, widths = kind["centre"], kind["width"]
        deviation = np.array([(values[key] - centres[key]) / widths[key] for key in values])
        logs.append(-0.5 * (deviation**2).sum() - np.log(list(widths.values())).sum())
        tails.append(float(special.chdtrc(deviation.size, (deviation**2).sum())))
    shares = np.exp(_CORRELATION * (np.array(logs) - max(logs)))
    shares /= shares.sum()
    scores = dict.fromkeys(CONTRASTS, 0.0)
    typical = dict.fromkeys(CONTRASTS, 0.0)
    for kind, share, tail in zip(kinds, shares, tails, strict=True):
        scores[kind["contrast"]] += float(share)
        typical[kind["contrast"]] = max(typical[kind["contrast"]], min(1.0, tail / _TYPICAL))
    best = max(scores, key=lambda name: scores[name])
    return ContrastGuess(best, scores[best] * typical[best], scores, measurements)


@cache
def _kinds() -> tuple[dict[str, Any], ...]:
    path = resources_folder() / "contrasts.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["kinds"])


def _as_mask(cord: sitk.Image) -> np.ndarray:
    ordered = to_network_order(cord)
    is_float = ordered.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64)
    return array_from(ordered) >= 0.5 if is_float else array_from(ordered) != 0


def _window(
    shape: tuple[int, ...], centre: np.ndarray, spacing: tuple[float, ...]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the part of a slice that the measurements reach, and the curve's place in it."""
    reach = _SURROUNDINGS_MM[1] + 4 * _CORD_RADIUS_MM
    low = [max(0, int(centre[a] - reach / spacing[a])) for a in range(2)]
    high = [min(shape[a], int(centre[a] + reach / spacing[a]) + 2) for a in range(2)]
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    return window, centre - low


def _measure_slice(
    plane: np.ndarray, cord: np.ndarray | None, centre: np.ndarray, spacing: tuple[float, ...]
) -> tuple[float, float, float]:
    """Return the three ratios of :class:`ContrastMeasurements` in one slice."""
    if cord is None:
        x, y = (
            (np.arange(n) - c) * s for n, c, s in zip(plane.shape, centre, spacing, strict=False)
        )
        distance = np.hypot(x[:, None], y) - _CORD_RADIUS_MM
        cord = distance <= 0
    elif cord.any():
        distance = ndimage.distance_transform_edt(~cord, sampling=spacing[:2])
    if not cord.any():
        return np.nan, np.nan, np.nan
    level = float(np.median(plane[cord]))
    fluid, canal, around = (
        plane[(distance > low) & (distance <= high)]
        for low, high in (_FLUID_MM, _CANAL_MM, _SURROUNDINGS_MM)
    )
    if level <= 0 or 0 in (fluid.size, canal.size, around.size):
        return np.nan, np.nan, np.nan
    background = max(float(np.median(around)), _BLACK * level / 2)
    return (
        float(np.median(fluid)) / level,
        float(np.percentile(canal, 90)) / background,
        float(np.percentile(around, 95)) / level,
    )


def _logarithm(ratios: np.ndarray) -> np.ndarray:
    return np.log(np.clip(ratios, _BLACK, _WHITE))
