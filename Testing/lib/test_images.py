# SPDX-License-Identifier: Apache-2.0
"""Images: what is read, what is refused and how it is said, orientation, resampling."""

from __future__ import annotations

import gzip
import itertools
import resource
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib import images
from SpinalCordSegLib.errors import InvalidImage
from SpinalCordSegLib.headers import READERS

NAN, INF = float("nan"), float("inf")

ORIENTATIONS = [
    "".join(axes)
    for order in itertools.permutations(("LR", "AP", "SI"))
    for axes in itertools.product(*order)
]


def scan(size: tuple[int, ...] = (7, 6, 5), pixel: type = np.float32) -> sitk.Image:
    """A small oblique image of noise, 0.5 x 0.6 x 3 mm."""
    values = np.random.default_rng(0).normal(100, 20, size[::-1]).astype(pixel)
    image = sitk.GetImageFromArray(values, isVector=False)
    image.SetSpacing((0.5, 0.6, 3.0, 2.0)[: len(size)])
    image.SetOrigin((-12.0, 30.0, 7.0, 0.0)[: len(size)])
    if len(size) == 3:
        image.SetDirection(rotation(12.0, 7.0).ravel())
    return image


def rotation(about_x: float, about_z: float) -> np.ndarray:
    a, b = np.deg2rad([about_x, about_z])
    first = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return first @ np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])


def write(image: sitk.Image, path: Path, compress: bool = False) -> Path:
    sitk.WriteImage(image, str(path), compress)
    return path


def same_geometry(a: sitk.Image, b: sitk.Image, tolerance: float = 1e-5) -> bool:
    return a.GetSize() == b.GetSize() and all(
        np.allclose(getattr(a, get)(), getattr(b, get)(), atol=tolerance)
        for get in ("GetSpacing", "GetOrigin", "GetDirection")
    )


def refused(path: Path, **how: object) -> InvalidImage:
    """Read a file that must be refused, and check how it is said."""
    with pytest.raises(InvalidImage) as caught:
        images.read_image(path, **how)  # type: ignore[arg-type]
    message = str(caught.value)
    assert path.name in message
    assert str(path.parent) not in message
    assert "\n" not in message
    return caught.value


# --- reading


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("compress", [False, True])
def test_formats(tmp_path: Path, suffix: str, compress: bool) -> None:
    image = scan()
    path = write(image, tmp_path / f"scan{suffix}", compress)
    read = images.read_image(path)
    assert same_geometry(read, image, 1e-4)
    np.testing.assert_array_equal(images.array_from(read), images.array_from(image))


