# SPDX-License-Identifier: Apache-2.0
"""The slices that a review looks at, each with its place and those it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .doubt_course import Indices, neighbours, usual_course

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Sign:
    """Something that speaks against the outline of slices.

    Attributes
    ----------
    reason : str
        In words a reader of images understands.
    strength : ndarray, (N,)
        Per slice: 0 as on good slices, 1 clearly more.
    """

    reason: str
    strength: Floats


@dataclass(frozen=True)
class Stack:
    """Consecutive slices, from the lowest to the highest that the mask or the curve reaches.

    Attributes
    ----------
    mask : ndarray of bool, (X, Y, N)
    probability : ndarray, (X, Y, N)
    spacing_mm : (x, y, z)
    present : ndarray of bool, (N,)
        Slices that have an outline.
    near : ndarray of int, (N, K)
        Slices that each is compared with.
    centres : ndarray, (N, 2)
        Of the outline, in-plane index; NaN without.
    usual_centres : ndarray, (N, 2)
        Where the neighbours say the outline should be; NaN without neighbours.
    """

    mask: Mask
    probability: Floats
    spacing_mm: Spacing
    present: Mask
    near: Indices
    centres: Floats
    usual_centres: Floats

    @classmethod
    def of(cls, mask: Mask, probability: Floats, spacing_mm: Spacing) -> Stack:
        """Measure where the outlines of a mask lie; one slice at least has an outline."""
        present = np.asarray(mask.any(axis=(0, 1)))
        near = neighbours(present, spacing_mm[2])
        centres = np.full((present.size, 2), np.nan)
        for k in np.flatnonzero(present):
            centres[k] = np.argwhere(mask[:, :, k]).mean(axis=0)
        return cls(
            mask, probability, spacing_mm, present, near, centres, usual_course(centres, near)
        )

    @property
    def pixel_mm(self) -> Floats:
        """Size of a pixel in the slice, (x, y)."""
        return np.array(self.spacing_mm[:2])

    @property
    def away_mm(self) -> Floats:
        """How far along the cord the neighbours of each slice lie, in the mean; (N,)."""
        if self.near.shape[1] == 0:
            return np.zeros(len(self.near))
        steps = np.abs(self.near - np.arange(len(self.near))[:, None])
        return np.asarray(steps.mean(axis=1) * self.spacing_mm[2])

    @property
    def area_mm2(self) -> Floats:
        return np.asarray(self.mask.sum(axis=(0, 1)) * self.pixel_mm.prod())


def beyond(values: Floats, good: Floats | float, width: float) -> Floats:
    """Return by how many widths values exceed what good slices have; 0 where unknown."""
    return np.nan_to_num(np.clip((values - good) / width, 0, None), nan=0.0)
