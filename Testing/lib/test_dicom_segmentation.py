# SPDX-License-Identifier: Apache-2.0
"""DICOM segmentations: where their voxels lie, what they say, and when there is none.

Every voxel of a series is the sum of 1 (cord), 2 (gray matter) and 4 (lesion), at random, so that
any voxel out of place shows in the pixels of the slice that a frame refers to.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from highdicom.color import CIELabColor

from SpinalCordSegLib import pipeline
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.cli import main
from SpinalCordSegLib.dicom_segmentation import source_slices, write_dicom_segmentation
from SpinalCordSegLib.errors import InvalidImage
from SpinalCordSegLib.images import image_from, read_image
from SpinalCordSegLib.labels import LABELS
from SpinalCordSegLib.result import Result
from SpinalCordSegLib.version import __version__
from Testing.lib.dicom_series import write_series

# Writing headers that are wrong on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*for VR")

SIZE = (9, 11, 6)
BITS = {"cord": 1, "gray_matter": 2, "lesion": 4}
AXIAL = (1, 0, 0, 0, 1, 0, 0, 0, 1)
# Columns: along rows to posterior, down columns to inferior, through slices to the right.
SAGITTAL = (0, 0, -1, 1, 0, 0, 0, -1, 0)
OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.4, -0.3, 0.7).GetMatrix()
REVERSED, SHUFFLED = (5, 4, 3, 2, 1, 0), (3, 0, 5, 1, 4, 2)


def _image(direction: Sequence[float] = AXIAL) -> sitk.Image:
    values = np.random.default_rng(0).integers(0, 8, SIZE[::-1], np.uint16)
    # Slices without any structure get no frame.
    values[2] = 0
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.75, 3.3))
    image.SetDirection(direction)
    image.SetOrigin((-20.25, 13.5, 101.0))
    return image


def _masks(image: sitk.Image) -> dict[str, sitk.Image]:
    return {name: sitk.Cast((image & bit) > 0, sitk.sitkUInt8) for name, bit in BITS.items()}


def _write(folder: Path, masks: dict[str, sitk.Image] | None = None) -> highdicom.seg.Segmentation:
    """Write the segmentation of a series beside its folder, and read it."""
    image, path = read_image(folder), folder.parent / "seg.dcm"
    write_dicom_segmentation(masks or _masks(image), source_slices(folder, image), path)
    return highdicom.seg.segread(path)


@pytest.mark.parametrize("order", [None, REVERSED, SHUFFLED], ids=["forward", "reversed", "random"])
@pytest.mark.parametrize(
    "direction", [AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"]
)
def test_every_voxel_lies_where_the_mask_has_it(
    tmp_path: Path, direction: Sequence[float], order: Sequence[int] | None
) -> None:
    folder = write_series(tmp_path / "series", _image(direction), order)
    segmentation = _write(folder)
    masks = _masks(read_image(folder))
    for number, name in enumerate(BITS, 1):
        found = _points_of_segment(segmentation, number)
        expected = _points(masks[name])
        assert len(expected) > 50
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_image_may_be_stored_the_other_way_round(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", _image(SAGITTAL))
    image = sitk.Flip(read_image(folder), (False, False, True))
    write_dicom_segmentation(_masks(image), source_slices(folder, image), tmp_path / "seg.dcm")
    found = _points_of_segment(highdicom.seg.segread(tmp_path / "seg.dcm"), 1)
    np.testing.assert_allclose(found, _points(_masks(image)["cord"]), atol=1e-3)


def test_every_frame_is_that_of_the_slice_it_refers_to(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", _image(SAGITTAL), SHUFFLED)
    segmentation = _write(folder)
    slices = [pydicom.dcmread(file) for file in folder.iterdir()]
    frames = segmentation.get_pixels_by_source_instance(
        [slice_.SOPInstanceUID for slice_ in slices], assert_missing_frames_are_empty=True
    )
    for number, bit in enumerate(BITS.values()):
        expected = np.array([slice_.pixel_array & bit > 0 for slice_ in slices])
        np.testing.assert_array_equal(frames[..., number] > 0, expected)


def test_segments_say_what_they_are_and_what_made_them(tmp_path: Path) -> None:
    segmentation = _write(write_series(tmp_path / "series", _image()))
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.SoftwareVersions == __version__
    labels = [label for label in LABELS if label.name in BITS]
    segments = [segmentation.get_segment_description(number) for number in (1, 2, 3)]
    for label, segment in zip(labels, segments, strict=True):
        assert segment.segment_label == label.title
        code, category = segment.segmented_property_type, segment.segmented_property_category
        assert (code.value, code.scheme_designator) == (label.code, "SCT")
        assert (category.value, category.meaning) == (label.category_code, label.category_meaning)
        colour = CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb()
        np.testing.assert_allclose(colour, label.colour, atol=1)
        algorithm = segment.algorithm_identification
        assert (algorithm.name, algorithm.version) == ("SpinalCordSeg", __version__)
    (region,) = segments[2].anatomic_regions
    assert region.value == "2748008"


def test_the_patient_and_the_study_are_those_of_the_series(tmp_path: Path) -> None:
    folder = write_series(
        tmp_path / "series",
        _image(),
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller^Änne",
        PatientID="4711",
        StudyDescription="Wirbelsäule",
        PatientSex="W",
        StudyID="longer than the sixteen characters it may have",
    )
    slice_ = pydicom.dcmread(folder / "1.dcm")
    with warnings.catch_warnings():
        # Nobody can do anything about them now.
        warnings.simplefilter("error")
        image = read_image(folder)
        write_dicom_segmentation(_masks(image), source_slices(folder, image), tmp_path / "seg.dcm")
    segmentation = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert segmentation.PatientName == "Müller^Änne" and segmentation.PatientID == "4711"
    assert segmentation.StudyDescription == "Wirbelsäule"
    assert segmentation.StudyInstanceUID == slice_.StudyInstanceUID
    assert segmentation.FrameOfReferenceUID == slice_.FrameOfReferenceUID
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == slice_.SeriesInstanceUID
    assert segmentation.SeriesInstanceUID != slice_.SeriesInstanceUID
    assert segmentation.PatientSex == segmentation.PatientBirthDate == ""


def test_structures_that_were_not_found_have_a_segment_without_frames(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", _image())
    masks = _masks(read_image(folder))
    masks["lesion"] *= 0
    segmentation = _write(folder, masks)
    assert segmentation.number_of_segments == 3
    assert not len(_points_of_segment(segmentation, 3))
    nothing = _write(folder, {name: mask * 0 for name, mask in masks.items()})
    assert not nothing.pixel_array.any()


def test_slices_need_neither_thickness_nor_equal_digits(tmp_path: Path) -> None:
    folder = write_series(
        tmp_path / "series", _image(OBLIQUE), SliceThickness=None, SpacingBetweenSlices=-3
    )
    one = pydicom.dcmread(folder / "2.dcm")
    one.ImageOrientationPatient = [f"{float(part):.5f}" for part in one.ImageOrientationPatient]
    one.save_as(folder / "2.dcm")
    shared = _write(folder).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert shared.SliceThickness == shared.SpacingBetweenSlices == pytest.approx(3.3)


def test_a_single_file_is_a_series_of_one(tmp_path: Path) -> None:
    file = write_series(tmp_path / "series", _image(SAGITTAL)) / "1.dcm"
    image = read_image(file)
    write_dicom_segmentation(_masks(image), source_slices(file, image), tmp_path / "seg.dcm")
    found = _points_of_segment(highdicom.seg.segread(tmp_path / "seg.dcm"), 1)
    np.testing.assert_allclose(found, _points(_masks(image)["cord"]), atol=1e-3)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"FrameOfReferenceUID": None}, "lacks the attribute FrameOfReferenceUID"),
        ({"PixelSpacing": None}, "lacks the attribute PixelSpacing"),
        ({"StudyDate": "yesterday"}, "allow no DICOM segmentation"),
    ],
)
def test_headers_that_allow_none_are_refused(
    tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    folder = write_series(tmp_path / "series", _image(), **attributes)
    with pytest.raises(InvalidImage, match=message) as caught:
        source_slices(folder, image_from(np.ones(SIZE), _image()))
    assert "leave out --dicom-seg" in caught.value.remedy


def test_a_multi_frame_file_is_refused(tmp_path: Path) -> None:
    file = write_series(tmp_path / "series", _image()[:, :, :1], NumberOfFrames=6) / "1.dcm"
    slice_ = pydicom.dcmread(file)
    slice_.PixelData = slice_.PixelData * 6
    slice_.save_as(file)
    image = read_image(file)
    assert image.GetSize() == SIZE
    with pytest.raises(InvalidImage, match="multi-frame"):
        source_slices(file, image)


def test_slices_that_lean_are_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", _image())
    for file in folder.iterdir():
        # Each a millimetre farther to the left than the one below.
        slice_ = pydicom.dcmread(file)
        x, y, z = slice_.ImagePositionPatient
        slice_.ImagePositionPatient = [x + slice_.InstanceNumber, y, z]
        slice_.save_as(file)
    with pytest.raises(InvalidImage, match="beside the grid"):
        source_slices(folder, read_image(folder))


@pytest.mark.parametrize("change", ["turned", "between", "longer"])
def test_an_image_on_another_grid_is_refused(tmp_path: Path, change: str) -> None:
    folder = write_series(tmp_path / "series", _image())
    image = read_image(folder)
    if change == "turned":
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0, 0, 0.1).GetMatrix())
    elif change == "between":
        image.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((0, 0, 0.4)))
    else:
        image = sitk.ConstantPad(image, (0, 0, 0), (0, 0, 1))
    with pytest.raises(InvalidImage, match="beside the grid"):
        source_slices(folder, image)


# --- The command


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch) -> list[sitk.Image]:
    """Replace the segmentation; the list receives the images it was given."""
    images: list[sitk.Image] = []

    def segment(image: sitk.Image, **_: Any) -> Result:
        images.append(image)
        masks = {"cord": _masks(image)["cord"]}
        ends = [image.TransformIndexToPhysicalPoint((4, 5, k)) for k in (0, SIZE[2] - 1)]
        return Result(masks["cord"], masks, masks, Centerline(np.array(ends)))

    monkeypatch.setattr(pipeline, "segment", segment)
    return images


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", _image(), SeriesDescription="t2", PatientName="A^B")


def _segment(*arguments: str | Path) -> int:
    return main(["segment", *map(str, arguments), "--progress", "none"])


def test_it_is_written_beside_the_other_files_where_asked_for(
    series: Path, tmp_path: Path, segmented: list[sitk.Image]
) -> None:
    out = tmp_path / "out"
    assert _segment(series, "-o", out) == 0
    assert not (out / "t2_seg.dcm").exists()
    assert _segment(series, "-o", out, "--dicom-seg", "--overwrite") == 0
    found = _points_of_segment(highdicom.seg.segread(out / "t2_seg.dcm"), 1)
    mask = sitk.ReadImage(out / "t2_label-SC_mask.nii.gz")
    np.testing.assert_allclose(found, _points(mask), atol=1e-3)
    assert b"A^B" in (out / "t2_seg.dcm").read_bytes()
    # It would not belong to the masks of the next run.
    assert _segment(series, "-o", out, "--overwrite") == 0
    assert not (out / "t2_seg.dcm").exists() and len(os.listdir(out)) == 6


def test_it_is_refused_before_any_work(
    series: Path,
    tmp_path: Path,
    segmented: list[sitk.Image],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = tmp_path / "scan.nii.gz"
    sitk.WriteImage(_image(), str(scan))

    def refused(image: Path, output: Path) -> str:
        assert _segment(image, "-o", output, "--dicom-seg") == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        assert not segmented and not (tmp_path / "out").exists()
        return sentence

    assert "scan.nii.gz is not DICOM" in refused(scan, tmp_path / "out")
    assert "does not exist" in refused(tmp_path / "nothing.nii", tmp_path / "out")
    assert "among the slices" in refused(series, series) and len(os.listdir(series)) == SIZE[2]
    monkeypatch.setitem(sys.modules, "highdicom", None)
    assert 'pip install "spinalcordseg[dicom]"' in refused(series, tmp_path / "out")


def _points(mask: sitk.Image) -> np.ndarray:
    """Return the centres of the voxels of a mask, millimetres, LPS, in a fixed order."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(mask).transpose(2, 1, 0)).tolist()
    return _sorted([mask.TransformIndexToPhysicalPoint(index) for index in indices])


def _points_of_segment(segmentation: highdicom.seg.Segmentation, number: int) -> np.ndarray:
    """Return the same of a segment, by the equation of PS3.3 C.7.6.2.1.1."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    down, along = (float(step) for step in shared.PixelMeasuresSequence[0].PixelSpacing)
    points: list[np.ndarray] = []
    frames = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    for frame, groups in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        # What is the same for all frames stands with the shared ones.
        (named,) = (groups if "SegmentIdentificationSequence" in groups else shared)[
            "SegmentIdentificationSequence"
        ]
        if named.ReferencedSegmentNumber == number:
            corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
            rows, columns = np.nonzero(frame)
            steps = np.outer(columns * along, axes[:3]) + np.outer(rows * down, axes[3:])
            points += list(corner + steps)
    return _sorted(points)


def _sorted(points: Sequence[Any]) -> np.ndarray:
    array = np.reshape(np.array(points, float), (-1, 3))
    # Rounded, or the last digits would decide.
    return array[np.lexsort(np.rint(array * 100).T)]
