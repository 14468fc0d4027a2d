# SPDX-License-Identifier: Apache-2.0
"""Images in and out: reading and validation, orientation, arrays, resampling.

Images are SimpleITK's: millimetres, LPS. The networks' order is the array order X right to left,
Y posterior to anterior, Z inferior to superior, which SimpleITK calls "LAS".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from .errors import InvalidImage
from .headers import check_file, check_geometry
from .headers.dicom import series_files
from .headers.nifti import count_non_finite
from .network_order import network_view, place_in_network_order

# Of a map with a label for each lesion or vertebra; a scan has many more.
_MOST_LABELS = 200

_SCALARS = {
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkUInt64,
    sitk.sitkInt64,
    sitk.sitkFloat32,
    sitk.sitkFloat64,
}


def read_image(
    path: str | Path,
    volume: int | str | Sequence[int] | None = None,
    allow_constant: bool = False,
) -> sitk.Image:
    """Read an image file, or a folder that holds one DICOM series.

    Parameters
    ----------
    path : str or Path
        NIfTI, NRRD, MetaImage, DICOM, or a gray-scale picture. A 2D image becomes one slice.
    volume : int, "mean", sequence of int, or None
        Which volume of a 4D image, the mean of all, or the mean of some.
    allow_constant : bool
        Accept an image whose voxels are all the same, such as an empty mask.

    Returns
    -------
    sitk.Image
        3D, one value per voxel; integers keep their type, other numbers become float32.

    Raises
    ------
    InvalidImage
        If the file is missing, truncated, not an image or not a scalar one, has an impossible
        geometry, or if `volume` does not fit; a DICOM folder also if it holds several series or
        lacks a slice. Headers are refused before voxels are read.

    Warns
    -----
    UserWarning
        If non-finite voxels were set to 0.
    """
    path = Path(path)
    with _silent_itk():
        try:
            image = _read_dicom_folder(path) if path.is_dir() else _read_file(path, volume)
        except RuntimeError as error:
            if "bad_alloc" in str(error):
                raise MemoryError(f"not enough memory to read {path.name}") from error
            raise InvalidImage(
                f"{path.name} cannot be read as an image",
                "check that the file is complete, or convert it to NIfTI (.nii.gz)",
            ) from error
    return check_image(image, path.name, allow_constant)


def check_image(
    image: sitk.Image, name: str = "the image", allow_constant: bool = False
) -> sitk.Image:
    """Validate an image in memory by the rules of `read_image`.

    Parameters
    ----------
    image : sitk.Image
        2D, 3D, or 4D with one volume.
    name : str
        What errors and warnings call it.
    allow_constant : bool
        Accept an image whose voxels are all the same, such as an empty mask.

    Returns
    -------
    sitk.Image
        3D. Non-finite voxels are 0; floats are float32. The same image where nothing had to change.

    Raises
    ------
    InvalidImage
    """
    _check_declared(name, image)
    if image.GetDimension() == 4:
        if image.GetSize()[3] != 1:
            raise _needs_volume(name, image.GetSize()[3])
        image = image[:, :, :, 0]
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    return _check_values(image, name, allow_constant)


def to_network_order(image: sitk.Image) -> sitk.Image:
    """Return a 3D image with its axes flipped and permuted to the networks' order.

    No voxel is interpolated: of an oblique image, the axes nearest to the patient's are taken.
    """
    # SimpleITK's own filter for this takes ten times as long.
    view = network_view(sitk.GetArrayViewFromImage(image), image)
    ordered = sitk.GetImageFromArray(np.ascontiguousarray(view.transpose()))
    place_in_network_order(ordered, image)
    return ordered


def restore_grid(image: sitk.Image, original: sitk.Image) -> sitk.Image:
    """Return an image on a flipped and permuted grid, such as the network order, as on `original`.

    Parameters
    ----------
    image : sitk.Image
        3D, on the grid of `original` but for flips and permutations of the axes.
    original : sitk.Image
        3D.

    Returns
    -------
    sitk.Image
        The voxels of `image` with exactly the geometry of `original`.

    Raises
    ------
    ValueError
        If the two are not the same grid.
    """
    theirs, ours = (np.reshape(i.GetDirection(), (3, 3)) for i in (original, image))
    cosines = theirs.T @ ours
    signs = np.rint(cosines).astype(int)
    order = np.abs(signs).argmax(axis=1)
    permutation = np.eye(3, dtype=int)[order]
    if not (np.array_equal(np.abs(signs), permutation) and np.allclose(signs, cosines, atol=1e-3)):
        raise ValueError("the axes of the two images differ")
    array = array_from(image).transpose(order)
    flips = tuple(slice(None, None, int(signs[axis, order[axis]])) for axis in range(3))
    restored = image_from(array[flips], original)
    corner = [0 if flip.step == 1 else n - 1 for flip, n in zip(flips, array.shape, strict=True)]
    index = [0, 0, 0]
    for axis, place in zip(order, corner, strict=True):
        index[int(axis)] = int(place)
    start = image.TransformIndexToPhysicalPoint(index)
    if not np.allclose(start, original.GetOrigin(), atol=0.01 * min(original.GetSpacing())):
        raise ValueError("the two images lie in different places")
    return restored


def array_from(image: sitk.Image) -> NDArray[Any]:
    """Return the voxels of an image as an array (X, Y, Z), in the order of its own axes."""
    return sitk.GetArrayFromImage(image).transpose()


def label_values(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the values other than 0 of a mask or a label map.

    Parameters
    ----------
    values : ndarray
    name : str
        What an error calls them.

    Raises
    ------
    InvalidImage
        If these are no labels: fractions, or as many different ones as a scan has.
    """
    found = np.unique(values[values != 0])
    if found.dtype.kind == "f" and not np.array_equal(found, np.rint(found)):
        raise InvalidImage(
            f"{name} holds fractions, as a map of probabilities does, and not labels",
            "give a mask, for instance of what is above 0.5",
        )
    if found.size > _MOST_LABELS:
        raise InvalidImage(
            f"{name} holds {found.size} different values, as a scan does, and not labels",
            "give a mask",
        )
    return found


