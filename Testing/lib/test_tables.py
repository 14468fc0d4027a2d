# SPDX-License-Identifier: Apache-2.0
"""CSV that a spreadsheet shows, and does not run."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from SpinalCordSegLib.tables import csv_text


def cell(value: object) -> str:
    header, line = csv.reader(csv_text(["a", "b"], [{"a": value, "b": 1}]).splitlines())
    assert header == ["a", "b"] and line[1] == "1"
    return line[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.23456789, "1.2346"),
        (-2.5, "-2.5"),
        (3.0, "3"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (-0.00001, "0"),
        (True, "1"),
        (np.bool_(False), "0"),
        (None, ""),
        (math.nan, ""),
        (math.inf, ""),
        ("sub-01, T2w", "sub-01, T2w"),
        ('a "b"', 'a "b"'),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(1)", "-cmd|' /C calc'!A0"],
)
def test_text_never_becomes_a_formula(text: str) -> None:
    assert csv_text(["a"], [{"a": text}]).splitlines()[1].lstrip('"').startswith("'")


def test_what_a_row_lacks_is_empty() -> None:
    assert csv_text(["a", "b"], [{"b": 2}, {}]) == "a,b\n,2\n,\n"
