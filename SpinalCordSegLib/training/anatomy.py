# SPDX-License-Identifier: Apache-2.0
"""Random anatomy: a deformed piece of the tissue atlas, with the cord's soft mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .gray_matter_sections import SECTION_SPACING_MM
from .randomness import Randomness
from .surroundings import SURROUNDINGS_SPACING_MM
from .tissue_atlas import ATLAS_SPACING_MM, TissueAtlas
from .tissues import TISSUE_COUNT, Tissue

# The template's outermost columns are blank on some slices; what lies beyond them is mirrored.
_BLANK_BORDER = 12


@dataclass(frozen=True)
class AtlasTensors:
    """A tissue atlas on the device that makes the samples.

    Attributes
    ----------
    tissue : Tensor of uint8, (X, Y, Z)
    cord : Tensor of float32, (1, 1, X, Y, Z)
        0 to 1.
    surroundings : Tensor of uint8, (N, X, Y), optional
        Clustered slices of real images, as ``surroundings.cluster_surroundings`` gives them.
    sections : Tensor of uint8, (N, 2, X, Y), optional
        Cord and gray matter, as ``gray_matter_sections.build_sections`` gives them.
    """

    tissue: torch.Tensor
    cord: torch.Tensor
    centre: tuple[float, float]
    cord_slices: tuple[int, int]
    surroundings: torch.Tensor | None = None
    sections: torch.Tensor | None = None


@dataclass(frozen=True)
class Anatomy:
    """A piece of spine.

    Attributes
    ----------
    tissue : Tensor of int64, (X, Y, Z)
        :class:`Tissue` values and background classes.
    cord : Tensor of float32, (X, Y, Z)
        Fraction of each voxel inside the cord, 0 to 1.
    gray_matter : Tensor of float32, (X, Y, Z), optional
        The same for the gray matter; only where sections were given.
    """

    tissue: torch.Tensor
    cord: torch.Tensor
    gray_matter: torch.Tensor | None = None


@dataclass(frozen=True)
class AnatomyRange:
    """How much anatomy varies.

    Attributes
    ----------
    off_centre_mm : (float, float)
        How far the cord may lie from the middle, right-left and anterior-posterior.
    end_fraction : float
        Share of samples placed at the brainstem or below the conus, where the cord ends.
    """

    off_centre_mm: tuple[float, float]
    end_fraction: float = 0.2


def upload(
    atlas: TissueAtlas,
    device: torch.device | str,
    surroundings: np.ndarray | None = None,
    sections: np.ndarray | None = None,
) -> AtlasTensors:
    """Return the atlas, and real surroundings and sections if there are any, as tensors."""
    cord = torch.from_numpy(atlas.cord).to(device).float().div_(255)
    return AtlasTensors(
        tissue=torch.from_numpy(atlas.tissue).to(device),
        cord=cord[None, None],
        centre=atlas.centre,
        cord_slices=atlas.cord_slices,
        surroundings=None if surroundings is None else torch.from_numpy(surroundings).to(device),
        sections=None if sections is None else torch.from_numpy(sections).to(device),
    )


def sample_anatomy(
    atlas: AtlasTensors,
    random: Randomness,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
) -> Anatomy:
    """Cut a randomly deformed piece out of the atlas.

    Parameters
    ----------
    shape : (X, Y, Z)
        Voxels; X right to left, Y posterior to anterior, Z inferior to superior.
    spacing_mm : (x, y, z)
    """
    position = _deformed_grid_mm(random, shape, spacing_mm, ranges)
    index = position / ATLAS_SPACING_MM
    index[0] += atlas.centre[0]
    index[1] += atlas.centre[1]
    index[2] += _random_level(atlas, random, ranges)
    tissue = _look_up_tissue(atlas, random, index)
    cord = _look_up_cord(atlas, index)
    if atlas.surroundings is not None and random.chance(0.5):
        tissue = _surround(atlas.surroundings, atlas.centre, random, tissue, index)
    gray_matter = None
    if atlas.sections is not None:
        tissue, cord, gray_matter = _insert_section(
            atlas.sections, atlas.centre, random, tissue, index
        )
    tissue = _add_nerve_roots(atlas, random, tissue, index)
    tissue = _add_blobs(random, tissue)
    tissue = _narrow_canal(random, tissue, spacing_mm)
    return Anatomy(tissue, cord, gray_matter)


def _random_level(atlas: AtlasTensors, random: Randomness, ranges: AnatomyRange) -> float:
    lowest, highest = atlas.cord_slices
    top = atlas.tissue.shape[2] - 1
    if random.chance(ranges.end_fraction):
        if random.chance(0.5):
            return random.uniform(0, lowest + 60)
        return random.uniform(highest - 40, top)
    return random.uniform(lowest + 10, highest)


def _deformed_grid_mm(
    random: Randomness,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    ranges: AnatomyRange,
) -> torch.Tensor:
    """Return for each voxel where it lies in the straight spine, (3, X, Y, Z) mm off the axis."""
    axes = [
        (torch.arange(n, device=random.device, dtype=torch.float32) - (n - 1) / 2) * s
        for n, s in zip(shape, spacing_mm, strict=True)
    ]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    for axis, reach in enumerate(ranges.off_centre_mm):
        grid[axis] += random.uniform(-reach, reach)
    size = random.uniform(0.78, 1.35)
    scale = np.array(
        [
            size * random.uniform(0.86, 1.16),
            size * random.uniform(0.8, 1.2),
            random.uniform(0.75, 1.3),
        ]
    )
    matrix = _rotation(random) / scale
    grid = torch.einsum(
        "ij,jxyz->ixyz", torch.as_tensor(matrix, dtype=torch.float32, device=random.device), grid
    )
    extent = [n * s for n, s in zip(shape, spacing_mm, strict=True)]
    coarse = [max(2, round(e / 16) + 1) for e in extent]
    fine = [max(2, round(e / 5) + 1) for e in extent]
    grid = grid + random.uniform(0, 1.5) * random.smooth_field(shape, coarse, 3)
    grid = grid + random.uniform(0, 0.5) * random.smooth_field(shape, fine, 3)
    along = grid[2].clone()
    grid[0] += random.scalars.normal(0, 0.001) * along**2
    grid[1] += random.scalars.normal(0, 0.0024) * along**2
    return grid


def _rotation(random: Randomness) -> np.ndarray:
    a, b, c = np.deg2rad(random.scalars.uniform(-16, 16, 3))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _look_up_tissue(atlas: AtlasTensors, random: Randomness, index: torch.Tensor) -> torch.Tensor:
    """Nearest tissue; beyond the template's box its mirror image, recoloured and cut by air."""
    size_x, size_y, size_z = atlas.tissue.shape
    nearest = torch.round(index).long()
    x = _mirror(nearest[0], _BLANK_BORDER, size_x - _BLANK_BORDER)
    y = _mirror(nearest[1], 0, size_y)
    z = nearest[2].clamp(0, size_z - 1)
    tissue = atlas.tissue[x, y, z].long()
    outside = (nearest[0] < _BLANK_BORDER) | (nearest[0] >= size_x - _BLANK_BORDER)
    outside |= (nearest[1] < 0) | (nearest[1] >= size_y)
    recolour = torch.arange(TISSUE_COUNT, device=tissue.device)
    if random.chance(0.5):
        shuffled = random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT, TISSUE_COUNT)
        recolour = torch.from_numpy(shuffled).to(tissue.device)
    # One colour for the mirrored canal: two would look like a cord in CSF that is not labelled.
    recolour[: Tissue.BACKGROUND] = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    tissue = torch.where(outside, recolour[tissue], tissue)
    return _cut_by_air(random, tissue, index, outside, atlas.centre)


