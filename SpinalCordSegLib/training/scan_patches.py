# SPDX-License-Identifier: Apache-2.0
"""Patches of real scans around the cord: prepared as for inference, then changed at random.

The curve that is followed is that of the mask; patches lie off it by as much as a found one may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..centerline.smoothing import smooth_curve
from ..errors import InvalidArgument
from ..segmentation.along_curve import straighten
from ..segmentation.cord_scale import scaled_to_cord
from .augmentation import flipped, random_grid, relit, with_other_edges
from .configuration import TrainingConfiguration
from .cord_alone import cord_alone
from .randomness import Randomness, seeded
from .repeated_images import turned_and_cropped
from .scans import Scan, find_scans, read_scan

# Voxels that elastic deformation may reach beyond a patch.
_ELASTIC_MARGIN = 4

TRAINING, HELD_BACK, LEFT_OUT = "training", "held back", "left out"

# Seeds of what is done once, before the first epoch.
_SPLIT = 2**31


@dataclass(frozen=True)
class Block:
    """The straightened neighbourhood of the curve of one scan, wider than a patch.

    Attributes
    ----------
    channels : Tensor of float32, (2 + C, X, Y, Z)
        The image, 0 where there is none; 1 where there is one; the C structures, 0 to 1.
    known : ndarray of bool, (Z,)
        Rows for which the structures are drawn; on the others the image alone is known.
    spacing_mm : (x, y, z)
    """

    channels: torch.Tensor
    known: np.ndarray
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class ScanPatches:
    """Scans to train on.

    Attributes
    ----------
    training, held_back : tuple of Block
    places : tuple of (int, int)
        Block and first row of each patch of the training blocks.
    roles : tuple of (str, str, str)
        Name of the scan; :data:`TRAINING`, :data:`HELD_BACK` or :data:`LEFT_OUT`; and which of its
        slices, as it is stored, such as ``0-8,12``.
    """

    training: tuple[Block, ...]
    held_back: tuple[Block, ...]
    places: tuple[tuple[int, int], ...]
    roles: tuple[tuple[str, str, str], ...]

    @property
    def patches(self) -> int:
        """Different patches to train on."""
        return len(self.places)


def read_scans(
    folder: Path, configuration: TrainingConfiguration, validation: float = 0.2
) -> ScanPatches:
    """Read the scans of a folder, and hold some back.

    Parameters
    ----------
    folder : Path
        See :func:`.scans.find_scans`.
    configuration : TrainingConfiguration
    validation : float
        Share of the subjects to hold back; of the scans where all are of one subject; of the
        slices, from the top, where there is one scan; 0 for none.

    Raises
    ------
    InvalidArgument, InvalidImage
        If images and masks do not match.
    """
    scans = [read_scan(files) for files in find_scans(folder, _drawn(configuration))]
    if configuration.model == "lesion" and not any(s.masks["lesion"].any() for s in scans):
        raise InvalidArgument(
            f"no mask of lesions in {folder} holds a lesion", "add scans that show some"
        )
    parts = _split(scans, configuration, validation)
    blocks, held_back = (
        [block for part in parts if part.role == role for block in _blocks(part, configuration)]
        for role in (TRAINING, HELD_BACK)
    )
    return ScanPatches(
        training=tuple(blocks),
        held_back=tuple(held_back),
        places=tuple(
            (index, start)
            for index, block in enumerate(blocks)
            for start in _starts(block, configuration.patch_voxels[2])
        ),
        roles=tuple((part.scan.name, part.role, _listed(part)) for part in parts),
    )


def random_patch(
    scans: ScanPatches, configuration: TrainingConfiguration, place: int, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the patch that a training draws at a place in its order.

    Parameters
    ----------
    place : int
        Counted from 0 over all epochs. Within an epoch each patch comes once, or as often as
        ``configuration.images`` says, in random order, each time changed in another way.
    share : float
        Width of the patch, and its distance from the curve, compared with the configuration's.

    Returns
    -------
    image : Tensor of float32, (1, X, Y[, Z])
        Normalised; 0 outside the image.
    target : Tensor of float32, (C, X, Y[, Z])
        0 to 1; NaN where nobody drew.
    """
    images, augmentation = configuration.images, configuration.augmentation
    drawn = scans.patches * (images.copies if images else 1)
    epoch, rank = divmod(place, drawn)
    order = np.random.default_rng((configuration.seed, epoch)).permutation(drawn)
    index, start = scans.places[int(order[rank]) % scans.patches]
    block, random = scans.training[index], seeded((configuration.seed, epoch, rank))
    x, y, length = configuration.patch_voxels
    shape = (round(x * share), round(y * share), length)
    grid = random_grid(shape, block.spacing_mm, augmentation, random)
    for axis, reach_mm in enumerate(configuration.off_centre_mm):
        # Whole voxels: what is not turned or bent is not interpolated either.
        grid[axis] += round(random.uniform(-1, 1) * reach_mm * share / block.spacing_mm[axis])
    grid[2] += _moved_start(start, length, block, random)
    image, target = _cut(block, grid)
    planes = torch.cat([torch.from_numpy(relit(image, augmentation, random))[None], target])
    planes = flipped(planes, augmentation, random)
    if configuration.model == "lesion":
        planes[-1] = with_other_edges(planes[-1], augmentation, random)
    planes = planes[..., 0] if length == 1 else planes
    planes = turned_and_cropped(planes, images, random) if images else planes
    if configuration.intensity == "cord":
        pixel_mm = configuration.spacing_mm[0]
        return cord_alone(planes[:1], planes[1:], random, pixel_mm, configuration.fluid_up)
    return planes[:1], planes[1:]


