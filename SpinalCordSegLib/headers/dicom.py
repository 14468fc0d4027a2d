# SPDX-License-Identifier: Apache-2.0
"""A DICOM series of slices: its files in order, and whether any is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InvalidImage

_POSITION, _AXES, _DESCRIPTION, _NUMBER = "0020|0032", "0020|0037", "0008|103e", "0020|0011"
# Positions are written with few digits: gaps may differ by this share of the usual one.
_GAP_TOLERANCE = 0.05


def is_dicom(path: Path) -> bool:
    """Tell whether a file says in its preamble that it is DICOM; not, if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def series_files(folder: Path) -> list[str]:
    """Return the files of the one DICOM series in a folder, in the order of their positions.

    Parameters
    ----------
    folder : Path
        Files in any order, under any names.

    Raises
    ------
    InvalidImage
        If there is no series or more than one, slices lie in the same place or do not lie behind
        each other, or one between the first and the last is missing.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        found = "no DICOM series"
        if series:
            names = ", ".join(_title(folder, one) for one in series)
            found = f"{len(series)} DICOM series ({names})"
        raise InvalidImage(
            f"folder {folder.name} holds {found}", "give an image file, or a folder with one series"
        )
    files = list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0]))
    if len(files) > 1:
        _check_slices(folder.name, files)
    return files


def files_of_all_series(folder: Path) -> list[str]:
    """Return the files of every DICOM series in a folder; none if there is none."""
    reader = sitk.ImageSeriesReader
    return [
        file
        for series in reader.GetGDCMSeriesIDs(str(folder))
        for file in reader.GetGDCMSeriesFileNames(str(folder), series)
    ]


def series_tag(folder: Path, tag: str) -> str:
    """Return a tag, such as ``0008|103e``, of the first series in a folder; empty if not there."""
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return _tags(files[0], (tag,))[0] if files else ""


def _title(folder: Path, series: str) -> str:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series)
    number, description = _tags(files[0], (_NUMBER, _DESCRIPTION))
    return f"{number or '?'}: {description or 'without description'}, {len(files)} files"


def _tags(file: str, tags: Sequence[str]) -> list[str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return ["" for _ in tags]
    return [reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else "" for tag in tags]


def _check_slices(name: str, files: Sequence[str]) -> None:
    places = [_tags(file, (_POSITION, _AXES)) for file in files]
    positions, axes = (_numbers([place[n] for place in places], n * 3 + 3) for n in (0, 1))
    if positions is None or axes is None:
        raise InvalidImage(
            f"slices of the DICOM series in {name} do not say where they lie",
            "convert the series to NIfTI with a tool that knows the scanner",
        )
    if np.abs(axes - axes[0]).max() > 1e-3:
        raise InvalidImage(
            f"the slices of the DICOM series in {name} are not parallel",
            "give a series of parallel slices, not a localizer",
        )
    along = np.sort(positions @ np.cross(axes[0, :3], axes[0, 3:]))
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    if usual <= 1e-4 or gaps.min() < (1 - 0.5) * usual:
        raise InvalidImage(
            f"slices of the DICOM series in {name} lie in the same place",
            "give a folder with one volume: split echoes, phases or b values first",
        )
    if gaps.max() > (1 + _GAP_TOLERANCE) * usual:
        where = int(gaps.argmax())
        missing = max(1, round(float(gaps[where]) / usual) - 1)
        raise InvalidImage(
            f"the DICOM series in {name} lacks {missing} slice{'s' if missing > 1 else ''} between "
            f"slices {where + 1} and {where + 2} of the {len(files)} that are there",
            "copy the whole series again",
        )


def _numbers(texts: Sequence[str], count: int) -> NDArray[np.float64] | None:
    try:
        rows = [[float(part) for part in text.split("\\")] for text in texts]
    except ValueError:
        return None
    if any(len(row) != count for row in rows):
        return None
    return np.array(rows)