def image_from(array: NDArray[Any], like: sitk.Image) -> sitk.Image:
    """Return an array (X, Y, Z) as an image on the grid of another.

    Raises
    ------
    ValueError
        If the array's shape is not the size of `like`.
    """
    if array.shape != like.GetSize():
        raise ValueError(f"shape {array.shape} is not the size of the image, {like.GetSize()}")
    if array.dtype == bool:
        array = array.astype(np.uint8)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose()))
    image.CopyInformation(like)
    return image


def network_array(image: sitk.Image) -> tuple[NDArray[np.float32], sitk.Image]:
    """Return the voxels (X, Y, Z) in network order as float32, and the image they belong to."""
    ordered = to_network_order(image)
    return array_from(ordered).astype(np.float32), ordered


def resample(
    image: sitk.Image,
    spacing_mm: Sequence[float | None],
    interpolator: int = sitk.sitkLinear,
) -> sitk.Image:
    """Resample a 3D image to another voxel size; its outer edges stay where they are.

    Parameters
    ----------
    image : sitk.Image
        3D scalar.
    spacing_mm : sequence of 3 floats or None
        Voxel size along the image's own axes; None keeps that of the image. The nearest size of
        which a whole number fits between the edges is taken.
    interpolator : int
        A SimpleITK interpolator. With `sitk.sitkNearestNeighbor` the pixel type is kept and nothing
        is smoothed; with any other the result is float32, and an axis that gets r > 1 times coarser
        is first smoothed with a Gaussian of sigma 0.5 sqrt(r^2 - 1) of its voxels, so that each new
        voxel averages what it covers.

    Returns
    -------
    sitk.Image
    """
    own, count = np.array(image.GetSpacing()), np.array(image.GetSize())
    wanted = np.array([o if w is None else w for o, w in zip(own, spacing_mm, strict=True)], float)
    if not (np.isfinite(wanted).all() and (wanted > 0).all()):
        raise ValueError("spacing_mm must be positive")
    size = np.maximum(1, np.rint(count * own / wanted)).astype(int)
    spacing = count * own / size
    direction = np.reshape(image.GetDirection(), (3, 3))
    origin = np.array(image.GetOrigin()) + direction @ ((spacing - own) / 2)
    pixel_type = image.GetPixelID()
    if interpolator != sitk.sitkNearestNeighbor:
        image, pixel_type = _smoothed(image, spacing / own), sitk.sitkFloat32
    return sitk.Resample(
        image,
        size.tolist(),
        sitk.Transform(),
        interpolator,
        origin.tolist(),
        spacing.tolist(),
        image.GetDirection(),
        0.0,
        pixel_type,
    )


def resample_like(
    image: sitk.Image, reference: sitk.Image, interpolator: int = sitk.sitkLinear
) -> sitk.Image:
    """Resample an image onto the grid of another; 0 outside, no smoothing.

    With `sitk.sitkNearestNeighbor` the pixel type is kept, with any other it becomes float32.
    """
    keep = interpolator == sitk.sitkNearestNeighbor
    pixel_type = image.GetPixelID() if keep else sitk.sitkFloat32
    return sitk.Resample(image, reference, sitk.Transform(), interpolator, 0.0, pixel_type)


