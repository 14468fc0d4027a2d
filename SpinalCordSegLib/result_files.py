# SPDX-License-Identifier: Apache-2.0
"""The files of a result: their names, and writing them all or none."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .centerline.curve import Centerline
from .contrasts import CONTRASTS
from .dicom_segmentation import write_dicom_segmentation
from .errors import InvalidArgument, OutputNotWritable
from .labels import LABELS, Label, label_named
from .measurement.lesions import Lesion, measure_lesions
from .output import all_or_none, check_output
from .overview import overview_png
from .result import Result

if TYPE_CHECKING:
    from pydicom import Dataset

# Formats that keep an image in one file.
_ONE_FILE = (".nii.gz", ".nii", ".nrrd", ".mha")
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


def stem_of(path: str | os.PathLike[str]) -> str:
    """Return what the names of an image's results begin with.

    Parameters
    ----------
    path : path
        An image file, or a folder of DICOM files.

    Returns
    -------
    str
        The file name without .nii, .nii.gz, .nrrd or .mha; for a folder the DICOM series
        description, or the folder's name where there is none.
    """
    path = Path(path)
    if path.is_dir():
        return _series_description(path) or path.resolve().name
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def result_paths(
    directory: str | os.PathLike[str],
    stem: str,
    structures: Iterable[str] = ("cord",),
    soft: bool = False,
    dicom: bool = False,
) -> list[Path]:
    """Return the files that :func:`write_result` writes, in its order.

    Parameters
    ----------
    directory : path
    stem : str
        As :func:`stem_of` gives it.
    structures : iterable of str
        Names as in ``LABELS``.
    soft : bool
        Whether probabilities are written too.
    dicom : bool
        Whether a DICOM segmentation is written too.
    """
    directory = Path(directory)
    names = [f"{stem}_label-{label_named(name).file_label}_mask.nii.gz" for name in structures]
    if soft:
        names += [name.replace("_mask.nii.gz", "_prob.nii.gz") for name in names]
    names += [f"{stem}_seg.seg.nrrd", *_centerline_names(stem)]
    names += [f"{stem}_seg.json", f"{stem}_overview.png"]
    if dicom:
        names.append(f"{stem}_seg.dcm")
    return [directory / name for name in names]


def centerline_paths(directory: str | os.PathLike[str], stem: str) -> list[Path]:
    """Return the files that :func:`write_centerline` writes."""
    return [Path(directory) / name for name in _centerline_names(stem)]


def write_result(
    result: Result,
    directory: str | os.PathLike[str],
    stem: str,
    soft: bool,
    overwrite: bool,
    image: sitk.Image,
    slices: Sequence[Dataset] = (),
) -> list[Path]:
    """Write every file of a result, or none.

    Parameters
    ----------
    result : Result
    directory : path
        Made if it does not exist.
    stem : str
        What the names begin with.
    soft : bool
        Also write the probabilities.
    overwrite : bool
        Replace files that exist.
    image : sitk.Image
        The image that was segmented, for the overview.
    slices : sequence of pydicom.Dataset
        The DICOM headers of its slices, as :func:`~.dicom_segmentation.source_slices` gives them,
        to write a DICOM segmentation too.

    Returns
    -------
    list of Path
        As :func:`result_paths`.

    Raises
    ------
    OutputExists, OutputNotWritable, OutOfResources
        Nothing is written then, and what was there before is still there.
    """
    structures = [label.name for label in LABELS if label.name in result.masks]
    paths = result_paths(directory, stem, structures, soft, bool(slices))
    # Probabilities or DICOM of an earlier run would not belong to the new masks.
    every = result_paths(directory, stem, structures, soft=True, dicom=True)
    stale = [path for path in every if path not in paths]
    with all_or_none(directory, paths, overwrite, stale) as folder:
        staged = {path.name: folder / path.name for path in paths}
        for name in structures:
            part = f"{stem}_label-{label_named(name).file_label}"
            _write_image(result.masks[name], staged[f"{part}_mask.nii.gz"], sitk.sitkUInt8)
            if soft:
                probability = result.probabilities[name]
                _write_image(probability, staged[f"{part}_prob.nii.gz"], sitk.sitkFloat32)
        _write_segmentation(result.masks, staged[f"{stem}_seg.seg.nrrd"])
        _write_curve(result.centerline, folder, stem)
        report = _report(result, image)
        _write_text(
            staged[f"{stem}_seg.json"], json.dumps(report, indent=2, allow_nan=False) + "\n"
        )
        picture = overview_png(
            image, result.masks, result.centerline, stem, _subtitle(report), result.review
        )
        staged[f"{stem}_overview.png"].write_bytes(picture)
        if slices:
            write_dicom_segmentation(result.masks, slices, staged[f"{stem}_seg.dcm"])
    return paths


def write_centerline(
    centerline: Centerline, directory: str | os.PathLike[str], stem: str, overwrite: bool
) -> list[Path]:
    """Write a curve as Slicer markups and as CSV; errors as :func:`write_result`."""
    paths = centerline_paths(directory, stem)
    with all_or_none(directory, paths, overwrite) as folder:
        _write_curve(centerline, folder, stem)
    return paths


def check_mask_path(path: Path, overwrite: bool) -> None:
    """Make sure, before any work, that :func:`write_mask` can write this file.

    Raises
    ------
    InvalidArgument
        If its name says no format that is one file.
    OutputExists, OutputNotWritable, OutOfResources
        As :func:`~.output.check_output`.
    """
    if not path.name.lower().endswith(_ONE_FILE):
        raise InvalidArgument(
            f"{path.name} does not say how to write it",
            f"give a name that ends in {', '.join(_ONE_FILE[:-1])} or {_ONE_FILE[-1]}",
        )
    check_output(path.parent, [path], overwrite)


def write_mask(mask: sitk.Image, path: Path, overwrite: bool) -> Path:
    """Write a mask, uint8, in the format that the file's name says, or nothing.

    Raises
    ------
    OutputExists, OutputNotWritable, OutOfResources
        As :func:`write_result`.
    """
    with all_or_none(path.parent, [path], overwrite) as folder:
        _write_image(mask, folder / path.name, sitk.sitkUInt8)
    return path


def measurements(
    masks: Mapping[str, sitk.Image], centerline: Centerline
) -> dict[str, dict[str, float]]:
    """Return the size of each structure: voxels, volume in mm3, and the curve's length in mm."""
    sizes: dict[str, dict[str, float]] = {}
    for name, mask in masks.items():
        voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
        sizes[name] = {
            "voxels": voxels,
            "volume_mm3": round(voxels * math.prod(mask.GetSpacing()), 3),
        }
    if "cord" in sizes:
        sizes["cord"]["length_mm"] = round(float(centerline.length_mm), 3)
    return sizes


