# SPDX-License-Identifier: Apache-2.0
"""Messages without the folders of a computer."""

from __future__ import annotations

from pathlib import Path

import pytest

from SpinalCordSegLib.batch.private import without_folders


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/jane/a/t2.nii.gz cannot be read", "t2.nii.gz cannot be read"),
        (r"the file C:\Users\jane\t2.nii is not there", "the file t2.nii is not there"),
        ("the disk that holds '/data/x' is full", "the disk that holds 'x' is full"),
        ("a/b is relative, 3 / 4 and/or a word", "a/b is relative, 3 / 4 and/or a word"),
        ("/my scans/jane/t2.nii cannot be read", "t2.nii cannot be read"),
    ],
)
def test_only_the_last_part_of_a_path_remains(text: str, expected: str) -> None:
    assert without_folders(text, [Path("/my scans/jane")]) == expected
