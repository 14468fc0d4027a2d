# SPDX-License-Identifier: Apache-2.0
"""Signs of a wrong outline in the image: tissue and edges that differ from the neighbours'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from .doubt_course import Indices, usual_course
from .doubt_sections import offsets_mm, pictures
from .doubt_stack import Floats, Sign, Stack, beyond

# What is compared between slices: the canal and some of the bone around it.
_SURROUNDINGS_MM = 12.0
_BLUR_MM = 0.6
# Distances to the outline, in millimetres, that are clearly tissue within and beyond it.
_WITHIN_MM = (0.2, 1.8)
_BEYOND_MM = (0.4, 2.2)
_SECTORS = 12
# Anatomy changes along the cord: what good slices differ by, for each millimetre between them.
_CHANGE_A_MM = 0.012


@dataclass(frozen=True)
class Looks:
    """What the image shows of a stack.

    Attributes
    ----------
    likeness : ndarray, (N,)
        Correlation of a slice's surroundings with those of its neighbours, the better half of
        them; above that of most slices it counts as theirs. 0 is usual, negative is unlike.
    inside, unevenness : ndarray, (N,)
        Mean, and logarithm of the spread, of the tissue within the outline; NaN without.
    edge : ndarray, (N, sectors)
        Step of the image across the outline, by direction; 0 without outline.

    All intensities are in units of the contrast around the cord.
    """

    likeness: Floats
    inside: Floats
    unevenness: Floats
    edge: Floats


def looks_of(stack: Stack, image: Floats, depth: Floats) -> Looks:
    """Measure the image of a stack whose slices have neighbours.

    Parameters
    ----------
    image : ndarray, (X, Y, N)
    depth : ndarray, (N, S, S)
        From ``outline_distances``, about the outline's own centre.
    """
    sigma = (*(_BLUR_MM / stack.pixel_mm), 0)
    blurred = ndimage.gaussian_filter(image.astype(np.float32), sigma)
    around = pictures(blurred, stack.usual_centres, stack.spacing_mm)
    own = np.where(stack.present[:, None], stack.centres, stack.usual_centres)
    centred = pictures(blurred, own, stack.spacing_mm)
    contrast = _contrast(centred[stack.present])
    return Looks(
        likeness=_likeness(around, stack),
        inside=_by_slice(centred, depth, np.mean) / contrast,
        unevenness=np.log(_by_slice(centred, depth, np.std) / contrast + 0.02),
        edge=_edges(centred, depth) / contrast,
    )


def unlike_neighbours(looks: Looks, stack: Stack) -> Sign:
    """Find slices whose surroundings do not continue those of their neighbours."""
    return Sign(
        "the image differs from the slices beside it: motion, noise or an artefact",
        beyond(-looks.likeness, 0.25 + _CHANGE_A_MM * stack.away_mm, 0.25) * stack.present,
    )


def other_tissue(looks: Looks, near: Indices) -> Sign:
    """Find outlines that hold something brighter or darker than their neighbours do."""
    usual = usual_course(looks.inside[:, None], near)[:, 0]
    return Sign(
        "the tissue within the outline is brighter or darker than in its neighbours",
        beyond(np.abs(looks.inside - usual), 0.12, 0.2),
    )


def uneven_tissue(looks: Looks, near: Indices) -> Sign:
    """Find outlines that hold more than one tissue, by the spread of the image in them."""
    usual = usual_course(looks.unevenness[:, None], near)[:, 0]
    return Sign(
        "the tissue within the outline is less even than in its neighbours",
        beyond(looks.unevenness - usual, 0.55, 0.6),
    )


def no_edge(looks: Looks, stack: Stack) -> Sign:
    """Find outlines across which the image does not change as it does in their neighbours."""
    usual = np.median(looks.edge[stack.near], axis=1)
    followed = (looks.edge * usual).sum(axis=1) / ((usual**2).sum(axis=1) + 0.05)
    unlike = np.sqrt(((looks.edge - usual) ** 2).mean(axis=1))
    unlike /= np.sqrt((usual**2).mean(axis=1)) + 0.1
    outlined = (looks.edge != 0).any(axis=1)
    change = _CHANGE_A_MM * stack.away_mm
    strength = beyond(1 - followed, 0.3 + change, 0.4) + beyond(unlike, 0.45 + change, 0.4)
    return Sign(
        "the outline does not follow an edge of the image as in its neighbours", strength * outlined
    )


def _likeness(around: Floats, stack: Stack) -> Floats:
    """Correlate surroundings, and compare with what is usual in this stack."""
    within = np.hypot(*np.meshgrid(offsets_mm(), offsets_mm())) < _SURROUNDINGS_MM
    values = around[:, within] - around[:, within].mean(axis=1, keepdims=True)
    values /= np.linalg.norm(values, axis=1, keepdims=True) + 1e-6
    each = np.sort(np.einsum("np,nkp->nk", values, values[stack.near]), axis=1)
    better = np.median(each[:, stack.near.shape[1] // 2 :], axis=1)
    return np.minimum(better - np.median(better[stack.present]), 0)


def _contrast(pictures_: Floats) -> float:
    """Return the range of intensities around the cord, of most slices."""
    within = np.hypot(*np.meshgrid(offsets_mm(), offsets_mm())) < _SURROUNDINGS_MM
    low, high = np.percentile(pictures_[:, within], (10, 90), axis=1)
    return float(np.median(high - low)) + 1e-6


def _by_slice(centred: Floats, depth: Floats, measure: Callable[[Floats], Any]) -> Floats:
    """Apply a measure to what clearly lies within each outline; NaN where that is nothing."""
    result = np.full(len(centred), np.nan)
    for k, (picture, inside) in enumerate(zip(centred, depth > 0.5, strict=True)):
        if inside.sum() > 3:
            result[k] = measure(picture[inside])
    return result


def _edges(centred: Floats, depth: Floats) -> Floats:
    """Return mean intensity beyond the outline minus that within it, by direction."""
    x, y = np.meshgrid(offsets_mm(), offsets_mm(), indexing="ij")
    sector = ((np.arctan2(y, x) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    within = (depth > _WITHIN_MM[0]) & (depth < _WITHIN_MM[1])
    out = (depth < -_BEYOND_MM[0]) & (depth > -_BEYOND_MM[1])
    steps = np.zeros((len(centred), _SECTORS))
    for s in range(_SECTORS):
        here = sector == s
        counts = [(band & here).sum(axis=(1, 2)) for band in (out, within)]
        sums = [(centred * (band & here)).sum(axis=(1, 2)) for band in (out, within)]
        known = (counts[0] > 0) & (counts[1] > 0)
        means = [total / np.maximum(count, 1) for total, count in zip(sums, counts, strict=True)]
        steps[:, s] = np.where(known, means[0] - means[1], 0)
    return steps