@pytest.mark.parametrize("pixel", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_pixel_types_are_kept(tmp_path: Path, pixel: type) -> None:
    read = images.read_image(write(scan(pixel=pixel), tmp_path / "a.nii.gz"))
    assert images.array_from(read).dtype == pixel


def test_double_becomes_float(tmp_path: Path) -> None:
    read = images.read_image(write(scan(pixel=np.float64), tmp_path / "a.nrrd"))
    assert read.GetPixelID() == sitk.sitkFloat32


@pytest.mark.parametrize("size", [(7, 6, 1), (1, 6, 5), (7, 1, 5)])
def test_single_slices(tmp_path: Path, size: tuple[int, ...]) -> None:
    image = scan(size)
    assert same_geometry(images.read_image(write(image, tmp_path / "a.nii")), image, 1e-4)


@pytest.mark.parametrize("name", ["a.nii", "a.mha", "a.nrrd"])
def test_2d_becomes_one_slice(tmp_path: Path, name: str) -> None:
    read = images.read_image(write(scan((7, 6)), tmp_path / name))
    assert read.GetSize() == (7, 6, 1)
    assert read.GetSpacing() == pytest.approx((0.5, 0.6, 1.0))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_pictures_are_refused(tmp_path: Path, suffix: str) -> None:
    assert "picture" in str(refused(write(scan((7, 6), np.uint8), tmp_path / f"gray{suffix}")))


def test_dicom_file_and_folder(tmp_path: Path) -> None:
    image = sitk.Cast(scan((16, 12, 4)), sitk.sitkInt16)
    folder = tmp_path / "series"
    folder.mkdir()
    for k in range(4):
        piece = image[:, :, k]
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        axes = np.reshape(image.GetDirection(), (3, 3))
        piece = sitk.JoinSeries(piece)
        tags = {
            "0008|0060": "MR",
            "0020|000e": "1.2.826.0.1.3680043.2.1125.1",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{v:.8f}" for v in position),
            "0020|0037": "\\".join(f"{v:.8f}" for v in [*axes[:, 0], *axes[:, 1]]),
        }
        for tag, value in tags.items():
            piece.SetMetaData(tag, value)
        piece.SetSpacing(image.GetSpacing())
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{k}.dcm"))
        writer.Execute(piece)
    read = images.read_image(folder)
    assert same_geometry(read, image, 1e-3)
    np.testing.assert_array_equal(images.array_from(read), images.array_from(image))
    (folder / "0.dcm").rename(tmp_path / "17")
    assert images.read_image(tmp_path / "17").GetSize() == (16, 12, 1)


# --- 4D


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha"])
def test_4d_needs_a_volume(tmp_path: Path, name: str) -> None:
    image = scan((7, 6, 5, 4), np.int16)
    path = write(image, tmp_path / name)
    assert "--volume" in refused(path).remedy
    for wrong in (4, -1, "median"):
        refused(path, volume=wrong)
    volumes = sitk.GetArrayFromImage(image).transpose(3, 2, 1, 0)
    third = images.read_image(path, volume=2)
    np.testing.assert_array_equal(images.array_from(third), volumes[..., 2])
    mean = images.read_image(path, volume="mean")
    assert mean.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(images.array_from(mean), volumes.mean(axis=3), rtol=1e-6)
    assert same_geometry(mean, third)
    assert mean.GetSpacing() == pytest.approx((0.5, 0.6, 3.0))


def test_4d_with_one_volume_and_3d_with_volume_0(tmp_path: Path) -> None:
    assert images.read_image(write(scan((7, 6, 5, 1)), tmp_path / "a.nii")).GetDimension() == 3
    path = write(scan(), tmp_path / "b.nii")
    for volume in (0, "mean"):
        assert images.read_image(path, volume=volume).GetSize() == (7, 6, 5)
    refused(path, volume=1)


def test_4d_in_memory() -> None:
    with pytest.raises(InvalidImage, match="--volume"):
        images.check_image(scan((3, 3, 3, 2)))
    assert images.check_image(scan((3, 3, 3, 1))).GetSize() == (3, 3, 3)


# --- values


@pytest.mark.parametrize("pixel", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.mha", "a.nrrd"])
def test_non_finite_voxels_become_zero_with_a_warning(
    tmp_path: Path, name: str, pixel: type
) -> None:
    values = np.arange(60, dtype=pixel).reshape(3, 4, 5) + 1
    values[0, 0, 0], values[1, 1, 1], values[2, 2, 2] = np.nan, np.inf, -np.inf
    path = write(sitk.GetImageFromArray(values), tmp_path / name)
    with pytest.warns(UserWarning, match=f"{name}: 3 non-finite voxels"):
        read = sitk.GetArrayFromImage(images.read_image(path))
    expected = np.where(np.isfinite(values), values, 0)
    np.testing.assert_array_equal(read, expected)


def test_non_finite_voxels_in_the_chosen_volume_only(tmp_path: Path) -> None:
    image = scan((7, 6, 5, 3))
    image[1, 2, 3, 1] = NAN
    path = write(image, tmp_path / "a.nii.gz")
    for volume in (1, "mean"):
        with pytest.warns(UserWarning, match="1 non-finite"):
            images.read_image(path, volume=volume)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.read_image(path, volume=2)


def test_finite_image_gives_no_warning(tmp_path: Path) -> None:
    path = write(scan(), tmp_path / "a.nii")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.read_image(path)


def test_images_that_show_nothing(tmp_path: Path) -> None:
    for name, value in (("nan.nii", np.nan), ("zero.nii", 0.0), ("five.nii", 5.0)):
        image = sitk.GetImageFromArray(np.full((3, 4, 5), value, np.float32))
        refused(write(image, tmp_path / name))
    assert images.read_image(tmp_path / "zero.nii", allow_constant=True).GetSize() == (5, 4, 3)
    refused(tmp_path / "nan.nii", allow_constant=True)


@pytest.mark.parametrize(
    "image",
    [
        sitk.Image((4, 4, 4), sitk.sitkVectorFloat32, 3),
        sitk.Image((4, 4, 4), sitk.sitkComplexFloat32),
        sitk.Image((0, 4, 4), sitk.sitkFloat32),
        sitk.Image((4, 4), sitk.sitkVectorUInt8, 3),
    ],
    ids=["vector", "complex", "empty", "2D colour"],
)
def test_images_in_memory_that_are_not_scans(tmp_path: Path, image: sitk.Image) -> None:
    with pytest.raises(InvalidImage, match="volume 3"):
        images.check_image(image, "volume 3")


@pytest.mark.parametrize("name", ["a.nii", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("pixel", [sitk.sitkVectorFloat32, sitk.sitkVectorUInt8])
def test_multi_component_files(tmp_path: Path, name: str, pixel: int) -> None:
    assert "value per voxel" in str(
        refused(write(sitk.Image((4, 4, 4), pixel, 3), tmp_path / name))
    )


def test_complex_file(tmp_path: Path) -> None:
    refused(write(sitk.Image((4, 4, 4), sitk.sitkComplexFloat32), tmp_path / "a.nii"))


# --- files that are not images


def test_missing_empty_folder_and_text(tmp_path: Path) -> None:
    assert "does not exist" in str(refused(tmp_path / "missing.nii.gz"))
    (tmp_path / "empty.nii").touch()
    assert "is empty" in str(refused(tmp_path / "empty.nii"))
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder")
    (tmp_path / "folder" / "note.txt").write_text("hello")
    refused(tmp_path / "folder")
    for suffix in (*READERS, ".txt", "", ".pdf"):
        path = tmp_path / suffix[1:] / f"text{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("This is not an image.\n" * 40)
        refused(path)


def test_analyze_is_refused(tmp_path: Path) -> None:
    path = write(scan(), tmp_path / "a.hdr")
    raw = bytearray(path.read_bytes())
    raw[344:348] = bytes(4)
    path.write_bytes(raw)
    assert "left from right" in str(refused(path))


@pytest.mark.parametrize("suffix", [".hdr", ".mhd", ".nhdr"])
def test_header_without_its_voxels(tmp_path: Path, suffix: str) -> None:
    path = write(scan(), tmp_path / f"a{suffix}")
    for other in set(tmp_path.iterdir()) - {path}:
        other.unlink()
    assert "does not exist" in str(refused(path))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("lost", [1, 9, 200])
def test_truncated(tmp_path: Path, suffix: str, compress: bool, lost: int) -> None:
    path = write(scan(), tmp_path / f"a{suffix}", compress)
    path.write_bytes(path.read_bytes()[:-lost])
    refused(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_damaged_compression(tmp_path: Path, suffix: str) -> None:
    path = write(scan((20, 20, 20)), tmp_path / f"a{suffix}", True)
    raw = bytearray(path.read_bytes())
    raw[-2000:-1900] = bytes(100)
    path.write_bytes(raw)
    refused(path)


# --- absurd headers

# Byte offset in a NIfTI-1 header, format, value.
Edits = list[tuple[int, str, tuple[float, ...]]]
NO_SFORM, NO_QFORM = (254, "h", (0,)), (252, "h", (0,))
NIFTI_EDITS: dict[str, Edits] = {
    "huge": [(42, "3h", (30000, 30000, 30000))],
    "negative size": [(42, "h", (-7,))],
    "zero size": [(42, "h", (0,))],
    "no dimensions": [(40, "h", (0,))],
    "one dimension": [(40, "h", (1,))],
    "nine dimensions": [(40, "h", (9,))],
    "five dimensions": [(40, "6h", (5, 7, 6, 1, 1, 5))],
    "size beyond the file": [(46, "h", (50,))],
    "zero spacing": [(80, "f", (0.0,))],
    "negative spacing": [(84, "f", (-1.0,))],
    "NaN spacing": [(88, "f", (NAN,))],
    "infinite spacing": [(80, "f", (INF,))],
    "kilometre spacing": [(80, "f", (1e6,))],
    "zero spacing without orientation": [(80, "f", (0.0,)), NO_SFORM, NO_QFORM],
    "zero sform": [(280, "12f", (0.0,) * 12)],
    "zero sform alone": [(280, "12f", (0.0,) * 12), NO_QFORM],
    "singular sform": [(280, "12f", (0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 3, 0)), NO_QFORM],
    "sheared sform": [(280, "12f", (0.5, 0.3, 0, 0, 0, 0.6, 0, 0, 0, 0, 3, 0)), NO_QFORM],
    "NaN sform": [(280, "f", (NAN,))],
    "NaN sform offset": [(292, "f", (NAN,))],
    "NaN qform": [(256, "f", (NAN,)), NO_SFORM],
    "impossible qform": [(256, "f", (3.0,)), NO_SFORM],
    "NaN qform offset": [(268, "f", (NAN,)), NO_SFORM],
    "unknown type": [(70, "h", (9999,))],
    "bits": [(70, "2h", (1, 1))],
    "128-bit floats": [(70, "2h", (1536, 128))],
    "colour": [(70, "2h", (128, 24))],
    "complex": [(70, "2h", (32, 64))],
    "voxels past the end": [(108, "f", (1e6,))],
    "voxels before the file": [(108, "f", (-1e9,))],
    "voxels nowhere": [(108, "f", (NAN,))],
    "other magic": [(344, "i", (0,))],
    "other header length": [(0, "i", (347,))],
}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("edits", NIFTI_EDITS.values(), ids=NIFTI_EDITS.keys())
def test_absurd_nifti_headers(
    tmp_path: Path, edits: Edits, compress: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = bytearray(write(scan(), tmp_path / "a.nii").read_bytes())
    for offset, fmt, values in edits:
        struct.pack_into("<" + fmt, raw, offset, *values)
    path = tmp_path / ("bad.nii.gz" if compress else "bad.nii")
    path.write_bytes(gzip.compress(raw) if compress else raw)
    refused(path)
    assert capfd.readouterr().err == ""


def test_big_endian_is_read_and_checked(tmp_path: Path) -> None:
    """A header written here field by field: SimpleITK does not write big-endian files."""
    values = np.random.default_rng(0).normal(size=(5, 6, 7))
    values[1, 2, 3] = NAN
    header = bytearray(352)
    fields = [
        (0, "i", (348,)),
        (40, "8h", (3, 7, 6, 5, 1, 1, 1, 1)),
        (70, "2h", (16, 32)),
        (76, "8f", (1.0, 0.5, 0.6, 3.0, 0, 0, 0, 0)),
        (108, "f", (352.0,)),
        (123, "b", (2,)),
        (252, "2h", (1, 0)),
        (344, "4s", (b"n+1\0",)),
    ]
    for offset, fmt, value in fields:
        struct.pack_into(">" + fmt, header, offset, *value)
    path = tmp_path / "big.nii"
    path.write_bytes(header + values.astype(">f4").tobytes())
    with pytest.warns(UserWarning, match="1 non-finite voxel was"):
        read = images.read_image(path)
    np.testing.assert_allclose(sitk.GetArrayFromImage(read), np.nan_to_num(values), rtol=1e-6)
    assert read.GetSpacing() == pytest.approx((0.5, 0.6, 3.0))
    path.write_bytes(path.read_bytes()[:-5])
    refused(path)


def test_nifti2_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "two.nii"
    path.write_bytes(struct.pack("<i8s", 540, b"n+2\0\r\n\x1a\n") + bytes(2000))
    assert "NIfTI-2" in str(refused(path))


def test_slightly_sheared_sform_reads_by_its_qform(tmp_path: Path) -> None:
    raw = bytearray(write(scan(), tmp_path / "a.nii").read_bytes())
    (value,) = struct.unpack_from("<f", raw, 284)
    struct.pack_into("<f", raw, 284, value + 0.002)
    path = tmp_path / "b.nii"
    path.write_bytes(raw)
    assert same_geometry(images.read_image(path), scan(), 1e-3)


TEXT_EDITS = [
    ("mha", "DimSize = 7 6 5", "DimSize = 30000 30000 30000"),
    ("mha", "DimSize = 7 6 5", "DimSize = 0 6 5"),
    ("mha", "DimSize = 7 6 5", "DimSize = -7 6 5"),
    ("mha", "DimSize = 7 6 5", "DimSize = 7 6"),
    ("mha", "DimSize = 7 6 5", "DimSize = 7 6 50"),
    ("mha", "NDims = 3", "NDims = 300000"),
    ("mha", "NDims = 3", "NDims = -3"),
    ("mha", "NDims = 3\n", ""),
    ("mha", "ElementSpacing = 0.5", "ElementSpacing = 0"),
    ("mha", "ElementSpacing = 0.5", "ElementSpacing = -0.5"),
    ("mha", "ElementSpacing = 0.5", "ElementSpacing = nan"),
    ("mha", "ElementSpacing = 0.5", "ElementSpacing = thin"),
    ("mha", "Offset = -12", "Offset = nan"),
    ("mha", "TransformMatrix = 0.99", "TransformMatrix = nan"),
    ("mha", "TransformMatrix = 0.99", "TransformMatrix = 0.11"),
    ("mha", "MET_FLOAT", "MET_FLOTT"),
    ("mha", "CompressedData = False", "CompressedData = True"),
    ("mha", "ElementDataFile = LOCAL", "ElementDataFile = other.raw"),
    ("nrrd", "sizes: 7 6 5", "sizes: 30000 30000 30000"),
    ("nrrd", "sizes: 7 6 5", "sizes: 0 6 5"),
    ("nrrd", "sizes: 7 6 5", "sizes: 7 6 50"),
    ("nrrd", "dimension: 3", "dimension: 99"),
    ("nrrd", "space directions: (0.4", "space directions: (nan"),
    ("nrrd", "space directions: (", "space directions: (0,0,0) ("),
    ("nrrd", "space origin: (-12", "space origin: (nan"),
    ("nrrd", "type: float", "type: block"),
    ("nrrd", "encoding: raw", "encoding: gzip"),
    ("nrrd", "kinds: domain domain domain", "kinds: vector domain domain"),
    ("nrrd", "NRRD000", "NRRX000"),
]


@pytest.mark.parametrize(("suffix", "old", "new"), TEXT_EDITS)
def test_absurd_text_headers(
    tmp_path: Path, suffix: str, old: str, new: str, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = write(scan(), tmp_path / f"a.{suffix}").read_bytes()
    assert old.encode() in raw
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(raw.replace(old.encode(), new.encode(), 1))
    refused(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("size", [b"99999999999999", b"999999999", b"-5", b"one"])
def test_metaimage_with_absurd_compressed_size(tmp_path: Path, size: bytes) -> None:
    raw = write(scan(), tmp_path / "a.mha", True).read_bytes()
    start = raw.index(b"CompressedDataSize = ") + 21
    end = raw.index(b"\n", start)
    (tmp_path / "bad.mha").write_bytes(raw[:start] + size + raw[end:])
    refused(tmp_path / "bad.mha")


@pytest.mark.filterwarnings("ignore:.*non-finite")
@pytest.mark.parametrize(
    ("name", "compress", "header"),
    [
        ("a.nii", False, 352),
        ("a.nii.gz", True, 352),
        ("a.mha", False, 330),
        ("a.mha", True, 330),
        ("a.nrrd", False, 330),
        ("a.nrrd", True, 330),
    ],
)
def test_fuzzed_headers_give_an_image_or_a_sentence(
    tmp_path: Path, name: str, compress: bool, header: int
) -> None:
    """150 headers with 1 to 4 bytes changed: no crash, no other error, no great memory."""
    rng = np.random.default_rng(42)
    plain = name.endswith(".gz")
    good = write(scan(), tmp_path / name, compress).read_bytes()
    good = gzip.decompress(good) if plain else good
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = []
    for case in range(150):
        raw = bytearray(good)
        for place in rng.integers(0, min(header, len(raw)), rng.integers(1, 5)):
            raw[place] = rng.choice([0, 255, *b"0-9. \n:n", int(rng.integers(256))])
        path = tmp_path / f"{case}{name}"
        path.write_bytes(gzip.compress(raw, 1) if plain else raw)
        try:
            image = images.read_image(path)
            assert image.GetDimension() == 3
            assert np.isfinite(images.array_from(image)).all()
            assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) != 0
            outcomes.append(True)
        except InvalidImage as error:
            assert path.name in str(error)
            outcomes.append(False)
        path.unlink()
    assert 5 <= sum(outcomes) <= 145
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, f"{grown} KB more"


# --- orientation


def test_network_order_is_right_to_left_posterior_to_anterior_inferior_to_superior() -> None:
    image = scan((4, 5, 6))
    image.SetDirection(np.eye(3).ravel())  # LPS: x to the left, y to posterior, z to superior
    array, ordered = images.network_array(image)
    x, y, z = np.reshape(ordered.GetDirection(), (3, 3)).T
    np.testing.assert_array_equal([x, y, z], [[1, 0, 0], [0, -1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(array, images.array_from(image)[:, ::-1, :])
    assert array.dtype == np.float32


@pytest.mark.parametrize("angles", [(0.0, 0.0), (15.0, 10.0), (-35.0, 20.0)])
def test_round_trip_in_all_48_orientations(angles: tuple[float, float]) -> None:
    base = scan((4, 5, 6))
    base.SetDirection(rotation(*angles).ravel())
    assert len(ORIENTATIONS) == 48
    expected = images.array_from(images.to_network_order(base))
    for orientation in ORIENTATIONS:
        stored = sitk.DICOMOrient(base, orientation)
        ordered = images.to_network_order(stored)
        np.testing.assert_array_equal(images.array_from(ordered), expected)
        restored = images.restore_grid(ordered, stored)
        np.testing.assert_array_equal(images.array_from(restored), images.array_from(stored))
        for get in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(restored, get)() == getattr(stored, get)()


def test_restore_grid_refuses_another_grid() -> None:
    image = scan((4, 4, 4))
    ordered = images.to_network_order(image)
    moved, turned = sitk.Image(image), sitk.Image(image)
    moved.SetOrigin((0.0, 0.0, 0.0))
    turned.SetDirection(np.eye(3).ravel())
    for other in (moved, turned, scan((4, 5, 6))):
        with pytest.raises(ValueError):
            images.restore_grid(ordered, other)


def test_arrays_are_x_y_z() -> None:
    image = scan((4, 5, 6))
    array = images.array_from(image)
    assert array.shape == (4, 5, 6)
    assert array[3, 1, 2] == image.GetPixel(3, 1, 2)
    back = images.image_from(array > 100, image)
    assert back.GetPixelID() == sitk.sitkUInt8
    assert back.GetPixel(3, 1, 2) == (image.GetPixel(3, 1, 2) > 100)
    assert same_geometry(back, image)
    with pytest.raises(ValueError, match="shape"):
        images.image_from(array[1:], image)


# --- resampling


def corners(image: sitk.Image) -> np.ndarray:
    size = np.array(image.GetSize()) - 0.5
    index = itertools.product(*[(-0.5, float(edge)) for edge in size])
    return np.array([image.TransformContinuousIndexToPhysicalPoint(i) for i in index])


def ramp(image: sitk.Image, function: Callable[..., np.ndarray]) -> sitk.Image:
    """Fill the grid of an image with a function of the physical point."""
    index = np.indices(image.GetSize()).reshape(3, -1)
    matrix = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    points = matrix @ index + np.array(image.GetOrigin())[:, None]
    values = function(*points).astype(np.float32).reshape(image.GetSize())
    return images.image_from(values, image)


@pytest.mark.parametrize("spacing", [(0.25, 0.3, 1.0), (1.0, 1.2, 6.0), (0.7, None, None)])
def test_resample_keeps_the_outer_edges(spacing: tuple[float | None, ...]) -> None:
    image = scan((20, 22, 8))
    resampled = images.resample(image, spacing)
    np.testing.assert_allclose(corners(resampled), corners(image), atol=1e-9)
    for new, old, wanted in zip(resampled.GetSpacing(), image.GetSpacing(), spacing, strict=True):
        assert new == pytest.approx(wanted or old, rel=0.05)


@pytest.mark.parametrize("spacing", [(0.25, 0.3, 1.0), (1.0, 1.2, 6.0)])
def test_resample_does_not_shift(spacing: tuple[float, ...]) -> None:
    """A linear ramp in space is reproduced at the new voxels, away from the border."""

    def slope(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return 3 * x - 2 * y + z

    resampled = images.resample(ramp(scan((40, 44, 24)), slope), spacing)
    expected = ramp(resampled, slope)
    inner = (slice(4, -4),) * 3
    np.testing.assert_allclose(
        images.array_from(resampled)[inner], images.array_from(expected)[inner], atol=1e-3
    )


def test_coarser_voxels_average_what_they_cover() -> None:
    values = np.random.default_rng(1).normal(size=(60, 60, 4)).astype(np.float32)
    image = images.image_from(values, sitk.Image((60, 60, 4), sitk.sitkFloat32))
    coarse = images.array_from(images.resample(image, (4.0, 4.0, None)))
    blocks = values.reshape(15, 4, 15, 4, 4).mean(axis=(1, 3))
    assert coarse.std() < 1.3 * blocks.std()
    assert np.corrcoef(coarse.ravel(), blocks.ravel())[0, 1] > 0.8


def test_resampling_constants_and_labels() -> None:
    flat = sitk.Image((9, 9, 1), sitk.sitkInt16) + 7
    fine = images.resample(flat, (0.3, 2.0, 1.0))
    assert fine.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(images.array_from(fine), 7)
    labels = images.resample(scan(pixel=np.uint8), (0.2, 0.2, 1.0), sitk.sitkNearestNeighbor)
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert set(images.array_from(labels).ravel()) <= set(
        images.array_from(scan(pixel=np.uint8)).ravel()
    )
    with pytest.raises(ValueError, match="positive"):
        images.resample(flat, (0.0, 1.0, 1.0))


def test_resample_like_puts_voxels_where_they_belong() -> None:
    def slope(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return x + 2 * y - z

    image = ramp(scan((60, 60, 20)), slope)
    reference = sitk.Image((6, 6, 4), sitk.sitkUInt8)
    reference.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((25.0, 25.0, 9.0)))
    resampled = images.resample_like(image, reference)
    assert same_geometry(resampled, reference)
    np.testing.assert_allclose(
        images.array_from(resampled), images.array_from(ramp(reference, slope)), atol=1e-3
    )


def test_reference_scans_are_read(shared: Path) -> None:
    for name in ("subj-a/t2w", "subj-c/t2s_uncropped", "subj-e/t2s_run1", "subj-g/t2s_7t"):
        image = images.read_image(shared / "data" / f"{name}.nii.gz")
        assert images.array_from(images.to_network_order(image)).ndim == 3
    diffusion = shared / "data" / "subj-i" / "dmri.nii.gz"
    assert "35 volumes" in str(refused(diffusion))
    assert images.read_image(diffusion, volume="mean").GetSize() == (96, 36, 15)
