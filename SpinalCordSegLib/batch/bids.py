# SPDX-License-Identifier: Apache-2.0
"""BIDS: which files of a dataset are scans, their contrast, and the names of what is made of them.

Names are those of BIDS 1.10, derivatives: the entities of the scan, then ``label`` and ``desc``.
A mask's name has no place for the scan's suffix, so ``desc`` keeps it: two contrasts of a subject
would have the same name without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..version import __version__

VERSION = "1.10.0"

# Suffixes of images that show a cord, and the contrast of each, where the suffix tells.
SUFFIXES: dict[str, str] = {
    "T1w": "t1",
    "T2w": "t2",
    "T2starw": "t2s",
    "T2star": "t2s",
    "MEGRE": "t2s",
    "UNIT1": "t1",
    "PDw": "auto",
    "FLAIR": "auto",
    "MTS": "auto",
    "MTR": "auto",
    "dwi": "dwi",
}

# Entities that names of masks have, beside those of all derivatives (rules.files.deriv.imaging of
# the schema). Others of the scan, such as mt-on, go into ``desc``, or two scans would collide.
_ENTITIES = ("sub", "ses", "acq", "rec", "run", "part", "chunk")
_ENTITIES_OF = {"dwi": (*_ENTITIES, "dir")}
_ENTITIES_OF_ANATOMY = (*_ENTITIES, "task", "ce", "echo")

# What the format has no name for, and why it is there all the same.
EXCEPTIONS: dict[str, str] = {
    "*_seg.seg.nrrd": "the segmentation as Slicer opens it, with names and colours",
    "*_centerline.mrk.json": "the curve as Slicer opens it",
    "*_centerline.csv": "the curve as a table; BIDS has no curves",
    "*_slices.csv": "areas along the cord; BIDS has no such table",
    "*_seg.json": "provenance, measurements and the review list of the scan as a whole",
    "*_overview.png": "the picture of the result",
    "*_qc_axial.jpg": "axial slices for the QC report",
    "*_qc_sagittal.jpg": "the view along the cord for the QC report",
    "*_qc.json": "outlines in these pictures",
    "batch.json": "state of the whole batch",
    "status.csv": "state of the whole batch as a table",
    "measurements.csv": "measurements of the whole batch",
    "report*.html": "the QC report",
    ".spinalcordseg-batch/": "what a later run resumes from",
}

_NAME = re.compile(r"sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9+]+)*_(?P<suffix>[A-Za-z0-9]+)")


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder is a BIDS dataset."""
    description = folder / "dataset_description.json"
    try:
        content = json.loads(description.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "BIDSVersion" in content


def scan_files(dataset: Path) -> list[Path]:
    """Return the images of a dataset that can show a cord, derivatives left out, sorted."""
    found: list[Path] = []
    for kind in ("anat", "dwi"):
        for pattern in (f"sub-*/{kind}/*", f"sub-*/ses-*/{kind}/*"):
            found += (path for path in dataset.glob(pattern) if suffix_of(path) in SUFFIXES)
    return sorted(found)


def suffix_of(path: Path) -> str:
    """Return the suffix of a file's BIDS name, such as ``T2w``; empty if it has none."""
    for extension in (".nii.gz", ".nii"):
        if path.name.endswith(extension):
            match = _NAME.fullmatch(path.name.removesuffix(extension))
            return match["suffix"] if match else ""
    return ""


def contrast_of(path: Path) -> str:
    """Return the contrast that a BIDS name tells, ``auto`` if it does not."""
    return SUFFIXES.get(suffix_of(path), "auto")


def derivative_name(stem: str, name: str) -> str:
    """Return the BIDS derivatives name of a file of a result.

    Parameters
    ----------
    stem : str
        Of the scan: ``sub-01_acq-ax_T2w``.
    name : str
        As ``result_files`` names it: ``sub-01_acq-ax_T2w_label-SC_mask.nii.gz``.

    Returns
    -------
    str
        ``sub-01_acq-ax_label-SC_desc-T2w_mask.nii.gz``.
    """
    *pairs, suffix = stem.split("_")
    known = _ENTITIES_OF.get(suffix, _ENTITIES_OF_ANATOMY)
    entities = "_".join(pair for pair in pairs if pair.split("-")[0] in known)
    others = "".join(pair.replace("-", "") for pair in pairs if pair.split("-")[0] not in known)
    description = f"desc-{suffix}{others}"
    rest = name.removeprefix(f"{stem}_")
    label = re.fullmatch(r"(label-[A-Za-z0-9]+)_(mask|prob)(\..*)", rest)
    if label is None:
        return f"{entities}_{description}_{rest}"
    kind = {"mask": "mask", "prob": "probseg"}[label[2]]
    return f"{entities}_{label[1]}_{description}_{kind}{label[3]}"


def sidecar(source: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes beside a mask.

    Parameters
    ----------
    source : str
        The scan, relative to its dataset.
    provenance : mapping
        How the mask came about.
    """
    return {
        "Description": "Made by spinalcordseg, not corrected by hand",
        "Type": "ROI",
        "Manual": False,
        "SpatialReference": "orig",
        "Sources": [f"bids:raw:{source}"],
        "SpinalCordSeg": dict(provenance),
    }


def dataset_description(raw: Path, output: Path) -> dict[str, Any]:
    """Return the description of the derivatives of a dataset.

    The dataset is linked to only where the output lies inside it: any other way there would tell
    about the folders of this computer.
    """
    description: dict[str, Any] = {
        "Name": "Spinal cord segmentations",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "License": "n/a",
        "GeneratedBy": [{"Name": "spinalcordseg", "Version": __version__}],
    }
    raw, output = raw.resolve(), output.resolve()
    if raw in output.parents:
        up = len(output.relative_to(raw).parts)
        description["DatasetLinks"] = {"raw": "/".join([".."] * up)}
    return description


def readme() -> str:
    """Return the README of the derivatives."""
    listed = "".join(f"- `{name}`: {reason}\n" for name, reason in EXCEPTIONS.items())
    return (
        "# Spinal cord segmentations\n\n"
        "Made by `spinalcordseg batch`. Masks are `label-<structure>`; `desc` is the suffix of the "
        "scan.\nFiles that BIDS has no name for are listed in `.bidsignore`:\n\n" + listed
    )


def bidsignore() -> str:
    """Return the names that a validator is to pass over."""
    return "".join(f"{name}\n" for name in EXCEPTIONS)
