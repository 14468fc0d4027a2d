# SPDX-License-Identifier: Apache-2.0
"""Which files are scans, and that no two of them share an id.

study/
  a/t2.nii.gz  a/t2_label-SC_mask.nii.gz      a scan and a mask
  b/t2.nii.gz                                 the same name
  derivatives/c/t2.nii.gz                     results of others
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from SpinalCordSegLib.batch.inputs import find_scans
from SpinalCordSegLib.errors import InvalidArgument, InvalidImage
from SpinalCordSegLib.images import read_image

Make = Callable[..., Path]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    for name in (
        "a/t2.nii.gz",
        "a/t2_label-SC_mask.nii.gz",
        "b/t2.nii.gz",
        "derivatives/c/t2.nii.gz",
        ".hidden/t2.nii.gz",
        "b/notes.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def _ids(*inputs: object, output: Path = Path("nowhere")) -> list[str]:
    return [scan.id for scan in find_scans([str(each) for each in inputs], output).scans]


def test_a_folder_is_searched_and_mirrored(study: Path) -> None:
    found = find_scans([study], study / "results")
    assert [scan.id for scan in found.scans] == ["a/t2", "b/t2"]
    assert [scan.source for scan in found.scans] == ["a/t2.nii.gz", "b/t2.nii.gz"]
    assert found.left_out == ("t2_label-SC_mask.nii.gz",)


def test_results_in_the_folder_are_no_scans(study: Path) -> None:
    (study / "results" / "a").mkdir(parents=True)
    (study / "results" / "a" / "t2.nii.gz").touch()
    assert _ids(study, output=study / "results") == ["a/t2", "b/t2"]


def test_a_pattern(study: Path) -> None:
    assert _ids(study / "**" / "*.nii.gz") == ["a/t2", "b/t2", "derivatives/c/t2"]
    assert _ids(study / "b" / "t2.*") == ["t2"]


def test_files_of_the_same_name_never_collide(study: Path) -> None:
    first, second = study / "a" / "t2.nii.gz", study / "b" / "t2.nii.gz"
    assert _ids(first, second) == ["a/t2", "b/t2"]
    assert _ids(first, first) == ["t2"]


def test_two_formats_and_two_cases_never_collide(study: Path) -> None:
    (study / "a" / "t2.nrrd").touch()
    (study / "a" / "T2.mha").touch()
    ids = _ids(study / "a")
    assert ids == ["T2_mha", "t2_niigz", "t2_nrrd"]


def test_the_same_path_below_two_roots_never_collides(study: Path) -> None:
    for side in ("left", "right"):
        (study / side / "x").mkdir(parents=True)
        (study / side / "x" / "t1.nii").touch()
    ids = _ids(study / "left" / "x", study / "right" / "x")
    assert ids == ["left/x/t1", "right/x/t1"]


def test_a_mask_that_is_named_itself_is_taken(study: Path) -> None:
    assert _ids(study / "a" / "t2_label-SC_mask.nii.gz") == ["t2_label-SC_mask"]


@pytest.mark.parametrize("name", ["missing.nii.gz", "*.mha"])
def test_an_input_that_does_not_exist_is_refused(study: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="there is no"):
        find_scans([study / name], study)


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no scan"):
        find_scans([tmp_path], tmp_path / "results")


def test_a_bids_dataset(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    for name in (
        "sub-1/anat/sub-1_T1w.nii.gz",
        "sub-1/anat/sub-1_T2w.nii.gz",
        "sub-1/anat/sub-1_T2w.json",
        "sub-1/anat/sub-1_acq-x_mt-on_MTS.nii.gz",
        "sub-1/anat/sub-1_label-SC_mask.nii.gz",
        "sub-1/func/sub-1_task-rest_bold.nii.gz",
        "sub-2/ses-a/anat/sub-2_ses-a_T2starw.nii",
        "sub-2/ses-a/dwi/sub-2_ses-a_dwi.nii.gz",
        "derivatives/x/sub-1/anat/sub-1_T2w.nii.gz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    scans = find_scans([tmp_path], tmp_path / "derivatives" / "spinalcordseg").scans
    assert {scan.id: scan.contrast for scan in scans} == {
        "sub-1/anat/sub-1_T1w": "t1",
        "sub-1/anat/sub-1_T2w": "t2",
        "sub-1/anat/sub-1_acq-x_mt-on_MTS": "auto",
        "sub-2/ses-a/anat/sub-2_ses-a_T2starw": "t2s",
        "sub-2/ses-a/dwi/sub-2_ses-a_dwi": "dwi",
    }
    assert all(scan.dataset == tmp_path for scan in scans)


def test_a_dicom_series_is_named_by_the_series_not_the_patient(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "Doe_Jane" / "12"
    write_series(folder, {"0008|103e": "t2_tse_sag", "0010|0010": "DOE^JANE"})
    (scan,) = find_scans([tmp_path / "in"], tmp_path / "out").scans
    assert scan.path == folder and scan.id.endswith("/12/t2_tse_sag")
    assert "doe" not in (scan.id + scan.source).lower()


def test_a_shuffled_series_is_read_in_the_order_of_its_slices(tmp_path: Path) -> None:
    write_series(tmp_path, {"0008|103e": "t2"})
    image = read_image(tmp_path)
    assert image.GetSize() == (8, 8, 6) and image.GetSpacing()[2] == pytest.approx(3)
    assert [image[2, 3, k] for k in range(6)] == [100, 101, 102, 103, 104, 105]


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    write_series(tmp_path, {"0008|103e": "t2"}, skip=(3,))
    with pytest.raises(InvalidImage, match="lacks 1 slice between slices 3 and 4 of the 5"):
        read_image(tmp_path)


def test_two_series_in_a_folder_are_named(tmp_path: Path) -> None:
    write_series(tmp_path, {"0008|103e": "t1"})
    write_series(tmp_path, {"0008|103e": "t2"})
    with pytest.raises(InvalidImage, match=r"2 DICOM series \(.*: t1, 6 files, .*: t2, 6 files\)"):
        read_image(tmp_path)


def test_slices_in_the_same_place_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, {"0008|103e": "t2", "0020|0032": "0\\0\\0"})
    with pytest.raises(InvalidImage, match="same place"):
        read_image(tmp_path)


def write_series(folder: Path, tags: dict[str, str], skip: tuple[int, ...] = ()) -> None:
    """Write a series of 6 axial slices of 3 mm, in shuffled order of names."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = "1.2.826.0.1.3680043.2.1125." + str(sum(map(ord, "".join(tags.values()))))
    image = sitk.Image(8, 8, sitk.sitkUInt16) + 5
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in (n for n in range(6) if n not in skip):
        slice_ = sitk.Image(image)
        slice_[2, 3] = 100 + k
        common = {
            "0008|0060": "MR",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"{uid}.{k + 1}",
            "0020|000d": f"{uid}.100",
            "0020|000e": f"{uid}.200",
            "0020|0032": f"0\\0\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k),
            "0018|0050": "3",
        }
        for tag, value in {**common, **tags}.items():
            slice_.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{tags['0008|103e']}-{(k * 5) % 7}.dcm"))
        writer.Execute(slice_)
