# SPDX-License-Identifier: Apache-2.0
"""Marks as a file: what was written is read, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from SpinalCordSegLib.batch.quality_marks import QualityMark, read_marks
from SpinalCordSegLib.errors import InvalidArgument

MARKS = {
    "sub-01/T2w": QualityMark("fail", 'leaks at C5, "twice"'),
    "sub-02/T2w": QualityMark("pass"),
    "sub-03/T2w": QualityMark("artefact", "Bewegung, ü"),
    "__proto__": QualityMark(None, "=cmd()"),
}


def test_marks_are_read_with_their_notes(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    each = {scan: {"mark": given.mark, "note": given.note} for scan, given in MARKS.items()}
    path.write_text(json.dumps({"format": 1, "marks": each}), encoding="utf-8")
    assert read_marks(path) == MARKS


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        '{"format": 1}',
        '{"format": 2, "marks": {}}',
        '{"format": 1, "marks": {"a": "fail"}}',
        '{"format": 1, "marks": {"a": {"mark": "good"}}}',
        '{"format": 1, "marks": {"a": {"mark": "fail", "note": 3}}}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "marks.json"
    path.write_text(content)
    with pytest.raises(InvalidArgument, match=r"marks\.json"):
        read_marks(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_marks(tmp_path / "none.json")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_text(json.dumps({"format": 1, "marks": {}}), encoding="utf-8-sig")
    assert read_marks(path) == {}
