# SPDX-License-Identifier: Apache-2.0
"""MR images as DICOM series of single slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def write_series(
    folder: Path, image: sitk.Image, order: Sequence[int] | None = None, **attributes: Any
) -> Path:
    """Write the slices of an image as instances 1 and on of one series.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    image : sitk.Image
        uint16; its third axis goes through the slices, either way.
    order : sequence of int, optional
        Which slice is instance 1, which 2 and so on; by default as they lie in the image.
    **attributes
        Added to every instance, or left out of it where None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size, (x, y, _) = image.GetSize(), image.GetSpacing()
    axes = np.reshape(image.GetDirection(), (3, 3))
    uids = {name: generate_uid() for name in ("Study", "Series", "FrameOfReference")}
    for number, k in enumerate(order or range(size[2]), 1):
        slice_ = Dataset()
        slice_.SOPClassUID, slice_.SOPInstanceUID = MRImageStorage, generate_uid()
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = uids["Study"], uids["Series"]
        slice_.FrameOfReferenceUID = uids["FrameOfReference"]
        slice_.Modality, slice_.SeriesNumber, slice_.InstanceNumber = "MR", 5, number
        slice_.ImageOrientationPatient = _texts([*axes[:, 0], *axes[:, 1]])
        slice_.ImagePositionPatient = _texts(image.TransformIndexToPhysicalPoint((0, 0, k)))
        slice_.PixelSpacing, slice_.SliceThickness = [y, x], image.GetSpacing()[2]
        slice_.Columns, slice_.Rows = size[:2]
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
        slice_.PixelRepresentation = 0
        slice_.PixelData = sitk.GetArrayViewFromImage(image)[k].astype("<u2").tobytes()
        for name, value in attributes.items():
            if value is None:
                delattr(slice_, name)
            else:
                setattr(slice_, name, value)
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"{number}.dcm", slice_, enforce_file_format=True)
    return folder


def _texts(numbers: Sequence[float]) -> list[str]:
    return [f"{number:.9f}" for number in numbers]
