# SPDX-License-Identifier: Apache-2.0
"""How bright each tissue is: at random, or as in the sequences of spinal cord imaging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .randomness import Randomness
from .tissues import TISSUE_COUNT, Tissue


@dataclass(frozen=True)
class SequenceLook:
    """Ranges of means, relative to the brightest tissue.

    Attributes
    ----------
    csf, white_matter, background : (float, float)
    gray_minus_white : (float, float)
    share : float
        How often it is drawn, compared with the others.
    """

    csf: tuple[float, float]
    white_matter: tuple[float, float]
    gray_minus_white: tuple[float, float]
    background: tuple[float, float]
    share: float = 1.0


# Shaped after the look of each sequence in the development scans, widened; PSIR and STIR, of which
# there are none, after published figures.
SEQUENCES: dict[str, SequenceLook] = {
    "T2w": SequenceLook((0.80, 1.10), (0.22, 0.50), (0.00, 0.10), (0.00, 0.60)),
    "T1w": SequenceLook((0.05, 0.30), (0.50, 0.80), (-0.12, 0.00), (0.05, 1.00)),
    "T2*w": SequenceLook((0.75, 1.10), (0.38, 0.60), (0.06, 0.20), (0.10, 0.95)),
    "MT": SequenceLook((0.35, 0.65), (0.40, 0.60), (0.03, 0.12), (0.10, 0.90)),
    "DWI": SequenceLook((0.02, 0.25), (0.80, 1.00), (-0.10, 0.10), (0.00, 0.25)),
    "bright cord": SequenceLook((0.60, 1.00), (0.60, 0.90), (-0.05, 0.10), (0.00, 0.80)),
    "PSIR": SequenceLook((0.00, 0.12), (0.65, 0.95), (-0.28, -0.08), (0.10, 0.85), 0.5),
    "STIR": SequenceLook((0.85, 1.10), (0.30, 0.55), (0.00, 0.14), (0.00, 0.35), 0.5),
}

_SHAPED = 0.6
_ANY = {"random": 1 - _SHAPED} | {
    name: _SHAPED * look.share / sum(each.share for each in SEQUENCES.values())
    for name, look in SEQUENCES.items()
}


def tissue_means(random: Randomness, shares: Mapping[str, float] | None = None) -> np.ndarray:
    """Return the mean of each :class:`Tissue` value and background class.

    Parameters
    ----------
    shares : mapping, optional
        How often each key of :data:`SEQUENCES`, and ``"random"``, is drawn; by default all are.

    Returns
    -------
    ndarray of float32, (TISSUE_COUNT,)
    """
    shares = _ANY if shares is None else shares
    weights = np.array(list(shares.values()), float)
    sequence = list(shares)[int(random.scalars.choice(len(weights), p=weights / weights.sum()))]
    means = random.scalars.uniform(0, 1, TISSUE_COUNT)
    if sequence == "random":
        _vary_freely(means, random)
    else:
        _shape(means, random, SEQUENCES[sequence])
    means[Tissue.NEURAL] = means[Tissue.WHITE_MATTER] + random.scalars.normal(0, 0.04)
    return means.astype(np.float32)


def _shape(means: np.ndarray, random: Randomness, look: SequenceLook) -> None:
    count = TISSUE_COUNT - Tissue.BACKGROUND
    means[Tissue.BACKGROUND :] = random.scalars.uniform(*look.background, count)
    means[Tissue.CSF] = random.uniform(*look.csf)
    means[Tissue.WHITE_MATTER] = random.uniform(*look.white_matter)
    difference = random.uniform(*look.gray_minus_white)
    means[Tissue.GRAY_MATTER] = means[Tissue.WHITE_MATTER] + difference
    means[Tissue.AIR] = random.uniform(0, 0.05)


def _vary_freely(means: np.ndarray, random: Randomness) -> None:
    white = means[Tissue.WHITE_MATTER]
    means[Tissue.GRAY_MATTER] = white + random.scalars.normal(0, 0.1)
    while abs(means[Tissue.CSF] - white) < 0.12:
        means[Tissue.CSF] = random.uniform(0, 1)
    if random.chance(0.8):
        means[Tissue.AIR] = random.uniform(0, 0.06)
