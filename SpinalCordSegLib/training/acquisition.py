# SPDX-License-Identifier: Apache-2.0
"""From tissue to an MR image: contrast, resolution, artefacts, noise, field of view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .artefacts import add_flow, add_ghosts, add_motion, vary_slices
from .randomness import Randomness
from .separable import (
    apply_along_axes,
    gaussian_blur,
    slice_means,
    spectrum_truncation,
    voxel_resampling,
)
from .sequences import tissue_means
from .tissues import TISSUE_COUNT, Tissue

# What excites a slice has nearly the profile of a box, and leaves gaps between slices: thickness
# as a share of their distance. In a slice, the spectrum's end blurs.
_SLICE_THICKNESS = (0.8, 1.0)


@dataclass(frozen=True)
class AcquisitionRange:
    """What scanners and sequences an image may come from.

    Attributes
    ----------
    in_plane_mm : (float, float)
        Voxel size in plane, least and most.
    noise : (float, float)
        Standard deviation, relative to the brightest tissue.
    gray_minus_white : (float, float), optional
        Least and most difference between gray and white matter, relative to the brightest tissue;
        by default whatever the contrast gives, also none.
    sequences : mapping, optional
        How often each is drawn, as :func:`.sequences.tissue_means` takes it; by default all are.
    voxel_mm : (x, y, z), optional
        The scanner's voxel; by default random, axial slices mostly, sagittal slabs sometimes.
    bias : (float, float)
        Standard deviation of the logarithm of the bias field at its nodes.
    cut_axes : float
        Probability, for each axis, that the field of view ends inside the patch.
    flow, ghosts, motion, ringing, uneven_slices : float
        Share of the images with this artefact.
    uneven_cord : float
        Share of the images in which tracts of the cord differ, up to a third of the difference
        between gray and white matter; needs `gray_minus_white`.
    """

    in_plane_mm: tuple[float, float] = (0.35, 1.1)
    noise: tuple[float, float] = (0.005, 0.07)
    gray_minus_white: tuple[float, float] | None = None
    sequences: Mapping[str, float] | None = None
    voxel_mm: tuple[float, float, float] | None = None
    bias: tuple[float, float] = (0.0, 0.35)
    cut_axes: float = 0.25
    flow: float = 0.12
    ghosts: float = 0.10
    motion: float = 0.06
    ringing: float = 0.12
    uneven_slices: float = 0.08
    uneven_cord: float = 0.0


ANY_SEQUENCE = AcquisitionRange()
GRAY_MATTER_SEQUENCES = AcquisitionRange(
    in_plane_mm=(0.28, 0.95),
    noise=(0.003, 0.04),
    gray_minus_white=(0.04, 0.24),
    sequences={
        "T2*w": 0.45,
        "MT": 0.11,
        "T2w": 0.08,
        "T1w": 0.06,
        "bright cord": 0.05,
        "DWI": 0.03,
        "random": 0.22,
    },
    uneven_cord=0.6,
)
"""Sequences made to show the gray matter."""
LESION_SEQUENCES = AcquisitionRange(noise=(0.005, 0.05), flow=0.3, ghosts=0.2)
"""Any sequence, with more of what may be taken for a lesion."""


def thick_sagittal_slices(random: Randomness) -> AcquisitionRange:
    """Return sagittal slices of a random thickness, 2.5 to 5 mm, of any sequence."""
    fine = random.uniform(0.5, 1.0)
    return replace(ANY_SEQUENCE, voxel_mm=(random.uniform(2.5, 5.0), fine, fine))


def acquire(
    tissue: torch.Tensor,
    random: Randomness,
    spacing_mm: Sequence[float],
    ranges: AcquisitionRange = ANY_SEQUENCE,
    lesion: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint a tissue map as a scanner might see it.

    Parameters
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    spacing_mm : (x, y, z)
        Of the tissue map; the image comes back on the same grid.
    ranges : AcquisitionRange
    lesion : Tensor of float32, (X, Y, Z), optional
        Fraction of each voxel inside a lesion.

    Returns
    -------
    image : Tensor of float32, (X, Y, Z)
        Zero mean and unit variance inside the field of view, 0 outside it.
    seen : Tensor of bool, (X, Y, Z)
        The field of view.
    """
    image = _paint(tissue, random, ranges, lesion)
    if random.chance(ranges.flow):
        image = add_flow(image, tissue == Tissue.CSF, random, spacing_mm)
    image = _scan(image, random, spacing_mm, ranges)
    image = image.clamp_(min=0)
    image = (image / (image.max() + 1e-6)) ** random.uniform(0.7, 1.4)
    seen = _field_of_view(tissue.shape, random, ranges.cut_axes)
    return normalised(image, seen), seen


