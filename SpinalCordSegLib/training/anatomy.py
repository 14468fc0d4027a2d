# SPDX-License-Identifier: Apache-2.0
"""Random anatomy: a deformed piece of the tissue atlas, with the cord's soft mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .brain import add_brain
from .cauda_equina import add_roots
from .cavities import add_cavity
from .compression import erase_csf
from .deformation import along_curve, deformed_position
from .gray_matter_sections import SECTION_SPACING_MM
from .lesions import draw_lesions
from .lumbar_enlargement import enlarge_lumbar_cord
from .metal import distort, extinguish, place_implant
from .pathology import SOME_ILL, PathologyRates, bend_to_pathology
from .randomness import Randomness
from .surroundings import SURROUNDINGS_SPACING_MM
from .tissue_atlas import ATLAS_SPACING_MM, TissueAtlas
from .tissues import TISSUE_COUNT, Tissue

# The template's outermost columns are blank on some slices; what lies beyond them is mirrored.
_BLANK_BORDER = 12
# How far the soft mask's blur reaches beyond the cord, stretched as far as samples are.
_BLUR_MM = 1.7
# Atlas slices above the cord's lower end from where on roots are to be seen.
_ROOTS_START = 60
# What is mostly scanned, in atlas slices: from below the cord's lower end to above it, and the neck
# below its upper end.
_LUMBAR = (60, 260)
_NECK = 300
# How much narrower canals are than the template's, at most; around the conus and below it some
# fluid is left, and the sac stays wider than a cord.
_MOST_NARROWED_MM, _MOST_NARROWED_LUMBAR_MM = 3.0, 2.0


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
    tissue : Tensor of uint8, (X, Y, Z)
        :class:`Tissue` values and background classes.
    cord : Tensor of float32, (X, Y, Z)
        Fraction of each voxel inside the cord, 0 to 1.
    gray_matter : Tensor of float32, (X, Y, Z), optional
        The same for the gray matter; only where sections were given.
    lesion : Tensor of float32, (X, Y, Z), optional
        The same for lesions, no more than the cord; None in a cord without.
    """

    tissue: torch.Tensor
    cord: torch.Tensor
    gray_matter: torch.Tensor | None = None
    lesion: torch.Tensor | None = None


@dataclass(frozen=True)
class AnatomyRange:
    """How much anatomy varies.

    Attributes
    ----------
    off_centre_mm : (float, float)
        How far the cord may lie from the middle, right-left and anterior-posterior.
    end_fraction : float
        Share of samples placed at the brainstem or below the conus, where the cord ends.
    pathology : PathologyRates
    straightened : bool
        Whether the cord runs along the sample, as where an image was straightened along a curve
        that may be off by `off_centre_mm` anywhere.
    as_scanned : float
        Share of the samples not at an end that lie where scans do: half in the neck, half between
        a little below the conus and 13 cm above it. Else the chest, with its thin cord, prevails.
    conus_share : float
        Share of the samples at an end that lie at or below the conus.
    """

    off_centre_mm: tuple[float, float]
    end_fraction: float = 0.2
    pathology: PathologyRates = SOME_ILL
    straightened: bool = False
    as_scanned: float = 0.0
    conus_share: float = 0.5


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
    rates = ranges.pathology
    curved = random.chance(rates.curved)
    position = deformed_position(random, shape, spacing_mm, ranges.off_centre_mm, curved)
    if ranges.straightened:
        position = along_curve(position, random, spacing_mm[2], ranges.off_centre_mm)
    implant = None
    if random.chance(rates.implant):
        implant = place_implant(random, shape, spacing_mm)
        position = distort(position, implant, random)
    position, compressed = bend_to_pathology(position, random, rates)
    height = position[2] / ATLAS_SPACING_MM + _random_level(atlas, random, ranges)
    above_tip_mm = (height - atlas.cord_slices[0]) * ATLAS_SPACING_MM
    position = enlarge_lumbar_cord(position, above_tip_mm, random)
    x, y = position[:2] / ATLAS_SPACING_MM
    index = torch.stack([x + atlas.centre[0], y + atlas.centre[1], height])
    tissue = _look_up_tissue(atlas, random, index)
    cord = _look_up_cord(atlas, tissue, index, spacing_mm)
    if atlas.surroundings is not None and random.chance(0.5):
        tissue = _surround(atlas.surroundings, random, tissue, position)
    gray_matter = None
    if atlas.sections is not None:
        tissue, cord, gray_matter = _insert_section(atlas.sections, random, tissue, position)
    if random.chance(rates.cavity):
        tissue = add_cavity(tissue, position, random)
    tissue = _add_blobs(random, tissue)
    lumbar = float(index[2].min()) < atlas.cord_slices[0] + _ROOTS_START
    most_mm = _MOST_NARROWED_LUMBAR_MM if lumbar else _MOST_NARROWED_MM
    tissue = _narrow_canal(random, tissue, spacing_mm, most_mm)
    if compressed is not None and random.chance(0.5):
        tissue = erase_csf(tissue, compressed, random)
    tissue = _add_ends(atlas, random, tissue, position, index[2])
    if implant is not None:
        tissue = extinguish(tissue, implant, random)
    lesion = draw_lesions(cord, position, random) if random.chance(rates.lesion) else None
    return Anatomy(tissue, cord, gray_matter, lesion)