def _mirror(values: torch.Tensor, low: int, high: int) -> torch.Tensor:
    length = high - low
    folded = torch.remainder(values - low, 2 * length)
    return low + torch.where(folded >= length, 2 * length - 1 - folded, folded)


def _cut_by_air(
    random: Randomness,
    tissue: torch.Tensor,
    index: torch.Tensor,
    outside: torch.Tensor,
    centre: tuple[float, float],
) -> torch.Tensor:
    """Put air beyond a random ellipse, and often into a throat in front of the spine."""
    x = index[0] - centre[0] - random.uniform(-20, 20)
    y = index[1] - centre[1] - random.uniform(-30, 60)
    body = (x / random.uniform(60, 190)) ** 2 + (y / random.uniform(60, 170)) ** 2
    tissue = torch.where((body > 1) & outside, Tissue.AIR, tissue)
    if random.chance(0.4):
        x = index[0] - centre[0] - random.uniform(-20, 20)
        y = index[1] - centre[1] - random.uniform(70, 120)
        throat = (x / random.uniform(8, 30)) ** 2 + (y / random.uniform(6, 25)) ** 2
        tissue = torch.where(throat < 1, Tissue.AIR, tissue)
    return tissue


def _surround(
    surroundings: torch.Tensor,
    centre: tuple[float, float],
    random: Randomness,
    tissue: torch.Tensor,
    index: torch.Tensor,
) -> torch.Tensor:
    """Put a real slice around the spine, outside an ellipse that surely covers the real cord."""
    real = surroundings[int(random.scalars.integers(len(surroundings)))]
    if random.chance(0.5):
        real = real.flip(0)
    x, y = ((index[axis] - centre[axis]) * ATLAS_SPACING_MM for axis in range(2))
    half = (real.shape[0] - 1) / 2
    column = torch.round(x / SURROUNDINGS_SPACING_MM + half).long()
    row = torch.round(y / SURROUNDINGS_SPACING_MM + half).long()
    last = real.shape[0] - 1
    beyond = (column < 0) | (column > last) | (row < 0) | (row > last)
    found = real[column.clamp(0, last), row.clamp(0, last)].long()
    found = torch.where(beyond, Tissue.AIR, found)
    spine = (x / random.uniform(16, 34)) ** 2 + (y / random.uniform(16, 34)) ** 2 < 1
    return torch.where(spine, tissue, found)


