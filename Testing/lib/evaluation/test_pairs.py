# SPDX-License-Identifier: Apache-2.0
"""Matching two folders by the names of their masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from SpinalCordSegLib.evaluation.pairs import match_folders


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


def matched(tmp_path: Path, ours: list[str], theirs: list[str], structure: str = "cord"):
    pairing = match_folders(
        folder(tmp_path / "ours", *ours), folder(tmp_path / "theirs", *theirs), structure
    )
    pairs = {
        pair.prediction.relative_to(tmp_path / "ours").as_posix(): pair.reference.relative_to(
            tmp_path / "theirs"
        ).as_posix()
        for pair in pairing.pairs
    }
    return pairs, list(pairing.missing), list(pairing.extra)


@pytest.mark.parametrize(
    "reference",
    [
        "sub-01_T2w_seg-manual.nii.gz",
        "sub-01_T2w_seg.nii.gz",
        "sub-01_T2w_label-SC_seg.nii.gz",
        "sub-01_T2w_label-SC_desc-manual_mask.nii.gz",
        "sub-01_T2w_cord.nrrd",
        "sub-01_T2w_SC_manual.mha",
        "sub-01_T2w_mask.nii",
        "sub-01_T2w.nii.gz",
        "derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz",
    ],
)
def test_ways_to_name_a_reference(tmp_path: Path, reference: str) -> None:
    ours = "sub-01_T2w_label-SC_mask.nii.gz"
    assert matched(tmp_path, [ours], [reference]) == ({ours: reference}, [], [])


@pytest.mark.parametrize(
    ("structure", "ours", "theirs"),
    [
        ("gray_matter", "t2s_label-GM_mask.nii.gz", "t2s_gmseg-manual.nii.gz"),
        ("gray_matter", "t2s_label-GM_mask.nii.gz", "t2s_gm.nii.gz"),
        ("lesion", "t2s_label-lesion_mask.nii.gz", "t2s_lesion-manual.nii.gz"),
        ("lesion", "t2s_label-lesion_mask.nii.gz", "t2s_lesionseg.nii.gz"),
    ],
)
def test_other_structures(tmp_path: Path, structure: str, ours: str, theirs: str) -> None:
    others = ["t2s_label-SC_mask.nii.gz", "t2s_seg-manual.nii.gz", "t2s_csf.nii.gz"]
    found = matched(tmp_path, [ours, others[0]], [theirs, *others[1:]], structure)
    assert found == ({ours: theirs}, [], [])


def test_everything_that_segment_writes_beside_its_masks(tmp_path: Path) -> None:
    written = [
        "t2_label-SC_mask.nii.gz",
        "t2_label-SC_prob.nii.gz",
        "t2_label-GM_mask.nii.gz",
        "t2_seg.seg.nrrd",
        "t2_seg.json",
        "t2_centerline.csv",
        "t2_overview.png",
        ".hidden/t2_label-SC_mask.nii.gz",
    ]
    found = matched(tmp_path, written, ["t2.nii.gz", "t2_seg.nii.gz", "t1.nii.gz"])
    # The scans beside the references are no references.
    assert found == ({written[0]: "t2_seg.nii.gz"}, [], [])


def test_the_same_name_in_several_folders(tmp_path: Path) -> None:
    ours = ["a/t2_label-SC_mask.nii.gz", "b/t2_label-SC_mask.nii.gz"]
    theirs = ["a/t2_seg.nii.gz", "b/t2_seg.nii.gz"]
    assert matched(tmp_path, ours, theirs)[0] == dict(zip(ours, theirs, strict=True))


def test_nothing_is_guessed_between_two_of_one_name(tmp_path: Path) -> None:
    theirs = ["a/t2_seg.nii.gz", "b/t2_seg.nii.gz"]
    found = matched(tmp_path, ["t2_label-SC_mask.nii.gz"], theirs)
    assert found == ({}, theirs, ["t2_label-SC_mask.nii.gz"])
    two = ["t1_seg.nii.gz", "t1_cord.nii.gz"]
    pairs, missing, extra = matched(tmp_path / "2", ["t1_label-SC_mask.nii.gz"], two)
    assert (pairs, missing, extra) == ({}, sorted(two), ["t1_label-SC_mask.nii.gz"])


def test_missing_and_extra_masks_are_named(tmp_path: Path) -> None:
    found = matched(
        tmp_path,
        ["a_label-SC_mask.nii.gz", "c_label-SC_mask.nii.gz"],
        ["a_seg.nii.gz", "x/b_seg.nii.gz"],
    )
    assert found == (
        {"a_label-SC_mask.nii.gz": "a_seg.nii.gz"},
        ["x/b_seg.nii.gz"],
        ["c_label-SC_mask.nii.gz"],
    )


def test_the_shared_scans(shared: Path) -> None:
    pairing = match_folders(shared / "data", shared / "data", "cord")
    assert len(pairing.pairs) == 9 and not pairing.missing and not pairing.extra
    assert pairing.pairs[0].name == "subj-a/mt1"
    assert len(match_folders(shared / "data", shared / "data", "gray_matter").pairs) == 7


def test_scans_in_both_folders_are_no_masks(tmp_path: Path) -> None:
    ours = ["t1.nii.gz", "t2.nii.gz", "t1_label-SC_mask.nii.gz"]
    found = matched(tmp_path, ours, ["t1.nii.gz", "t2.nii.gz", "t1_seg.nii.gz"])
    assert found == ({ours[2]: "t1_seg.nii.gz"}, [], [])