def _random_level(atlas: AtlasTensors, random: Randomness, ranges: AnatomyRange) -> float:
    lowest, highest = atlas.cord_slices
    top = atlas.tissue.shape[2] - 1
    if random.chance(ranges.end_fraction):
        if random.chance(ranges.conus_share):
            return random.uniform(0, lowest + 60)
        return random.uniform(highest - 40, top)
    # Nothing is drawn where it is 0: what was trained before keeps its samples.
    if ranges.as_scanned and random.chance(ranges.as_scanned):
        if random.chance(0.5):
            return random.uniform(lowest - _LUMBAR[0], lowest + _LUMBAR[1])
        return random.uniform(highest - _NECK, highest)
    return random.uniform(lowest + 10, highest)


def _look_up_tissue(atlas: AtlasTensors, random: Randomness, index: torch.Tensor) -> torch.Tensor:
    """Nearest tissue; beyond the template's box its mirror image, recoloured and cut by air."""
    size_x, size_y, size_z = atlas.tissue.shape
    nearest = torch.round(index).int()
    x, y, z = nearest[0], nearest[1], nearest[2].clamp(0, size_z - 1)
    outside = (x < _BLANK_BORDER) | (x >= size_x - _BLANK_BORDER)
    outside |= (y < 0) | (y >= size_y)
    beyond = bool(outside.any())
    if beyond:
        x = _mirror(x, _BLANK_BORDER, size_x - _BLANK_BORDER)
        y = _mirror(y, 0, size_y)
    tissue = _pick(atlas.tissue, (x * size_y + y) * size_z + z)
    if beyond:
        recolour = np.arange(TISSUE_COUNT, dtype=np.uint8)
        if random.chance(0.5):
            recolour[:] = random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT, TISSUE_COUNT)
        # One colour for the mirrored canal: two would look like an unlabelled cord in CSF.
        recolour[: Tissue.BACKGROUND] = random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT)
        mirrored = _pick(torch.from_numpy(recolour).to(tissue.device), tissue.int())
        tissue = torch.where(outside, mirrored, tissue)
    return _cut_by_air(random, tissue, index, outside if beyond else None, atlas.centre)


def _pick(table: torch.Tensor, flat_index: torch.Tensor) -> torch.Tensor:
    """Return the values of a table at its flattened indices; several times faster than []."""
    return table.flatten().index_select(0, flat_index.flatten()).view(flat_index.shape)


def _mirror(values: torch.Tensor, low: int, high: int) -> torch.Tensor:
    length = high - low
    folded = torch.remainder(values - low, 2 * length)
    return low + torch.where(folded >= length, 2 * length - 1 - folded, folded)


def _cut_by_air(
    random: Randomness,
    tissue: torch.Tensor,
    index: torch.Tensor,
    outside: torch.Tensor | None,
    centre: tuple[float, float],
) -> torch.Tensor:
    """Put air beyond a random ellipse, and often into a throat in front of the spine."""
    middle = centre[0] + random.uniform(-20, 20), centre[1] + random.uniform(-30, 60)
    radii = random.uniform(60, 190), random.uniform(60, 170)
    if outside is not None:
        body = _ellipse(index, middle, radii)
        tissue = tissue.masked_fill((body > 1) & outside, Tissue.AIR)
    if random.chance(0.4):
        middle = centre[0] + random.uniform(-20, 20), centre[1] + random.uniform(70, 120)
        throat = _ellipse(index, middle, (random.uniform(8, 30), random.uniform(6, 25)))
        tissue = tissue.masked_fill(throat < 1, Tissue.AIR)
    return tissue


