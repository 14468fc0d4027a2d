# SPDX-License-Identifier: Apache-2.0
"""Samples for the network that finds the cord's ends: straight spines with their found outline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from ..networks import for_prediction
from ..segmentation.cord_ends import COARSER, seen_from_afar
from ..segmentation.patches import predict_along
from ..segmentation.thick_slices import CORD_SAGITTAL, is_thick_sagittal
from ..weights import load_weights
from .acquisition import (
    ANY_SEQUENCE,
    GRAY_MATTER_SEQUENCES,
    AcquisitionRange,
    thick_sagittal_slices,
)
from .anatomy import AnatomyRange, AtlasTensors
from .configuration import TrainingConfiguration
from .randomness import Randomness, seeded
from .repeated_images import drawn_image
from .straightened import straightened_sample

# A tip less than 3 mm across is not told from the filum terminale.
_LEAST_MM2 = 7.0
# Gray matter that shows in a cord is not to be taken for roots; lumbar scans are mostly sagittal.
_GRAY_MATTER_SHOWS, _SAGITTAL = 0.15, 0.65
# Roots are harder to tell from a cord than a brainstem is.
_CONUS = 0.7
# Share of the samples cut as short as scans may be, and how short, rows.
_CUT, _SHORTEST = 0.5, 10
_MOST_SHIFT = 2


def straight_spine(
    atlas: AtlasTensors, configuration: TrainingConfiguration, place: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the spine that a training draws at a place in its order, each time changed.

    Parameters
    ----------
    configuration : TrainingConfiguration
        With `images` and `outlined_by`. To outline a spine takes longer than to learn from it:
        each is kept in memory.
    place : int
        Counted from 0 over all epochs.

    Returns
    -------
    views : Tensor of float32, (2, X, Y, Z)
        As :func:`~SpinalCordSegLib.segmentation.cord_ends.seen_from_afar` gives them.
    target : Tensor of float32, (1, X, Y, Z)
        0 or 1, the same all over a slice; NaN where nothing is to be seen.
    """
    index, epoch, rank = drawn_image(configuration, place)
    assert configuration.outlined_by
    views, present = _outlined_spine(
        atlas,
        configuration.outlined_by,
        (configuration.seed, index),
        configuration.patch_voxels,
        configuration.spacing_mm,
        AnatomyRange(
            configuration.off_centre_mm,
            configuration.end_fraction,
            straightened=True,
            as_scanned=configuration.as_scanned,
            conus_share=_CONUS,
        ),
    )
    random = seeded((configuration.seed, epoch, rank))
    views, present = changed(views.float(), present, random)
    return views, present.expand(1, *views.shape[1:]).clone()


def changed(
    views: torch.Tensor, present: torch.Tensor, random: Randomness
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return views (2, X, Y, Z) and presence (Z,) mirrored, moved, lit otherwise and cut short."""
    if random.chance(0.5):
        views = views.flip(1)
    offsets = random.scalars.integers(-_MOST_SHIFT, _MOST_SHIFT + 1, 2).tolist()
    outline, image = torch.roll(views, offsets, (1, 2))
    outline = (outline * random.uniform(0.85, 1.1)).clamp(0, 1)
    seen = image != 0
    image = (image * random.uniform(0.8, 1.25) + random.uniform(-0.2, 0.2)) * seen
    shown = _shown(present.numel(), random)
    return torch.stack([outline, image]) * shown, present.masked_fill(~shown, torch.nan)


def _shown(rows: int, random: Randomness) -> torch.Tensor:
    """Return which rows a scan shows: often all."""
    shown = torch.ones(rows, dtype=torch.bool)
    if random.chance(_CUT):
        length = int(random.uniform(min(_SHORTEST, rows), rows + 1))
        start = int(random.uniform(0, rows - length + 1))
        shown[:start] = False
        shown[start + length :] = False
    return shown


@lru_cache(maxsize=4096)
def _outlined_spine(
    atlas: AtlasTensors,
    outlined_by: str,
    seed: tuple[int, ...],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    ranges: AnatomyRange,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the views of a synthetic spine, half precision, and where there is cord, (Z,)."""
    fine = [COARSER * n for n in shape]
    fine_mm = [s / COARSER for s in spacing_mm]
    sequences = _sequences(seeded((*seed, 1)))
    course = seeded((*seed, 2), atlas.tissue.device)
    image, cord = straightened_sample(atlas, seed, fine, fine_mm, ranges, sequences, course)
    if sequences.voxel_mm and is_thick_sagittal(sequences.voxel_mm):
        # What outlines such scans.
        outlined_by = CORD_SAGITTAL
    values = image[0].cpu().numpy()
    values[values == 0] = np.nan
    views = seen_from_afar(values, _outline(values, outlined_by, str(atlas.tissue.device)))
    return views.half(), _presence(cord[0].cpu().numpy(), np.isfinite(values), fine_mm)


def _sequences(random: Randomness) -> AcquisitionRange:
    kind = random.uniform(0, 1)
    if kind < _GRAY_MATTER_SHOWS:
        return GRAY_MATTER_SEQUENCES
    if kind < _GRAY_MATTER_SHOWS + _SAGITTAL:
        return thick_sagittal_slices(random)
    return ANY_SEQUENCE


def _outline(values: np.ndarray, outlined_by: str, device: str) -> np.ndarray:
    weights = load_weights(outlined_by)
    network = for_prediction(weights.network, device)
    return predict_along(
        values,
        network,
        weights.specification.preprocessing.patch_voxels[2],
        device,
        # An outline is most of what a spine costs, and this halves it.
        mirrored=False,
    )


def _presence(cord: np.ndarray, seen: np.ndarray, spacing_mm: Sequence[float]) -> torch.Tensor:
    """Return for every row of the views whether there is cord; NaN where nothing is seen."""
    area = cord.sum(axis=(0, 1)) * spacing_mm[0] * spacing_mm[1]
    rows = area.reshape(-1, COARSER).mean(axis=1)
    present = (rows >= _LEAST_MM2).astype(np.float32)
    present[~seen.any(axis=(0, 1)).reshape(-1, COARSER).any(axis=1)] = np.nan
    return torch.from_numpy(present)
