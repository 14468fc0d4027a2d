# SPDX-License-Identifier: Apache-2.0
"""Training samples: synthetic image and soft masks, for every network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from .acquisition import (
    ANY_SEQUENCE,
    GRAY_MATTER_SEQUENCES,
    LESION_SEQUENCES,
    AcquisitionRange,
    acquire,
)
from .anatomy import Anatomy, AnatomyRange, AtlasTensors, sample_anatomy
from .randomness import seeded
from .tissues import Tissue

TARGETS = ("cord", "gray_matter", "lesion", "sac")

_IN_THE_SAC = (Tissue.WHITE_MATTER, Tissue.GRAY_MATTER, Tissue.CSF, Tissue.NEURAL)
# Where lesions are a target, half of the cords have none: they are as important.
_LESION_SHARE = 0.5


def synthetic_sample(
    atlas: AtlasTensors,
    seed: Sequence[int],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
    targets: Sequence[str] | None = None,
    acquisition: AcquisitionRange | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one image and its target, the same for the same seed.

    Parameters
    ----------
    seed : sequence of int
        (run, step, index) for example.
    shape : (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior. Z = 1 makes a single
        axial slice; it is cut from a slab three slices thick, so that it carries partial volume.
    spacing_mm : (x, y, z)
    targets : sequence of str, optional
        Of :data:`TARGETS`; by default the gray matter where the atlas comes with sections of it,
        else the cord. With ``"lesion"`` half of the samples have lesions.
    acquisition : AcquisitionRange, optional
        By default what suits the targets.

    Returns
    -------
    image : Tensor of float32, (1, X, Y[, Z])
        Normalised; the last axis is left out when Z = 1.
    target : Tensor of float32, (targets, X, Y[, Z])
        Fraction of each voxel inside the cord, the gray matter, a lesion or the dural sac with all
        that is in it; 0 outside the field of view.

    Raises
    ------
    ValueError
        If gray matter is wanted of an atlas without sections, or a target is not known.
    """
    targets = targets or (("cord",) if atlas.sections is None else ("gray_matter",))
    random = seeded(seed, atlas.tissue.device)
    single = shape[2] == 1
    slab = (*shape[:2], 3) if single else tuple(shape)
    if "lesion" in targets:
        ranges = replace(ranges, pathology=replace(ranges.pathology, lesion=_LESION_SHARE))
    anatomy = sample_anatomy(atlas, random, slab, spacing_mm, ranges)
    sequences = acquisition or _suitable(targets)
    image, seen = acquire(anatomy.tissue, random, spacing_mm, sequences, anatomy.lesion)
    target = torch.stack([_mask(anatomy, name) for name in targets]) * seen
    if random.chance(0.5):
        image, target = image.flip(0), target.flip(1)
    if single:
        image, target = image.mean(dim=2), target[..., 1]
    return image[None], target


def _suitable(targets: Sequence[str]) -> AcquisitionRange:
    if "gray_matter" in targets:
        return GRAY_MATTER_SEQUENCES
    return LESION_SEQUENCES if "lesion" in targets else ANY_SEQUENCE


def _mask(anatomy: Anatomy, name: str) -> torch.Tensor:
    if name == "cord":
        return anatomy.cord
    if name == "lesion":
        return torch.zeros_like(anatomy.cord) if anatomy.lesion is None else anatomy.lesion
    if name == "sac":
        in_it = torch.tensor(_IN_THE_SAC, device=anatomy.tissue.device)
        return torch.isin(anatomy.tissue, in_it).float()
    if name == "gray_matter" and anatomy.gray_matter is not None:
        return anatomy.gray_matter
    raise ValueError(f"there is no target {name!r} here")
