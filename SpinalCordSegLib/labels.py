# SPDX-License-Identifier: Apache-2.0
"""The structures: their label values, colours and SNOMED CT codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """A structure of the label map.

    Attributes
    ----------
    name : str
        Key in ``Result.masks``.
    title : str
        What a person reads.
    value : int
        Voxel value in ``Result.labels``; 0 for structures the label map does not hold.
    file_label : str
        The ``label-`` part of the names of its files.
    colour : tuple of int
        Red, green, blue, 0 to 255.
    category_code, category_meaning, code, meaning : str
        SNOMED CT, scheme ``SCT``.
    """

    name: str
    title: str
    value: int
    file_label: str
    colour: tuple[int, int, int]
    category_code: str
    category_meaning: str
    code: str
    meaning: str


_ANATOMY = ("123037004", "Anatomical Structure")
_ABNORMAL = ("49755003", "Morphologically Altered Structure")

LABELS: tuple[Label, ...] = (
    Label("cord", "Spinal cord", 1, "SC", (244, 214, 49), *_ANATOMY, "2748008", "Spinal cord"),
    Label(
        "gray_matter",
        "Spinal cord gray matter",
        2,
        "GM",
        (200, 200, 215),
        *_ANATOMY,
        "12958003",
        "Gray matter of spinal cord",
    ),
    Label(
        "lesion", "Spinal cord lesion", 3, "lesion", (228, 60, 50), *_ABNORMAL, "52988006", "Lesion"
    ),
    # White matter is the cord without its gray matter: it has a file, but no value of its own.
    Label(
        "white_matter",
        "Spinal cord white matter",
        0,
        "WM",
        (250, 250, 225),
        *_ANATOMY,
        "27088001",
        "White matter of spinal cord",
    ),
)

STRUCTURES: tuple[str, ...] = tuple(label.name for label in LABELS)


def label_named(name: str) -> Label:
    """Return the label of a structure.

    Raises
    ------
    KeyError
        If there is no such structure.
    """
    for label in LABELS:
        if label.name == name:
            return label
    raise KeyError(name)