def _insert_section(
    sections: torch.Tensor,
    centre: tuple[float, float],
    random: Randomness,
    tissue: torch.Tensor,
    index: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put a finer section, the same on every slice, in the place of the atlas' cord.

    Returns
    -------
    tissue, cord, gray_matter : Tensor, (X, Y, Z)
    """
    section = sections[int(random.scalars.integers(len(sections)))].float() / 255
    reach = (section.shape[-1] - 1) / 2 * SECTION_SPACING_MM
    x, y = ((index[axis] - centre[axis]) * ATLAS_SPACING_MM / reach for axis in range(2))
    # grid_sample wants the last axis first; all slices at once, as rows of one plane.
    grid = torch.stack([y, x], dim=-1).reshape(1, tissue.shape[0], -1, 2)
    found = F.grid_sample(section[None], grid, align_corners=True)[0]
    cord, gray = found.reshape(2, *tissue.shape)
    cut = random.uniform(0.4, 0.6)
    is_cord = cord > 0.5
    canal = tissue < Tissue.BACKGROUND
    canal &= tissue != Tissue.AIR
    tissue = torch.where(canal, Tissue.CSF, tissue)
    tissue = torch.where(is_cord, Tissue.WHITE_MATTER, tissue)
    tissue = torch.where(is_cord & (gray > cut), Tissue.GRAY_MATTER, tissue)
    soft_gray = ((gray - cut) * 3 + 0.5).clamp(0, 1) * cord
    return tissue, cord, soft_gray


def _look_up_cord(atlas: AtlasTensors, index: torch.Tensor) -> torch.Tensor:
    size = torch.tensor(atlas.cord.shape[2:], dtype=torch.float32, device=index.device)
    normalised = 2 * index / (size - 1)[:, None, None, None] - 1
    # grid_sample wants the last axis first.
    grid = normalised.flip(0).permute(1, 2, 3, 0)[None]
    # Interpolation may overshoot 1 by a rounding error.
    return F.grid_sample(atlas.cord, grid, align_corners=True)[0, 0].clamp_(0, 1)


def _add_nerve_roots(
    atlas: AtlasTensors, random: Randomness, tissue: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    """Fill the sac around and below the conus with rods of neural tissue, the cauda equina."""
    conus = atlas.cord_slices[0]
    if float(index[2].min()) > conus + 80:
        return tissue
    rods = random.smooth_field((*tissue.shape[:2], 1), (*_half(tissue.shape[:2]), 1))[0]
    posterior = (atlas.centre[1] + 8 - index[1]) / 30
    dense = rods + posterior.clamp(-0.6, 0.6) > random.uniform(0.2, 1.2)
    below = index[2] < conus + 60
    return torch.where(dense & below & (tissue == Tissue.CSF), Tissue.NEURAL, tissue)


def _half(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(2, n // 2) for n in shape)


def _add_blobs(random: Randomness, tissue: torch.Tensor) -> torch.Tensor:
    """Scatter vessels and osteophytes outside the canal."""
    if not random.chance(0.6):
        return tissue
    nodes = [max(2, n // 8) for n in tissue.shape]
    blobs = random.smooth_field(tissue.shape, nodes)[0] > random.uniform(1.3, 2.2)
    colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    return torch.where(blobs & (tissue >= Tissue.BACKGROUND), colour, tissue)


def _narrow_canal(
    random: Randomness, tissue: torch.Tensor, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """Replace the outer CSF by background, so that some canals are tight and cords touch bone."""
    if random.chance(0.4):
        return tissue
    csf = tissue == Tissue.CSF
    beyond = tissue >= Tissue.BACKGROUND
    colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    narrowed = tissue
    depth_mm = random.uniform(0, 3.0)
    reach = [2 * max(0, round(depth_mm / s)) + 1 for s in spacing_mm[:2]]
    if max(reach) > 1:
        grown = F.max_pool2d(
            beyond.float().permute(2, 0, 1)[:, None],
            kernel_size=tuple(reach),
            stride=1,
            padding=tuple(r // 2 for r in reach),
        )
        near_wall = grown[:, 0].permute(1, 2, 0) > 0
        if random.chance(0.4):
            nodes = [max(2, round(n / 12)) for n in tissue.shape]
            near_wall &= random.smooth_field(tissue.shape, nodes)[0] > 0
        narrowed = torch.where(csf & near_wall, colour, tissue)
    return narrowed
