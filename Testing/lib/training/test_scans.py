# SPDX-License-Identifier: Apache-2.0
"""A folder of scans: masks are found by name, and what does not match is said before any work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.errors import InvalidArgument, InvalidImage
from SpinalCordSegLib.training.scans import find_scans, read_scan

from .conftest import write_scan


def test_masks_lie_beside_the_image_or_below_derivatives(study: Path, tmp_path: Path) -> None:
    write_scan(tmp_path, "t2", 1)
    for folder, names in ((study, ["sub-01", "sub-02"]), (tmp_path, ["t2"])):
        scans = find_scans(folder, ("cord", "lesion"))
        assert [scan.subject for scan in scans] == names
        for scan in scans:
            assert set(scan.masks) == {"cord", "lesion"}
            read = read_scan(scan)
            assert read.volume.shape == read.masks["cord"].shape == (36, 32, 10)
            assert read.masks["cord"].sum() > 10 * read.masks["lesion"].sum() > 0


def test_what_segment_writes_beside_masks_is_passed_over(tmp_path: Path) -> None:
    files = write_scan(tmp_path, "t2", 1)
    for name in ("t2_label-SC_prob.nii.gz", "t2_label-WM_mask.nii.gz", "t2_seg.seg.nrrd"):
        if name.endswith("gz"):
            shutil.copy(files["SC"], tmp_path / name)
        else:
            sitk.WriteImage(sitk.ReadImage(str(files["SC"])), str(tmp_path / name))
    (scan,) = find_scans(tmp_path, ("cord",))
    assert scan.masks["cord"] == (files["SC"],)


def test_several_raters_are_averaged(tmp_path: Path) -> None:
    files = write_scan(tmp_path, "t2", 1)
    first = files["GM"].rename(tmp_path / "t2_label-GM_desc-rater1_mask.nii.gz")
    shutil.copy(files["lesion"], tmp_path / "t2_label-GM_desc-rater2_mask.nii.gz")
    (scan,) = find_scans(tmp_path, ("gray_matter",))
    assert len(scan.masks["gray_matter"]) == 2
    mean = read_scan(scan).masks["gray_matter"]
    assert set(np.unique(mean)) == {0.0, 0.5, 1.0}
    assert (mean >= 0.5).sum() > np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(first)))


def test_a_mask_stored_in_another_order_is_turned(tmp_path: Path) -> None:
    files = write_scan(tmp_path, "t2", 1)
    (scan,) = find_scans(tmp_path, ("cord",))
    before = read_scan(scan)
    turned = sitk.DICOMOrient(sitk.ReadImage(str(files["SC"])), "SRP")
    sitk.WriteImage(turned, str(files["SC"]))
    assert np.array_equal(read_scan(scan).masks["cord"], before.masks["cord"])


def _remove(files: dict[str, Path]) -> None:
    files["SC"].unlink()


def _orphan(files: dict[str, Path]) -> None:
    shutil.copy(files["SC"], files["SC"].with_name("other_label-SC_mask.nii.gz"))


def _twice(files: dict[str, Path]) -> None:
    shutil.copy(files["SC"], files["SC"].with_name("t2_seg.nii.gz"))


def _no_image(files: dict[str, Path]) -> None:
    for path in files.values():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_remove, "t2 has no mask of the cord"),
        (_orphan, "other_label-SC_mask.nii.gz belongs to no image"),
        (_twice, "more than one mask of the cord: .*t2_seg"),
        (_no_image, "holds no image"),
    ],
)
def test_masks_that_do_not_match_are_named(
    tmp_path: Path, spoil: Callable[[dict[str, Path]], None], words: str
) -> None:
    spoil(write_scan(tmp_path, "t2", 1))
    with pytest.raises(InvalidArgument, match=words) as caught:
        find_scans(tmp_path, ("cord",))
    assert caught.value.remedy


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no folder"):
        find_scans(tmp_path / "none", ("cord",))


@pytest.mark.parametrize("change", ["size", "origin", "spacing", "direction"])
def test_a_mask_on_another_grid_is_refused(tmp_path: Path, change: str) -> None:
    files = write_scan(tmp_path, "t2", 1)
    mask = sitk.ReadImage(str(files["SC"]))
    if change == "size":
        mask = mask[:, :, :-1]
    elif change == "origin":
        mask.SetOrigin((1.0, 0.0, 0.0))
    elif change == "spacing":
        mask.SetSpacing((1.0, 1.1, 2.0))
    else:
        mask.SetDirection((1, 0, 0, 0, -0.98, 0.199, 0, 0.199, 0.98))
    sitk.WriteImage(mask, str(files["SC"]))
    (scan,) = find_scans(tmp_path, ("cord",))
    with pytest.raises(InvalidImage, match="not on the grid"):
        read_scan(scan)


def test_an_empty_cord_is_refused_and_no_lesion_is_not(tmp_path: Path) -> None:
    files = write_scan(tmp_path, "t2", 1)
    for name in ("lesion", "SC"):
        sitk.WriteImage(sitk.ReadImage(str(files[name])) * 0, str(files[name]))
        (scan,) = find_scans(tmp_path, ("cord", "lesion"))
        if name == "lesion":
            assert not read_scan(scan).masks["lesion"].any()
    with pytest.raises(InvalidImage, match=r"t2_label-SC_mask\.nii\.gz is empty"):
        read_scan(scan)
