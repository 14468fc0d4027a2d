# SPDX-License-Identifier: Apache-2.0
"""A result as a DICOM Segmentation object (PS3.3 A.51), for archives and DICOM viewers.

It names the slices it was made of, and by its nature bears the patient's and the study's data,
copied from them. Needs highdicom.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .errors import InvalidArgument, InvalidImage
from .headers.dicom import is_dicom, series_files
from .labels import LABELS, Label, label_named
from .version import __version__

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset
    from pydicom.sr.coding import Code

_SOFTWARE = "SpinalCordSeg"
_WITHOUT = "leave out --dicom-seg"

# What a reference to a slice consists of, and where a slice lies.
_NEEDED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "Rows",
    "Columns",
    "PixelSpacing",
)
# Attributes of patient and study that must be there, but may be empty.
_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# Numbers of series made of others lie well above those of the scanner.
_SERIES_AFTER = 1000
# A slice lies where the image has it up to this share of a voxel.
_MISPLACED = 0.25


def check_dicom_input(path: Path, directory: Path) -> None:
    """Make sure, before any work, that an input can have a DICOM segmentation.

    Parameters
    ----------
    path : Path
        An image file, or a folder.
    directory : Path
        Where the results go.

    Raises
    ------
    InvalidArgument
        If highdicom is not installed, the input is not DICOM, or the segmentation would become
        one of the files of the series.
    """
    require_highdicom()
    if path.is_file() and not is_dicom(path):
        raise InvalidArgument(
            f"{path.name} is not DICOM, and a DICOM segmentation refers to DICOM slices",
            f"give the folder of the DICOM series, or {_WITHOUT}",
        )
    if path.is_dir() and directory.resolve() == path.resolve():
        raise InvalidArgument(
            "the DICOM segmentation would lie among the slices of its series",
            "choose another output folder with -o",
        )


def require_highdicom() -> None:
    """Make sure that DICOM segmentations can be written.

    Raises
    ------
    InvalidArgument
        If highdicom is not installed.
    """
    if importlib.util.find_spec("highdicom") is None:
        raise InvalidArgument(
            "a DICOM segmentation needs the package highdicom, which is not installed",
            f'install it with `pip install "spinalcordseg[dicom]"`, or {_WITHOUT}',
        )


def source_slices(path: Path, image: sitk.Image) -> tuple[Dataset, ...]:
    """Return the header of the DICOM file behind each slice of an image.

    Files and slices are matched by where they lie, whatever the order of the files.

    Parameters
    ----------
    path : Path
        The folder of the series, or its only file.
    image : sitk.Image
        3D, as :func:`~.images.read_image` gives it.

    Returns
    -------
    tuple of pydicom.Dataset
        Without pixels; one for each slice along the third axis of the image.

    Raises
    ------
    InvalidImage
        If the files are multi-frame, do not say what they are or where they lie, lie elsewhere
        than the slices of the image, or bear values that no segmentation may repeat.
    """
    files = series_files(path) if path.is_dir() else [str(path)]
    try:
        with _silent_about_the_source():
            headers = [_header(file) for file in files]
            slices = _in_order_of(image, headers)
            _complete(slices, image)
            # Better now than at the end of a run.
            _segmentation({"cord": _one_voxel(image)}, slices)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InvalidImage(
            f"the headers of the DICOM series allow no DICOM segmentation ({error})",
            f"export the series again, or {_WITHOUT}",
        ) from error
    return slices


def write_dicom_segmentation(
    masks: Mapping[str, sitk.Image], slices: Sequence[Dataset], path: Path
) -> None:
    """Write masks as one DICOM segmentation: binary, a segment for each structure.

    Parameters
    ----------
    masks : mapping of str to sitk.Image
        0 and 1, on the grid of the image that the slices made. Structures may overlap.
    slices : sequence of pydicom.Dataset
        As :func:`source_slices`.
    path : Path
        Replaced if it exists.
    """
    with _silent_about_the_source():
        _segmentation(masks, slices).save_as(path)


def _header(file: str) -> Dataset:
    import pydicom

    # GDCM reads files without a preamble, so they are read here too.
    header = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise InvalidImage(
            "the input is a multi-frame DICOM file, to which no DICOM segmentation is written",
            f"give it as a series of single slices, or {_WITHOUT}",
        )
    missing = [name for name in _NEEDED if header.get(name) in (None, "")]
    if missing:
        raise InvalidImage(
            f"a slice of the DICOM series lacks the attribute {missing[0]}, to which a DICOM "
            "segmentation must refer",
            f"export the series again with all its attributes, or {_WITHOUT}",
        )
    return header


def _in_order_of(image: sitk.Image, headers: Sequence[Dataset]) -> tuple[Dataset, ...]:
    places = [_slice_of(header, image) for header in headers]
    if sorted(places) != list(range(image.GetSize()[2])):
        raise InvalidImage(
            "slices of the DICOM series lie beside the grid of the image that was made of them, "
            "so that no DICOM segmentation can refer to them",
            _WITHOUT,
        )
    return tuple(headers[places.index(k)] for k in range(len(places)))


def _slice_of(header: Dataset, image: sitk.Image) -> int:
    """Return the index of a file's slice along the third axis of the image, -1 if there is none."""
    axes = np.reshape(image.GetDirection(), (3, 3))[:, :2].T.ravel()
    turned = not np.allclose(axes, np.array(header.ImageOrientationPatient, float), atol=1e-3)
    if turned or (header.Columns, header.Rows) != image.GetSize()[:2]:
        return -1
    corner = [float(part) for part in header.ImagePositionPatient]
    index = np.array(image.TransformPhysicalPointToContinuousIndex(corner))
    nearest = np.rint(index).astype(int)
    if nearest[:2].any() or np.abs(index - nearest).max() > _MISPLACED:
        return -1
    return int(nearest[2])