def _centerline_names(stem: str) -> tuple[str, str]:
    return f"{stem}_centerline.mrk.json", f"{stem}_centerline.csv"


def _series_description(folder: Path) -> str:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    if not files:
        return ""
    reader = sitk.ImageFileReader()
    reader.SetFileName(files[0])
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return ""
    if not reader.HasMetaDataKey("0008|103e"):
        return ""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", reader.GetMetaData("0008|103e")).strip("_.")


def _write_image(image: sitk.Image, path: Path, pixel_type: int) -> None:
    image = sitk.Cast(image, pixel_type)
    voxel_bytes = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
        complete = _is_complete(path, voxel_bytes)
    except (RuntimeError, EOFError, zlib.error, gzip.BadGzipFile):
        complete = False
    if not complete:
        # ITK says nothing, or nothing useful, about a full disk: ask the system itself.
        with path.open("ab") as file:
            file.write(bytes(voxel_bytes))
            file.flush()
            os.fsync(file.fileno())
        raise OutputNotWritable(
            f"{path.name} could not be written in full", "choose another output folder with -o"
        )


def _is_complete(path: Path, voxel_bytes: int) -> bool:
    if path.name.lower().endswith(".gz"):
        return _unpacked_size(path) > voxel_bytes
    written = sitk.ReadImage(str(path))
    return written.GetNumberOfPixels() * written.GetSizeOfPixelComponent() == voxel_bytes