def centre_of(block: Block, configuration: TrainingConfiguration) -> tuple[np.ndarray, np.ndarray]:
    """Return what inference sees of a block, and what the network is for there.

    Returns
    -------
    values : ndarray of float32, (X, Y, Z)
        As wide as a patch; NaN outside the image.
    target : ndarray of float32, (X, Y, Z)
        0 to 1; NaN where nobody drew, and outside the cord if only that is shown.
    """
    middle = tuple(
        slice((size - n) // 2, (size - n) // 2 + n)
        for size, n in zip(block.channels.shape[1:3], configuration.patch_voxels, strict=False)
    )
    image, seen, *targets = block.channels[(slice(None), *middle)]
    image = torch.where(seen > 0, image, torch.nan)
    target = targets[-1].masked_fill(~torch.from_numpy(block.known), torch.nan)
    if configuration.intensity == "cord":
        # What such a network says of the rest means nothing, and counts nowhere.
        target = target.masked_fill(targets[0] == 0, torch.nan)
        rows, fluid_up = configuration.patch_voxels[2], configuration.fluid_up
        image = scaled_to_cord(image, targets[0], rows, fluid_up)
    return image.numpy(), target.numpy()


def _drawn(configuration: TrainingConfiguration) -> tuple[str, ...]:
    """Return what must be drawn: lesions alone do not tell where the cord is."""
    guide = ("cord",) if configuration.model == "lesion" else ()
    return tuple(dict.fromkeys((*guide, *configuration.structures)))


@dataclass(frozen=True)
class _Part:
    """Some slices of a scan, and what is done with them."""

    scan: Scan
    slices: np.ndarray
    role: str


def _split(
    scans: Sequence[Scan], configuration: TrainingConfiguration, validation: float
) -> list[_Part]:
    """Say what is trained on, held back and left out."""
    if configuration.slices:
        return [part for scan in scans for part in _dealt_slices(scan, configuration.slices)]
    whole = [_Part(scan, _marked(scan), TRAINING) for scan in scans]
    if not validation:
        return whole
    groups = [scan.subject for scan in scans]
    groups = groups if len(set(groups)) > 1 else [scan.name for scan in scans]
    different = sorted(set(groups))
    if len(different) == 1:
        return _split_slices(whole[0], validation)
    count = min(max(1, round(validation * len(different))), len(different) - 1)
    order = np.random.default_rng((configuration.seed, _SPLIT)).permutation(len(different))
    apart = {different[index] for index in order[:count]}
    return [
        replace(part, role=HELD_BACK) if group in apart else part
        for part, group in zip(whole, groups, strict=True)
    ]


def _split_slices(whole: _Part, validation: float) -> list[_Part]:
    """Return the lower slices, and the upper ones that are held back."""
    rows = np.flatnonzero(whole.slices)
    count = max(1, round(validation * rows.size))
    if count >= rows.size:
        raise InvalidArgument(
            f"{rows.size} slices with a mask are too few to hold {count} of them back",
            "add scans, or give --validation 0",
        )
    upper = whole.slices.copy()
    upper[: rows[-count]] = False
    return [
        replace(whole, slices=whole.slices & ~upper),
        replace(whole, slices=upper, role=HELD_BACK),
    ]


def _dealt_slices(scan: Scan, counts: Sequence[int]) -> list[_Part]:
    """Deal out slices, each time evenly spaced over those that are left."""
    left, parts = np.flatnonzero(_marked(scan)), []
    if left.size < sum(counts):
        raise InvalidArgument(
            f"{scan.name} has {left.size} slices with a mask, and the configuration asks for "
            f"{sum(counts)}",
            "draw more, or change its value with --set slices=[4,2,2]",
        )
    for count, role in zip(counts, (TRAINING, HELD_BACK, LEFT_OUT), strict=True):
        places = ((np.arange(count) + 0.5) * left.size / max(count, 1)).astype(int)
        slices = np.isin(np.arange(scan.stored_slices.size), left[places])
        parts.append(_Part(scan, slices, role))
        left = np.delete(left, places)
    return parts


def _marked(scan: Scan) -> np.ndarray:
    """Return the slices that have a mask; on the others nobody may just have drawn one."""
    outlined = scan.masks.get("gray_matter", _guide(scan))
    return np.logical_and(outlined.any(axis=(0, 1)), _guide(scan).any(axis=(0, 1)))


def _guide(scan: Scan) -> np.ndarray:
    """Return the mask whose middle the curve follows."""
    return scan.masks["cord"] if "cord" in scan.masks else scan.masks["gray_matter"]


def _listed(part: _Part) -> str:
    """Return the slices of a part as ``--slices`` takes them."""
    numbers = np.sort(part.scan.stored_slices[part.slices])
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ",".join(f"{run[0]}-{run[-1]}" if run.size > 1 else f"{run[0]}" for run in runs)


def _blocks(part: _Part, configuration: TrainingConfiguration) -> list[Block]:
    """Return one block, or for a network of slices one for each run of them."""
    runs = [part.slices]
    if configuration.patch_voxels[2] == 1:
        labels, count = ndimage.label(part.slices)
        runs = [labels == run for run in range(1, count + 1)]
    return [_block(part.scan, run, configuration) for run in runs]


def _block(scan: Scan, slices: np.ndarray, configuration: TrainingConfiguration) -> Block:
    """Return the block around the slices that count, and as far beyond as a patch may look."""
    x, y, z = configuration.spacing_mm
    length = configuration.patch_voxels[2]
    spacing = (x, y, scan.spacing_mm[2] if length == 1 else z)
    rows = np.flatnonzero(slices)
    beyond = 0 if length == 1 else int(np.ceil(length * z / scan.spacing_mm[2]))
    reached = np.arange(max(0, rows[0] - beyond), min(slices.size, rows[-1] + 1 + beyond))
    curve = np.full((slices.size, 2), np.nan)
    curve[reached] = _curve(scan)[reached]
    names = configuration.structures
    drawn = np.broadcast_to(slices.astype(np.float32), scan.volume.shape)
    volumes = (scan.volume, drawn, *(scan.masks[name] * drawn for name in names))
    image, known, *targets = (
        straighten(values, scan.spacing_mm, curve, spacing, _width(configuration)).values
        for values in volumes
    )
    seen, known = np.isfinite(image), np.nan_to_num(known)
    # Between a slice that is drawn and one that is not, the drawn one counts alone.
    shares = [np.nan_to_num(target) / np.maximum(known, 0.5) for target in targets]
    channels = [np.where(seen, image, 0), seen, *(np.clip(share, 0, 1) for share in shares)]
    return Block(
        torch.from_numpy(np.stack(channels).astype(np.float32)),
        known.max(axis=(0, 1)) >= 0.5,
        spacing,
    )


def _curve(scan: Scan) -> np.ndarray:
    """Return the smooth curve through the middle of the mask, (Z, 2), and on past its ends."""
    guide = _guide(scan)
    centres = [
        [*ndimage.center_of_mass(guide[:, :, k]), k] for k in np.flatnonzero(guide.any(axis=(0, 1)))
    ]
    height_mm = np.arange(guide.shape[2]) * scan.spacing_mm[2]
    smooth = smooth_curve(np.array(centres) * scan.spacing_mm, at_mm=height_mm)
    return smooth[:, :2] / scan.spacing_mm[:2]


def _width(configuration: TrainingConfiguration) -> tuple[int, int]:
    """Return how wide a block must be for patches off the curve, turned and bent."""
    augmentation = configuration.augmentation
    angle = np.deg2rad(augmentation.rotation_degrees)
    growth = (np.cos(angle) + np.sin(angle)) * (1 + augmentation.scale) - 1
    bent = _ELASTIC_MARGIN if augmentation.elastic else 0
    x, y = (
        n + 2 * int(np.ceil(reach / step + growth * n / 2 + bent))
        for n, reach, step in zip(
            configuration.patch_voxels,
            configuration.off_centre_mm,
            configuration.spacing_mm,
            strict=False,
        )
    )
    return x, y


def _starts(block: Block, length: int) -> list[int]:
    """Return the first rows of the fewest patches that cover the rows that are drawn."""
    drawn = np.flatnonzero(block.known)
    if length == 1:
        return drawn.tolist()
    first, count = int(drawn[0]), int(drawn[-1] - drawn[0]) + 1
    # Patches are longer than few rows, which then lie in their middle.
    low, high = sorted((first, first + count - length))
    wanted = -(-count // length)
    starts = np.linspace(low, high, wanted) if wanted > 1 else [(low + high) / 2]
    return [
        start
        for start in (round(float(s)) for s in starts)
        if block.known[max(0, start) : start + length].any()
    ]


def _moved_start(start: int, length: int, block: Block, random: Randomness) -> int:
    """Return a first row near `start`, such that something drawn is still seen."""
    if length == 1:
        return start
    drawn = np.flatnonzero(block.known)
    moved = start + round(random.uniform(-0.5, 0.5) * length)
    # At least a quarter of a patch, or all that is drawn.
    overlap = min(length // 4, drawn.size)
    return int(np.clip(moved, drawn[0] + overlap - length, drawn[-1] + 1 - overlap))


def _cut(block: Block, grid: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
    """Interpolate the image, NaN where there is none, and the targets at the voxels of a grid."""
    size = np.array(block.channels.shape[1:], np.float32).reshape(3, 1, 1, 1)
    middle = np.array([(size[0, 0, 0, 0] - 1) / 2, (size[1, 0, 0, 0] - 1) / 2, 0], np.float32)
    index = grid + middle.reshape(3, 1, 1, 1)
    low, high = max(0, int(index[2].min())), int(np.ceil(index[2].max())) + 1
    rows = block.channels[..., low:high]
    index[2] -= low
    size[2] = rows.shape[3]
    # grid_sample wants the last axis first, and the outer edges of the voxels at -1 and 1.
    normalised = np.flip((2 * index + 1) / size - 1, axis=0).copy()
    places = torch.from_numpy(normalised).permute(1, 2, 3, 0)[None]
    found = F.grid_sample(rows[None], places, align_corners=False)[0]
    seen = found[1] > 0.5
    image = torch.where(seen, found[0] / found[1].clamp(min=0.5), torch.nan)
    row = np.rint(index[2]).astype(int)
    drawn = np.concatenate([block.known[low:high], [False]])
    outside = (row < 0) | (row >= rows.shape[3])
    known = torch.from_numpy(drawn[np.where(outside, -1, row)])
    return image.numpy(), torch.where(known, found[2:] * seen, torch.nan)
