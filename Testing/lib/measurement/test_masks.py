# SPDX-License-Identifier: Apache-2.0
"""The same cord as a mask, as a label map and as a segmentation, whole and as Slicer crops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, image_from
from SpinalCordSegLib.measurement.masks import masks_of_labels, read_masks
from SpinalCordSegLib.result_files import _write_segmentation


@pytest.fixture
def masks() -> dict[str, sitk.Image]:
    """Gray matter inside the cord, and a lesion that covers a corner of it."""
    cord, gray, lesion = (np.zeros((20, 22, 9), np.uint8) for _ in range(3))
    cord[5:15, 6:16, 2:8] = 1
    gray[8:12, 9:13, 2:8] = 1
    lesion[10:14, 11:15, 3:5] = 1
    image = sitk.GetImageFromArray(cord.transpose())
    image.SetSpacing((0.5, 0.6, 3.0))
    image.SetOrigin((-12.0, 7.0, 40.0))
    image.SetDirection((1, 0, 0, 0, 0.96, -0.28, 0, 0.28, 0.96))
    arrays = {"cord": cord, "gray_matter": gray, "lesion": lesion}
    return {name: image_from(array, image) for name, array in arrays.items()}


def same(one: sitk.Image, other: sitk.Image) -> bool:
    assert np.allclose(one.GetOrigin(), other.GetOrigin(), atol=1e-4)
    assert np.allclose(one.GetDirection(), other.GetDirection(), atol=1e-4)
    assert np.allclose(one.GetSpacing(), other.GetSpacing(), atol=1e-4)
    return np.array_equal(array_from(one), array_from(other))


def test_a_mask_is_the_cord_whatever_its_value(
    masks: dict[str, sitk.Image], tmp_path: Path
) -> None:
    for value in (1, 2, 255):
        sitk.WriteImage(masks["cord"] * value, str(tmp_path / "cord_mask.nii.gz"))
        (found,) = read_masks(tmp_path / "cord_mask.nii.gz").values()
        assert same(found, masks["cord"])


def test_a_label_map_holds_all(masks: dict[str, sitk.Image]) -> None:
    arrays = [array_from(masks[name]) for name in ("cord", "gray_matter", "lesion")]
    labels = np.maximum.reduce([array * value for value, array in enumerate(arrays, 1)])
    found = masks_of_labels(image_from(labels, masks["cord"]))
    assert set(found) == set(masks)
    assert same(found["cord"], masks["cord"]) and same(found["lesion"], masks["lesion"])
    # What the lesion covers is not in the map.
    assert array_from(found["gray_matter"]).sum() == (labels == 2).sum() > 0


def test_a_segmentation_holds_all(masks: dict[str, sitk.Image], tmp_path: Path) -> None:
    path = tmp_path / "scan_seg.seg.nrrd"
    _write_segmentation(masks, path)
    found = read_masks(path)
    assert set(found) == set(masks)
    assert all(same(found[name], masks[name]) for name in masks)


def test_a_segmentation_that_slicer_cropped_comes_back_to_its_scan(
    masks: dict[str, sitk.Image], tmp_path: Path
) -> None:
    path = tmp_path / "scan_seg.seg.nrrd"
    _write_segmentation({name: mask[3:18, 4:, 2:9] for name, mask in masks.items()}, path)
    assert read_masks(path)["cord"].GetSize() == (15, 18, 7)
    found = read_masks(path, masks["cord"])
    assert all(same(found[name], masks[name]) for name in masks)


def test_another_scan_is_not_taken_for_the_one_it_was_cropped_from(
    masks: dict[str, sitk.Image], tmp_path: Path
) -> None:
    path = tmp_path / "scan_seg.seg.nrrd"
    _write_segmentation({name: mask[3:18] for name, mask in masks.items()}, path)
    other = sitk.Image(masks["cord"])
    other.SetSpacing((0.5, 0.6, 2.0))
    assert read_masks(path, other)["cord"].GetSize() == (15, 22, 9)


@pytest.mark.parametrize("change", ["renamed", "bare"])
def test_segments_are_known_by_code_or_by_name(
    masks: dict[str, sitk.Image], tmp_path: Path, change: str
) -> None:
    path = tmp_path / "scan.seg.nrrd"
    _write_segmentation({"cord": masks["cord"]}, path)
    content = path.read_bytes()
    if change == "renamed":
        content = content.replace(b"ID:=cord", b"ID:=Segment_1").replace(
            b"Name:=Spinal cord", b"Name:=Mein Mark"
        )
    else:
        content = content.replace(b"2748008^Spinal cord", b"85756007^Tissue")
    path.write_bytes(content)
    assert same(read_masks(path)["cord"], masks["cord"])


def test_a_segmentation_without_a_cord_is_refused(
    masks: dict[str, sitk.Image], tmp_path: Path
) -> None:
    path = tmp_path / "scan.seg.nrrd"
    _write_segmentation({"lesion": masks["lesion"]}, path)
    with pytest.raises(scs.InvalidImage, match="has no segment of the spinal cord"):
        read_masks(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(scs.InvalidImage):
        read_masks(path)
    with pytest.raises(scs.InvalidImage, match="does not exist"):
        read_masks(tmp_path / "none.seg.nrrd")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 4, 7], "holds the labels 1, 4, 7, and not those of a segmentation"),
        (np.arange(1, 400), "as a scan does"),
        ([0.25, 0.5], "holds fractions"),
    ],
)
def test_other_images_are_refused(
    masks: dict[str, sitk.Image], values: list[float], words: str
) -> None:
    array = np.zeros(masks["cord"].GetSize(), np.float32)
    array.ravel()[: len(values)] = values
    with pytest.raises(scs.InvalidImage, match=words):
        masks_of_labels(image_from(array, masks["cord"]))
