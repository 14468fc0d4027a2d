# SPDX-License-Identifier: Apache-2.0
"""Which prediction belongs to which reference: two folders matched by the names of their files.

A file's name is the scan's, then what the mask shows: ``STEM_label-SC_mask`` as ``segment`` and
BIDS write it, ``STEM_seg-manual``, ``STEM_gmseg``, ``STEM_lesion``, ``STEM_cord`` and so on. What
is left when that is taken away must agree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..result_files import SUFFIXES, stem_of

# The words with which names say what a mask shows. Before "seg" stands nothing for the cord.
_WORDS = {
    "cord": {"sc", "cord", "spinalcord", "scseg", "cordseg", "label-sc", "label-cord"},
    "gray_matter": {"gm", "gmseg", "graymatter", "greymatter", "label-gm"},
    "white_matter": {"wm", "wmseg", "label-wm"},
    "lesion": {"lesion", "lesions", "lesionseg", "label-lesion"},
    "other": {"csf", "csfseg", "label-csf", "prob", "centerline", "discs", "label-discs"},
}
_MASK_WORDS = {"mask", "seg", "dseg", "manual"}
_BY_WORD = {word: structure for structure, words in _WORDS.items() for word in words}


@dataclass(frozen=True)
class Pair:
    """Two files of one scan.

    Attributes
    ----------
    name : str
        The scan's, with its folder below the reference's where there is one.
    prediction, reference : Path
    """

    name: str
    prediction: Path
    reference: Path


@dataclass(frozen=True)
class Pairing:
    """What two folders hold.

    Attributes
    ----------
    pairs : tuple of Pair
        Sorted by name.
    missing : tuple of str
        References without a prediction: their paths below the folder.
    extra : tuple of str
        Predictions without a reference.
    """

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def match_folders(predictions: Path, references: Path, structure: str) -> Pairing:
    """Match the masks of two folders, their subfolders included.

    Parameters
    ----------
    predictions, references : Path
    structure : str
        Name as in ``LABELS``. Files named after another structure are passed over; files whose
        name does not say what they show count where no file of the same scan says so.

    Returns
    -------
    Pairing
        Scans are matched by their name and folder, then those left over by their name alone
        where it occurs once. Where several masks of one folder have the same name, none of them
        is matched.
    """
    ours = _masks_of(predictions, structure)
    theirs = _masks_of(references, structure)
    found = {key: key for key in theirs if key in ours}
    left = {side: _by_stem(set(masks) - set(found)) for side, masks in (("p", ours), ("r", theirs))}
    for stem, keys in left["r"].items():
        partners = left["p"].get(stem, [])
        if len(keys) == 1 and len(partners) == 1:
            found[keys[0]] = partners[0]
    if _any_says_so(ours) and _any_says_so(theirs):
        # Two files that do not say what they show are then the scan itself, twice.
        found = {r: p for r, p in found.items() if theirs[r].says_so or ours[p].says_so}
    pairs = [Pair(_name(key), ours[found[key]].path, theirs[key].path) for key in found]
    return Pairing(
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        _left_over(theirs, found.keys(), references),
        _left_over(ours, found.values(), predictions),
    )


def mask_name(stem: str) -> tuple[str, str | None]:
    """Return the scan's part of a mask's name, and what the rest says that it shows.

    Parameters
    ----------
    stem : str
        Of the file, see :func:`SpinalCordSegLib.result_files.stem_of`.

    Returns
    -------
    scan : str
    shown : str or None
        A name as in ``LABELS``, ``other`` for what is neither an image nor one of these, or None:
        the name says nothing, as that of an image.
    """
    words = stem.split("_")
    segmented = False
    while words:
        word = words[-1].lower()
        # BIDS says with "desc-" who or what made the mask.
        word = "mask" if word.startswith("desc-") else re.sub(r"-(manual|auto)$", "", word)
        if word in _BY_WORD:
            return "_".join(words[:-1]), _BY_WORD[word]
        if word not in _MASK_WORDS:
            break
        segmented = segmented or word == "seg"
        words.pop()
    return "_".join(words), "cord" if segmented else None


@dataclass(frozen=True)
class _MaskFile:
    path: Path
    says_so: bool


# Folder below the one given, and the scan's part of the file's name.
_Key = tuple[str, str]


def _masks_of(folder: Path, structure: str) -> dict[_Key, _MaskFile]:
    said: dict[_Key, list[Path]] = defaultdict(list)
    unsaid: dict[_Key, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not _may_be_mask(path, folder):
            continue
        stem, shown = mask_name(stem_of(path))
        key = (path.parent.relative_to(folder).as_posix(), stem)
        if shown in (structure, None):
            (unsaid if shown is None else said)[key].append(path)
    masks: dict[_Key, _MaskFile] = {}
    for key in {**unsaid, **said}:
        # Beside a mask that says what it shows, the others of that name are images.
        paths, says_so = (said[key], True) if key in said else (unsaid[key], False)
        for path in paths:
            # Of several under one name, each counts under its own, so that it is told.
            own = key if len(paths) == 1 else (key[0], path.name)
            masks[own] = _MaskFile(path, says_so)
    return masks


def _may_be_mask(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.name.lower().endswith(SUFFIXES) and not hidden and path.is_file()


def _by_stem(keys: Iterable[_Key]) -> Mapping[str, list[_Key]]:
    grouped: dict[str, list[_Key]] = defaultdict(list)
    for key in keys:
        grouped[key[1]].append(key)
    return grouped


def _left_over(
    masks: Mapping[_Key, _MaskFile], matched: Iterable[_Key], folder: Path
) -> tuple[str, ...]:
    """Return the files without a partner; beside named masks, the others are images."""
    rest = [mask for key, mask in masks.items() if key not in set(matched)]
    return tuple(
        sorted(
            mask.path.relative_to(folder).as_posix()
            for mask in rest
            if mask.says_so or not _any_says_so(masks)
        )
    )


def _any_says_so(masks: Mapping[_Key, _MaskFile]) -> bool:
    return any(mask.says_so for mask in masks.values())


def _name(key: _Key) -> str:
    folder, stem = key
    return stem if folder == "." else f"{folder}/{stem}".rstrip("/")
