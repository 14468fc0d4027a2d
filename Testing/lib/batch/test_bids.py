# SPDX-License-Identifier: Apache-2.0
"""Names of derivatives, and what describes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from SpinalCordSegLib.batch.bids import dataset_description, derivative_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sub-1_acq-ax_T2w_label-SC_mask.nii.gz",
            "sub-1_acq-ax_label-SC_desc-T2w_mask.nii.gz",
        ),
        (
            "sub-1_acq-ax_T2w_label-lesion_prob.nii.gz",
            "sub-1_acq-ax_label-lesion_desc-T2w_probseg.nii.gz",
        ),
        ("sub-1_acq-ax_T2w_overview.png", "sub-1_acq-ax_desc-T2w_overview.png"),
    ],
)
def test_the_suffix_of_the_scan_stays_in_the_name(name: str, expected: str) -> None:
    assert derivative_name("sub-1_acq-ax_T2w", name) == expected


def test_entities_that_masks_do_not_have_go_into_the_description() -> None:
    name = derivative_name("sub-1_mt-on_MTS", "sub-1_mt-on_MTS_label-SC_mask.nii.gz")
    assert name == "sub-1_label-SC_desc-MTSmton_mask.nii.gz"


def test_the_dataset_is_linked_to_only_from_inside(tmp_path: Path) -> None:
    inside = dataset_description(tmp_path / "raw", tmp_path / "raw" / "derivatives" / "x")
    assert inside["DatasetLinks"] == {"raw": "../.."}
    outside = dataset_description(tmp_path / "raw", tmp_path / "elsewhere")
    assert "DatasetLinks" not in outside and str(tmp_path) not in str(outside)