def _unpacked_size(path: Path) -> int:
    with gzip.open(path) as file:
        return sum(len(block) for block in iter(lambda: file.read(1 << 20), b""))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_curve(centerline: Centerline, folder: Path, stem: str) -> None:
    markups, table = _centerline_names(stem)
    _write_text(folder / markups, centerline.to_markups_json())
    _write_text(folder / table, centerline.to_csv())


def _write_segmentation(masks: Mapping[str, sitk.Image], path: Path) -> None:
    """Write the masks as a Slicer segmentation; overlapping structures go to separate layers."""
    import slicerio

    grid = next(iter(masks.values()))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(grid.GetDirection(), (3, 3)) @ np.diag(grid.GetSpacing())
    matrix[:3, 3] = grid.GetOrigin()
    segmentation = slicerio.create_segmentation(grid.GetSize(), matrix)
    segmentation["containedRepresentationNames"] = ["Binary labelmap"]
    whole = [bound for size in grid.GetSize() for bound in (0, size - 1)]
    for label in LABELS:
        if label.name in masks:
            voxels = sitk.GetArrayViewFromImage(masks[label.name]).transpose(2, 1, 0) > 0
            segment = slicerio.add_segment(segmentation, voxels, _segment(label))
            # Slicer crops the other segments of a layer to the extent of its first one.
            segment["extent"] = whole
    slicerio.write_segmentation(str(path), segmentation, compression_level=4)


def _segment(label: Label) -> dict[str, Any]:
    terminology: dict[str, Any] = {
        "contextName": "Segmentation category and type - 3D Slicer General Anatomy list",
        "category": ["SCT", label.category_code, label.category_meaning],
        "type": ["SCT", label.code, label.meaning],
        "anatomicContextName": "Anatomic codes - DICOM master list",
    }
    if label.name == "lesion":
        # Unlike the others, its type does not say where it is.
        terminology["anatomicRegion"] = ["SCT", label_named("cord").code, "Spinal cord"]
    return {
        "id": label.name,
        "name": label.title,
        "color": [round(part / 255, 6) for part in label.colour],
        "nameAutoGenerated": False,
        "colorAutoGenerated": False,
        "status": "inprogress",
        "terminology": terminology,
    }


def _report(result: Result, image: sitk.Image) -> dict[str, Any]:
    return {
        "image": {
            "size_voxels": list(image.GetSize()),
            "spacing_mm": [round(step, 6) for step in image.GetSpacing()],
        },
        "measurements": measurements(result.masks, result.centerline),
        "lesions": [_plain(asdict(lesion)) for lesion in _lesions(result, image)],
        "review": [_plain(asdict(item)) for item in result.review],
        "provenance": _plain(result.provenance),
    }


def _lesions(result: Result, image: sitk.Image) -> tuple[Lesion, ...]:
    if "lesion" not in result.masks:
        return ()
    cord = result.masks.get("cord")
    if cord is not None and not sitk.GetArrayViewFromImage(cord).any():
        cord = None
    return measure_lesions(result.masks["lesion"], result.centerline, image, cord)


def _plain(value: Any) -> Any:
    """Return `value` as JSON knows it; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def _subtitle(report: Mapping[str, Any]) -> str:
    size, spacing = (report["image"][key] for key in ("size_voxels", "spacing_mm"))
    parts = [
        " x ".join(str(count) for count in size) + " voxels",
        " x ".join(f"{step:.2f}" for step in spacing) + " mm",
    ]
    contrast = report["provenance"].get("contrast", {})
    known = contrast.get("found") or contrast.get("asked")
    if known in CONTRASTS:
        parts.insert(0, CONTRASTS[known])
    cord = report["measurements"].get("cord")
    if cord:
        parts.append(f"cord {cord['volume_mm3'] / 1000:.2f} ml over {cord['length_mm']:.0f} mm")
    if report["review"]:
        count = len(report["review"])
        parts.append(f"{count} slice{'s' if count > 1 else ''} worth a look")
    return "   |   ".join(parts)