def _read_file(path: Path, volume: int | str | Sequence[int] | None) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(check_file(path))
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    _check_declared(path.name, reader)
    volumes = reader.GetSize()[3] if reader.GetDimension() == 4 else 1
    if volume is None and volumes > 1:
        raise _needs_volume(path.name, volumes)
    wanted = [volume] if isinstance(volume, int | str) else volume or ()
    beyond = [index for index in wanted if index != "mean" and index not in range(volumes)]
    if beyond:
        raise InvalidImage(
            f"{path.name} has no volume {beyond[0]}: it has {volumes}",
            f"give --volume 0 to {volumes - 1}, or mean",
        )
    if reader.GetImageIO() == "NiftiImageIO":
        index = volume if isinstance(volume, int) else None
        _report_non_finite(path.name, *count_non_finite(path, index))
    if reader.GetDimension() != 4:
        return reader.Execute()
    if volume == "mean":
        return _mean_volume(reader, range(volumes))
    if volume is not None and not isinstance(volume, int | str):
        return _mean_volume(reader, volume)
    reader.SetExtractIndex([0, 0, 0, int(volume or 0)])
    reader.SetExtractSize([*reader.GetSize()[:3], 0])
    return reader.Execute()


def _mean_volume(reader: sitk.ImageFileReader, volumes: Sequence[int]) -> sitk.Image:
    """Return the mean of some along the fourth axis, float32; non-finite values count as 0."""
    image = reader.Execute()
    total = np.zeros(image.GetSize()[2::-1], np.float64)
    array = sitk.GetArrayViewFromImage(image)
    for index in volumes:
        total += np.nan_to_num(array[index], posinf=0.0, neginf=0.0)
    mean = sitk.GetImageFromArray((total / len(volumes)).astype(np.float32))
    mean.CopyInformation(image[:, :, :, 0])
    return mean


def _read_dicom_folder(path: Path) -> sitk.Image:
    files = series_files(path)
    if len(files) == 1:
        return _read_file(Path(files[0]), None)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    return reader.Execute()


def _check_declared(name: str, image: sitk.Image | sitk.ImageFileReader) -> None:
    """Refuse what an image, or a header, says about itself."""
    if image.GetDimension() not in (2, 3, 4):
        raise InvalidImage(f"{name} has {image.GetDimension()} dimensions", "give a 3D image")
    if image.GetPixelID() not in _SCALARS:
        raise InvalidImage(
            f"{name} holds colours, vectors or complex numbers, not one value per voxel",
            "give a gray-scale image",
        )
    check_geometry(
        name, image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    )


def _check_values(image: sitk.Image, name: str, allow_constant: bool) -> sitk.Image:
    """Refuse images that show nothing; set voxels that are not finite to 0."""
    if image.GetPixelID() == sitk.sitkFloat64:
        image = sitk.Cast(image, sitk.sitkFloat32)
    values = sitk.GetArrayViewFromImage(image)
    if image.GetPixelID() == sitk.sitkFloat32:
        finite = np.isfinite(values)
        bad = finite.size - int(finite.sum())
        _report_non_finite(name, bad, finite.size)
        if bad:
            repaired = sitk.GetImageFromArray(np.where(finite, values, np.float32(0)))
            repaired.CopyInformation(image)
            image, values = repaired, sitk.GetArrayViewFromImage(repaired)
    if not allow_constant and values.min() == values.max():
        raise InvalidImage(
            f"{name} is constant: every voxel is {values.flat[0]:g}",
            "give an image that shows something",
        )
    return image


def _report_non_finite(name: str, bad: int, total: int) -> None:
    if bad == total:
        raise InvalidImage(f"{name} has no finite voxel", "give an image that has some")
    if bad:
        voxels = "voxel was" if bad == 1 else "voxels were"
        warnings.warn(f"{name}: {bad} non-finite {voxels} set to 0", stacklevel=4)


def _needs_volume(name: str, count: int) -> InvalidImage:
    return InvalidImage(
        f"{name} is 4D with {count} volumes",
        f"choose one with --volume INDEX (0 to {count - 1}), or their mean with --volume mean",
    )


def _smoothed(image: sitk.Image, coarser: NDArray[np.float64]) -> sitk.Image:
    """Return a float32 image smoothed along each axis that gets `coarser` than 1."""
    array = array_from(image).astype(np.float32)
    for axis, ratio in enumerate(coarser):
        if ratio > 1 + 1e-6:
            sigma = 0.5 * float(np.sqrt(ratio**2 - 1))
            array = gaussian_filter1d(array, sigma, axis=axis, mode="nearest")
    return image_from(array, image)


@contextmanager
def _silent_itk() -> Iterator[None]:
    """Keep the library's own warnings off standard error; what is wrong is said by our errors."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
