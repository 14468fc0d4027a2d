# SPDX-License-Identifier: Apache-2.0
"""What an image file's header promises, checked before an imaging library acts on it.

The libraries below trust headers: they repair a zero voxel size or an unusable orientation in
silence, fill a truncated image with zeros, allocate whatever is asked for, and one can crash. So
NIfTI, NRRD and MetaImage headers are read here first, in plain Python, and refused where they make
no sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidImage
from .checks import check_geometry
from .metaimage import check_metaimage
from .nifti import check_nifti
from .nrrd import check_nrrd

__all__ = ["READERS", "check_file", "check_geometry"]

READERS: Mapping[str, str] = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".hdr": "NiftiImageIO",
    ".img": "NiftiImageIO",
    ".img.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
    ".dcm": "GDCMImageIO",
    ".ima": "GDCMImageIO",
}
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")
_CHECKS = {
    "NiftiImageIO": check_nifti,
    "MetaImageIO": check_metaimage,
}


def check_file(path: Path, layers: bool = False) -> str:
    """Refuse a file that is missing, not an image, truncated, or has an absurd header.

    Parameters
    ----------
    path : Path
        An image file. Its header is read, and compressed voxels are inflated once, in pieces, to
        see that they are all there.
    layers : bool
        Accept several values per voxel, as a segmentation (NRRD) with overlapping segments has.

    Returns
    -------
    str
        Name of the SimpleITK reader for it.

    Raises
    ------
    InvalidImage
    """
    try:
        if not path.exists():
            raise InvalidImage(f"{path.name} does not exist", "check the path")
        if path.is_dir():
            raise InvalidImage(f"{path.name} is a folder", "give an image file")
        if path.stat().st_size == 0:
            raise InvalidImage(f"{path.name} is empty", "get the file again from its source")
        reader = _reader_for(path)
        if reader == "NrrdImageIO":
            check_nrrd(path, layers)
        elif reader in _CHECKS:
            _CHECKS[reader](path)
    except OSError as error:
        raise InvalidImage(
            f"{path.name} cannot be opened ({error.strerror or error})",
            "check that it is a file you may read",
        ) from error
    return reader


def _reader_for(path: Path) -> str:
    name = path.name.lower()
    for suffix in sorted(READERS, key=len, reverse=True):
        if name.endswith(suffix):
            return READERS[suffix]
    if name.endswith(_PICTURES):
        raise InvalidImage(
            f"{path.name} is a picture, which has no voxel size or orientation",
            "give the scan it was made from, as NIfTI or DICOM",
        )
    # DICOM files often have a number for a suffix, or none; their content tells.
    with path.open("rb") as file:
        if file.read(132)[128:] == b"DICM":
            return "GDCMImageIO"
    raise InvalidImage(
        f"{path.name} is not an image in a known format",
        "give NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha) or DICOM",
    )
