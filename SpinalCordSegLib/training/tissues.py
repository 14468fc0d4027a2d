# SPDX-License-Identifier: Apache-2.0
"""The tissue classes that synthetic images are painted from."""

from __future__ import annotations

from enum import IntEnum


class Tissue(IntEnum):
    """Values of a tissue map; the unnamed values from ``BACKGROUND`` on are background classes."""

    AIR = 0
    WHITE_MATTER = 1
    GRAY_MATTER = 2
    CSF = 3
    NEURAL = 4
    """Brainstem and nerve roots: they look like cord and are not."""
    BACKGROUND = 5


BACKGROUND_CLASSES = 7
TISSUE_COUNT = Tissue.BACKGROUND + BACKGROUND_CLASSES
