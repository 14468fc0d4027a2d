# SPDX-License-Identifier: Apache-2.0
"""Scans and their masks in a folder: found by name, read, and refused where they do not match."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePath

import numpy as np
import SimpleITK as sitk

from ..errors import InvalidArgument, InvalidImage
from ..evaluation.pairs import mask_name
from ..field_of_view import crop_to_content
from ..images import array_from, read_image, to_network_order
from ..network_order import stored_slices
from ..result_files import SUFFIXES, stem_of

LABEL_NAMES = {"cord": "SC", "gray_matter": "GM", "lesion": "lesion"}

_DERIVATIVES = "derivatives"
_RATER = "desc-rater"
# As Slicer names segmentations, which `segment` writes too.
_SEGMENTATION = ".seg.nrrd"

# Files round what they say of the geometry, and tools turn it a little: less than what moves a
# voxel to its neighbour.
_TOLERANCE_VOXELS = 0.25


@dataclass(frozen=True)
class ScanFiles:
    """A scan and its masks.

    Attributes
    ----------
    name : str
        Path of the image below the folder, without its suffix.
    subject : str
        Whom it shows: ``sub-`` in the name, else the first folder, else the name.
    image : Path
    masks : mapping of str to tuple of Path
        For each structure one mask, or one a rater.
    """

    name: str
    subject: str
    image: Path
    masks: Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True)
class Scan:
    """A scan in memory, in network order, without padding.

    Attributes
    ----------
    name, subject : str
    volume : ndarray, (X, Y, Z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    spacing_mm : (x, y, z)
    masks : mapping of str to ndarray of float32, (X, Y, Z)
        0 to 1: the mean over the raters.
    stored_slices : ndarray of int, (Z,)
        Index of each slice in the image as it is stored.
    """

    name: str
    subject: str
    volume: np.ndarray
    spacing_mm: tuple[float, float, float]
    masks: Mapping[str, np.ndarray]
    stored_slices: np.ndarray


def find_scans(folder: Path, structures: Sequence[str]) -> list[ScanFiles]:
    """Return the scans in a folder, its subfolders included, with their masks.

    A mask is named after its image: ``STEM_label-SC_mask`` (cord), ``STEM_label-GM_mask`` or
    ``STEM_label-lesion_mask``, as ``segment`` and BIDS write it; ``STEM_seg``, ``STEM_gmseg`` and
    the other names that ``evaluate`` knows count too. It lies beside the image, or below a folder
    ``derivatives`` in a folder of the same name as the image's. Several masks of one structure are
    averaged where each has ``desc-rater1``, ``desc-rater2`` and so on in its name.

    Parameters
    ----------
    structures : sequence of str
        Keys of :data:`LABEL_NAMES` that every scan must have a mask of. The cord's is taken too
        where it is there.

    Raises
    ------
    InvalidArgument
        If there is no image, an image without a mask that it must have, a mask without an
        image, or more than one mask of one structure.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"there is no folder {folder}", "give a folder of scans with --data")
    masks: dict[tuple[PurePath, str, str], list[Path]] = defaultdict(list)
    images: list[tuple[PurePath, str, Path]] = []
    for path in _files(folder):
        place = path.relative_to(folder).parent
        stem, shown = mask_name(stem_of(path))
        if shown in LABEL_NAMES:
            masks[place, stem, str(shown)].append(path)
        elif shown is None and _DERIVATIVES not in place.parts:
            images.append((place, stem, path))
    if not images:
        raise InvalidArgument(
            f"{folder} holds no image", "give a folder of NIfTI, NRRD or MetaImage files"
        )
    scans = [_scan_files(place, path, folder, masks, structures) for place, _, path in images]
    used = {path for scan in scans for paths in scan.masks.values() for path in paths}
    for (_, _, shown), paths in masks.items():
        if shown in structures and not used.issuperset(paths):
            raise InvalidArgument(
                f"the mask {paths[0].relative_to(folder)} belongs to no image",
                "name it after its image, and put it beside it or below derivatives",
            )
    return scans