def _ellipse(
    place: torch.Tensor, middle: tuple[float, float], radii: tuple[float, float]
) -> torch.Tensor:
    x, y = ((place[axis] - middle[axis]) / radii[axis] for axis in range(2))
    return x * x + y * y


def _surround(
    surroundings: torch.Tensor, random: Randomness, tissue: torch.Tensor, position: torch.Tensor
) -> torch.Tensor:
    """Put a real slice around the spine, outside an ellipse that surely covers the real cord."""
    real = surroundings[int(random.scalars.integers(len(surroundings)))]
    if random.chance(0.5):
        real = real.flip(0)
    half, last = (real.shape[0] - 1) / 2, real.shape[0] - 1
    column, row = torch.round(position[:2] / SURROUNDINGS_SPACING_MM + half).int()
    beyond = (column < 0) | (column > last) | (row < 0) | (row > last)
    found = _pick(real, column.clamp(0, last) * (last + 1) + row.clamp(0, last))
    found = found.masked_fill(beyond, Tissue.AIR)
    spine = _ellipse(position, (0, 0), (random.uniform(16, 34), random.uniform(16, 34))) < 1
    return torch.where(spine, tissue, found)


def _insert_section(
    sections: torch.Tensor, random: Randomness, tissue: torch.Tensor, position: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put a finer section, the same on every slice, in the place of the atlas' cord.

    Returns
    -------
    tissue, cord, gray_matter : Tensor, (X, Y, Z)
    """
    section = sections[int(random.scalars.integers(len(sections)))].float() / 255
    reach = (section.shape[-1] - 1) / 2 * SECTION_SPACING_MM
    # grid_sample wants the last axis first; all slices at once, as rows of one plane.
    grid = torch.stack([position[1], position[0]], dim=-1) / reach
    grid = grid.reshape(1, tissue.shape[0], -1, 2)
    found = F.grid_sample(section[None], grid, align_corners=True)[0]
    cord, gray = found.reshape(2, *tissue.shape)
    cut = _uneven_cut(random, tissue.shape)
    is_cord = cord > 0.5
    canal = tissue < Tissue.BACKGROUND
    canal &= tissue != Tissue.AIR
    tissue = torch.where(canal, Tissue.CSF, tissue)
    tissue = torch.where(is_cord, Tissue.WHITE_MATTER, tissue)
    tissue = torch.where(is_cord & (gray > cut), Tissue.GRAY_MATTER, tissue)
    if random.chance(0.6):
        fissure = _anterior_fissure(section, position, random) & (cord > 0)
        tissue = torch.where(fissure, Tissue.CSF, tissue)
    soft_gray = ((gray - cut) * 3 + 0.5).clamp(0, 1) * cord
    return tissue, cord, soft_gray


def _uneven_cut(random: Randomness, shape: Sequence[int]) -> torch.Tensor:
    """Return from which share on tissue is gray: here and there horns are thicker or thinner."""
    nodes = [max(2, n // 10) for n in shape[:2]]
    deviation = random.uniform(0, 0.12) if random.chance(0.7) else 0.0
    field = random.smooth_field((*shape[:2], 1), (*nodes, 1), deviation=deviation)[0]
    return (random.uniform(0.38, 0.62) + field).clamp_(0.15, 0.85)


def _anterior_fissure(
    section: torch.Tensor, position: torch.Tensor, random: Randomness
) -> torch.Tensor:
    """Return the cleft filled with CSF between the cord's front and its gray commissure."""
    half = (section.shape[-1] - 1) // 2
    gray = torch.nonzero(section[1, half - 3 : half + 4].mean(0) > 0.4)
    cord = torch.nonzero(section[0, half] > 0.5)
    if len(gray) == 0 or len(cord) == 0:
        return torch.zeros(position.shape[1:], dtype=torch.bool, device=position.device)
    front, edge = ((float(rows[-1]) - half) * SECTION_SPACING_MM for rows in (gray, cord))
    start = edge - random.uniform(0.2, 0.95) * max(edge - front, 0.0)
    ahead = position[1] - start
    width = random.uniform(0.1, 0.35) * (1 + random.uniform(0, 0.5) * ahead.clamp(min=0))
    beside = (position[0] - random.uniform(-0.2, 0.2)).abs()
    return (ahead > 0) & (beside < width)


def _look_up_cord(
    atlas: AtlasTensors, tissue: torch.Tensor, index: torch.Tensor, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """Interpolate the soft mask, in a box around the cord only: the rest is 0."""
    cord = torch.zeros(tissue.shape, device=index.device)
    neural = (tissue == Tissue.WHITE_MATTER) | (tissue == Tissue.GRAY_MATTER)
    box = _bounding_box(neural, [math.ceil(_BLUR_MM / s) + 1 for s in spacing_mm])
    if box is None:
        return cord
    size = torch.tensor(atlas.cord.shape[2:], dtype=torch.float32, device=index.device)
    normalised = 2 * index[(slice(None), *box)] / (size - 1)[:, None, None, None] - 1
    # grid_sample wants the last axis first.
    grid = normalised.flip(0).permute(1, 2, 3, 0)[None]
    # Interpolation may overshoot 1 by a rounding error.
    cord[box] = F.grid_sample(atlas.cord, grid, align_corners=True)[0, 0].clamp_(0, 1)
    return cord


def _bounding_box(mask: torch.Tensor, margin: Sequence[int]) -> tuple[slice, slice, slice] | None:
    """Return the smallest box that holds a mask, with a margin, cut at the edges of the array."""
    plane = mask.any(dim=2)
    box = []
    for axis, line in enumerate((plane.any(dim=1), plane.any(dim=0), mask.any(dim=0).any(dim=0))):
        inside = line.nonzero()[:, 0]
        if not len(inside):
            return None
        low, high = int(inside[0]) - margin[axis], int(inside[-1]) + margin[axis] + 1
        box.append(slice(max(0, low), high))
    return box[0], box[1], box[2]


def _add_ends(
    atlas: AtlasTensors,
    random: Randomness,
    tissue: torch.Tensor,
    position: torch.Tensor,
    height: torch.Tensor,
) -> torch.Tensor:
    """Add the cauda equina below the cord, and often a brain above it."""
    lowest, highest = atlas.cord_slices
    if float(height.min()) < lowest + _ROOTS_START:
        tissue = add_roots(tissue, position, (lowest - height) * ATLAS_SPACING_MM, random)
    if float(height.max()) > highest and random.chance(0.6):
        tissue = add_brain(tissue, position, (height - highest) * ATLAS_SPACING_MM, random)
    return tissue


def _add_blobs(random: Randomness, tissue: torch.Tensor) -> torch.Tensor:
    """Scatter vessels and osteophytes outside the canal."""
    if not random.chance(0.6):
        return tissue
    nodes = [max(2, n // 8) for n in tissue.shape]
    blobs = random.smooth_field(tissue.shape, nodes)[0] > random.uniform(1.3, 2.2)
    colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    return tissue.masked_fill(blobs & (tissue >= Tissue.BACKGROUND), colour)


def _narrow_canal(
    random: Randomness, tissue: torch.Tensor, spacing_mm: Sequence[float], most_mm: float
) -> torch.Tensor:
    """Replace the outer CSF by background, so that some canals are tight and cords touch bone."""
    if random.chance(0.4):
        return tissue
    colour = int(random.scalars.integers(Tissue.BACKGROUND, TISSUE_COUNT))
    depth_mm = random.uniform(0, most_mm)
    reach = [max(0, round(depth_mm / s)) for s in spacing_mm[:2]]
    if max(reach) == 0:
        return tissue
    csf = tissue == Tissue.CSF
    box = _bounding_box(csf, [*reach, 0])
    if box is None:
        return tissue
    near_wall = _grow(tissue[box] >= Tissue.BACKGROUND, reach) & csf[box]
    if random.chance(0.4):
        nodes = [max(2, round(n / 12)) for n in tissue.shape]
        near_wall &= random.smooth_field(tissue.shape, nodes)[0][box] > 0
    narrowed = tissue.clone()
    narrowed[box] = tissue[box].masked_fill(near_wall, colour)
    return narrowed


def _grow(mask: torch.Tensor, reach: Sequence[int]) -> torch.Tensor:
    """Dilate a mask in plane by a rectangle of so many voxels each way."""
    for axis in range(2):
        grown = mask.clone()
        for step in range(1, min(reach[axis], mask.shape[axis] - 1) + 1):
            rest = mask.shape[axis] - step
            grown.narrow(axis, step, rest).logical_or_(mask.narrow(axis, 0, rest))
            grown.narrow(axis, 0, rest).logical_or_(mask.narrow(axis, step, rest))
        mask = grown
    return mask