def _complete(slices: Sequence[Dataset], image: sitk.Image) -> None:
    """Give headers, in memory, what a segmentation takes from them and they may lack."""
    first, gap = slices[0], round(image.GetSpacing()[2], 6)
    for name in _MAY_BE_EMPTY:
        first.setdefault(name, "")
    if first.PatientSex not in ("M", "F", "O"):
        first.PatientSex = ""
    if first.get("SliceThickness") is None:
        first.SliceThickness = gap
    if len(slices) > 1:
        # Scanners differ in what they write here, even in its sign.
        first.SpacingBetweenSlices = gap
    for header in slices:
        # The same up to its last digits.
        header.ImageOrientationPatient = first.ImageOrientationPatient


def _one_voxel(image: sitk.Image) -> sitk.Image:
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[0, 0, 0] = 1
    return mask


def _segmentation(masks: Mapping[str, sitk.Image], slices: Sequence[Dataset]) -> Segmentation:
    import highdicom

    labels = [label for label in LABELS if label.name in masks]
    arrays = [sitk.GetArrayViewFromImage(masks[label.name]) > 0 for label in labels]
    return highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=np.stack(arrays, axis=-1).astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(n, label) for n, label in enumerate(labels, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=int(slices[0].get("SeriesNumber") or 0) + _SERIES_AFTER,
        series_description="Spinal cord segmentation",
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_SOFTWARE,
        manufacturer_model_name=_SOFTWARE,
        software_versions=__version__,
        device_serial_number="none",
        content_label="SPINAL_CORD",
        content_creator_name="",
        specific_character_set="ISO_IR 192",
    )


def _description(number: int, label: Label) -> SegmentDescription:
    import highdicom
    from pydicom.sr.codedict import codes

    cord = label_named("cord")
    # Unlike the others, the type of a lesion does not say where it is.
    regions = [_snomed(cord.code, cord.meaning)] if label.name == "lesion" else None
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label.title,
        segmented_property_category=_snomed(label.category_code, label.category_meaning),
        segmented_property_type=_snomed(label.code, label.meaning),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            _SOFTWARE, codes.DCM.ArtificialIntelligence, __version__
        ),
        anatomic_regions=regions,
        display_color=highdicom.color.CIELabColor.from_rgb(*label.colour),
    )


def _snomed(code: str, meaning: str) -> Code:
    from pydicom.sr.coding import Code

    return Code(code, "SCT", meaning)


@contextmanager
def _silent_about_the_source() -> Iterator[None]:
    """Keep remarks on values that were copied from the source off a person's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