def read_scan(files: ScanFiles) -> Scan:
    """Read a scan and its masks.

    Raises
    ------
    InvalidImage
        If a file cannot be read, a mask lies on another grid, or it is empty where it must not be:
        only of lesions may there be none.
    """
    image = read_image(files.image)
    whole = to_network_order(image)
    ordered = crop_to_content(whole)
    first = whole.TransformPhysicalPointToIndex(ordered.GetOrigin())
    box = tuple(slice(f, f + n) for f, n in zip(first, ordered.GetSize(), strict=True))
    masks = {
        structure: np.mean([_read_mask(path, whole, files)[box] for path in paths], axis=0)
        for structure, paths in files.masks.items()
    }
    for structure, mask in masks.items():
        if structure != "lesion" and not mask.any():
            raise InvalidImage(
                f"the mask {files.masks[structure][0].name} is empty",
                "draw it, or take its image out of the folder",
            )
    spacing = ordered.GetSpacing()
    return Scan(
        files.name,
        files.subject,
        array_from(ordered),
        (spacing[0], spacing[1], spacing[2]),
        masks,
        stored_slices(image)[box[2]],
    )


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.lower().endswith(SUFFIXES)
        and not path.name.lower().endswith(_SEGMENTATION)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]


def _scan_files(
    place: PurePath,
    image: Path,
    folder: Path,
    masks: Mapping[tuple[PurePath, str, str], Sequence[Path]],
    structures: Sequence[str],
) -> ScanFiles:
    name = (place / stem_of(image)).as_posix()
    chosen: dict[str, tuple[Path, ...]] = {}
    # The cord tells where to look, also where it is not what is outlined.
    for structure in dict.fromkeys((*structures, "cord")):
        found = [
            path
            for (where, stem, shown), paths in masks.items()
            if shown == structure
            and stem == mask_name(stem_of(image))[0]
            and (where == place or _mirrors(where, place))
            for path in paths
        ]
        if len(found) > 1 and not all(_RATER in path.name.lower() for path in found):
            both = " and ".join(str(path.relative_to(folder)) for path in found[:2])
            raise InvalidArgument(
                f"{name} has more than one mask of the {structure.replace('_', ' ')}: {both}",
                f"keep one, or put {_RATER}1, {_RATER}2 into the names of several raters' masks",
            )
        if found:
            chosen[structure] = tuple(found)
        elif structure in structures:
            raise InvalidArgument(
                f"{name} has no mask of the {structure.replace('_', ' ')}",
                f"put {stem_of(image)}_label-{LABEL_NAMES[structure]}_mask.nii.gz beside it or "
                "below derivatives, or take the image out of the folder",
            )
    return ScanFiles(name, _subject(place, name), image, chosen)


def _mirrors(where: PurePath, place: PurePath) -> bool:
    """Tell whether a folder lies below ``derivatives`` as `place` lies in the data set."""
    if _DERIVATIVES not in where.parts:
        return False
    below = where.parts[where.parts.index(_DERIVATIVES) + 1 :]
    return below[len(below) - len(place.parts) :] == place.parts


def _subject(place: PurePath, name: str) -> str:
    words = [word for part in PurePath(name).parts for word in part.split("_")]
    named = [word for word in words if word.startswith("sub-")]
    return named[0] if named else (place.parts or (name,))[0]


def _read_mask(path: Path, image: sitk.Image, files: ScanFiles) -> np.ndarray:
    """Return a mask in network order, float32, 0 to 1."""
    mask = to_network_order(read_image(path, allow_constant=True))
    if not _same_grid(mask, image):
        raise InvalidImage(
            f"the mask {path.name} is not on the grid of its image {files.image.name}",
            "draw it on this image, or resample it by nearest neighbour",
        )
    values = array_from(mask)
    if values.dtype.kind == "f" and values.max() <= 1:
        return np.clip(values, 0, 1).astype(np.float32)
    return (values > 0).astype(np.float32)


def _same_grid(mask: sitk.Image, image: sitk.Image) -> bool:
    if mask.GetSize() != image.GetSize():
        return False
    corners = product(*[(0, n - 1) for n in image.GetSize()])
    apart = [
        np.subtract(
            image.TransformPhysicalPointToContinuousIndex(
                mask.TransformIndexToPhysicalPoint(corner)
            ),
            corner,
        )
        for corner in corners
    ]
    return bool(np.abs(apart).max() < _TOLERANCE_VOXELS)