def normalised(image: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return an image with zero mean and unit variance where it is seen, 0 elsewhere."""
    inside = image[seen]
    image = (image - inside.mean()) / (inside.std() + 1e-5)
    return image.masked_fill_(~seen, 0.0)


def _paint(
    tissue: torch.Tensor,
    random: Randomness,
    ranges: AcquisitionRange,
    lesion: torch.Tensor | None,
) -> torch.Tensor:
    means = tissue_means(random, ranges.sequences)
    difference = 0.0
    if ranges.gray_minus_white:
        # Brighter in T2*w and most others, darker in some.
        sign = 1 if random.chance(0.85) else -1
        difference = sign * random.uniform(*ranges.gray_minus_white)
        means[Tissue.GRAY_MATTER] = means[Tissue.WHITE_MATTER] + difference
    spreads = random.scalars.uniform(0, 0.07, TISSUE_COUNT).astype(np.float32)
    place = tissue.flatten().int()
    image, spread = (
        torch.from_numpy(values).to(tissue.device).index_select(0, place).view(tissue.shape)
        for values in (means, spreads)
    )
    image.addcmul_(spread, random.noise(tissue.shape))
    if random.chance(0.5):
        nodes = [max(2, n // 8) for n in tissue.shape]
        texture = random.smooth_field(tissue.shape, nodes, deviation=random.uniform(0, 0.12))[0]
        image += texture * (tissue >= Tissue.BACKGROUND)
    if random.chance(ranges.uneven_cord):
        nodes = [max(2, n // 8) if n > 3 else 1 for n in tissue.shape]
        deviation = random.uniform(0, 0.3) * abs(difference)
        tracts = random.smooth_field(tissue.shape, nodes, deviation=deviation)[0]
        image += tracts * ((tissue == Tissue.WHITE_MATTER) | (tissue == Tissue.GRAY_MATTER))
    if lesion is not None:
        image += lesion * _lesion_contrast(means, random, tissue.shape)
    return image


def _lesion_contrast(means: np.ndarray, random: Randomness, size: Sequence[int]) -> torch.Tensor:
    """Return what a lesion adds: part of the way from cord to CSF, seldom the other way."""
    towards_csf = float(means[Tissue.CSF] - means[Tissue.WHITE_MATTER])
    contrast = random.uniform(0.3, 0.85) * towards_csf
    # Where cord and CSF look alike, lesions still do not.
    if abs(contrast) < 0.12:
        contrast = random.uniform(0.12, 0.35) * (1 if contrast > 0 else -1)
    if random.chance(0.1):
        contrast = -contrast
    nodes = [max(2, n // 10) for n in size]
    varied = 1 + random.smooth_field(size, nodes, deviation=random.uniform(0, 0.3))[0]
    return contrast * varied.clamp_(0.4, 1.6)


def _scan(
    image: torch.Tensor, random: Randomness, spacing_mm: Sequence[float], ranges: AcquisitionRange
) -> torch.Tensor:
    """Lose resolution, and gain artefacts, a bias field and Rician noise at that resolution."""
    size = tuple(image.shape)
    voxel_mm = ranges.voxel_mm or _voxel_size(random, size, spacing_mm, ranges)
    coarse = [
        max(1 if n == 1 else 2, round(n * min(1.0, s / v)))
        for n, s, v in zip(size, spacing_mm, voxel_mm, strict=True)
    ]
    x = _lose_resolution(image, random, spacing_mm, voxel_mm, coarse, random.chance(ranges.ringing))
    if random.chance(ranges.ghosts):
        x = add_ghosts(x, random)
    if random.chance(ranges.motion):
        x = add_motion(x, random)
    if random.chance(ranges.uneven_slices):
        x = vary_slices(x, int(np.argmax(voxel_mm)), random)
    lattice = [2 if n < 40 or s > 0.8 else 3 for n, s in zip(size, spacing_mm, strict=True)]
    bias = random.smooth_field(coarse, lattice, deviation=random.uniform(*ranges.bias))[0]
    x = x * bias.exp_()
    sigma = random.uniform(*ranges.noise)
    real, imaginary = sigma * random.noise(x.shape), sigma * random.noise(x.shape)
    x = torch.hypot(x + real, imaginary)
    matrices = [
        None if c == n else voxel_resampling(c, n) for c, n in zip(coarse, size, strict=True)
    ]
    return apply_along_axes(x, matrices)


def _lose_resolution(
    image: torch.Tensor,
    random: Randomness,
    spacing_mm: Sequence[float],
    voxel_mm: Sequence[float],
    coarse: Sequence[int],
    ringing: bool,
) -> torch.Tensor:
    """Blur and sample; with ringing, the spectrum of the slices is cut off instead of faded out."""
    slices_axis = int(np.argmax(voxel_mm))
    thickness = random.uniform(*_SLICE_THICKNESS)
    matrices: list[np.ndarray | None] = []
    for axis, (n, spacing, voxel) in enumerate(zip(image.shape, spacing_mm, voxel_mm, strict=True)):
        if axis == slices_axis and 2 * coarse[axis] <= n:
            matrices.append(slice_means(n, coarse[axis], thickness))
            continue
        matrix = None if coarse[axis] == n else voxel_resampling(n, coarse[axis])
        sigma = 0.42 * max(0.0, voxel / spacing - 0.9)
        if ringing and axis != slices_axis and n >= 8:
            kept = min(coarse[axis] / n, random.uniform(0.6, 1.0))
            smooth = spectrum_truncation(n, kept)
        elif sigma >= 0.15 and n > 1:
            smooth = gaussian_blur(n, sigma)
        else:
            matrices.append(matrix)
            continue
        matrices.append(smooth if matrix is None else matrix @ smooth)
    return apply_along_axes(image, matrices)


def _voxel_size(
    random: Randomness, size: Sequence[int], spacing_mm: Sequence[float], ranges: AcquisitionRange
) -> tuple[float, float, float]:
    """Return a scanner's voxel: axial slices mostly, sagittal slabs sometimes."""
    in_plane = random.uniform(*ranges.in_plane_mm)
    thick = random.uniform(0.5, 1.2) if random.chance(0.5) else random.uniform(1.2, 5.5)
    if random.chance(0.05):
        thick = random.uniform(5.5, 9.0)
    if size[2] * spacing_mm[2] < 8:
        thick = spacing_mm[2]
    if random.chance(0.25) and not ranges.gray_minus_white:
        if random.chance(0.5):
            in_plane = random.uniform(0.5, 1.0)
            return random.uniform(3.0, 5.0), in_plane, in_plane
        return random.uniform(0.8, 3.0), in_plane, in_plane
    return in_plane, in_plane * random.uniform(0.9, 1.1), thick


def _field_of_view(size: Sequence[int], random: Randomness, probability: float) -> torch.Tensor:
    """Return where the scanner looked: sometimes the image ends inside the patch."""
    seen = torch.ones(tuple(size), dtype=torch.bool, device=random.device)
    for axis in range(3):
        if size[axis] < 8 or not random.chance(probability):
            continue
        cut = int(random.uniform(0, 0.35) * size[axis])
        hidden: list[slice] = [slice(None)] * 3
        hidden[axis] = slice(0, cut) if random.chance(0.5) else slice(size[axis] - cut, None)
        seen[tuple(hidden)] = False
    return seen
