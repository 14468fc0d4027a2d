# SPDX-License-Identifier: Apache-2.0
"""Ranges of a cord of twelve slices, 2 mm each: areas 10, 11, ... mm2 from the top down."""

from __future__ import annotations

import dataclasses
import math

import pytest

import SpinalCordSegLib as scs
from SpinalCordSegLib.measurement.cord import CordMeasurements, CordSlice
from SpinalCordSegLib.measurement.summary import summarise_cord, summarise_levels


def row(number: int) -> CordSlice:
    """Return the slice that is `number` slices below the top; the first and the last are cut."""
    return CordSlice(
        slice=30 - number,
        whole=0 < number < 11,
        level=2 + number // 4,
        position_mm=1.0 + 2 * number,
        x_mm=0.0,
        y_mm=0.0,
        z_mm=-2.0 * number,
        length_mm=2.0,
        angle_deg=0.0,
        area_mm2=10.0 + number,
        diameter_ap_mm=3.0,
        diameter_rl_mm=4.0,
        eccentricity=0.5,
        solidity=1.0,
        orientation_deg=0.0,
        gray_matter_ratio=0.2 if number < 6 else math.nan,
    )


CORD = CordMeasurements(tuple(row(number) for number in range(12)))


def test_everything_but_the_cut_slices() -> None:
    found = summarise_cord(CORD)
    assert (found.range, found.slices, found.left_out) == ("all", 10, 2)
    assert found.length_mm == 20 and found.volume_mm3 == pytest.approx(2 * sum(range(11, 21)))
    area = found.statistics["area_mm2"]
    assert (area.mean, area.minimum, area.maximum) == (15.5, 11, 20)
    assert area.sd == pytest.approx(math.sqrt((10**2 - 1) / 12))
    assert found.statistics["gray_matter_ratio"].mean == pytest.approx(0.2)
    # What no slice has is not there, rather than not a number.
    assert "intensity_mean" not in found.statistics


@pytest.mark.parametrize(
    ("range_", "name", "areas"),
    [
        ({"slices": [25, 26, 24, 20]}, "slices 20,24-26", [14, 15, 16, 20]),
        ({"slices": [30, 29]}, "slices 29-30", [11]),
        ({"distance_mm": (5, 9.5)}, "from 5 to 9.5 mm below the top of the mask", [12, 13, 14]),
        ({"distance_mm": (9.5, 5)}, "from 5 to 9.5 mm below the top of the mask", [12, 13, 14]),
        ({"levels": [3]}, "level 3", [14, 15, 16, 17]),
        ({"levels": [2, 3]}, "levels 2-3", [11, 12, 13, 14, 15, 16, 17]),
        ({"levels": [3], "slices": range(26, 40)}, "slices 26-39 and level 3", [14]),
    ],
)
def test_ranges(range_: dict, name: str, areas: list[float]) -> None:
    found = summarise_cord(CORD, **range_)
    assert found.range == name
    assert found.slices == len(areas)
    assert found.statistics["area_mm2"].mean == pytest.approx(sum(areas) / len(areas))
    assert found.volume_mm3 == 2 * sum(areas)


def test_each_level_from_the_top_down() -> None:
    found = summarise_levels(CORD)
    assert [summary.range for summary in found] == ["level 2", "level 3", "level 4"]
    assert [summary.slices for summary in found] == [3, 4, 3]
    unknown = tuple(dataclasses.replace(row, level=0) for row in CORD.slices)
    assert summarise_levels(CordMeasurements(unknown)) == ()


@pytest.mark.parametrize(
    ("range_", "words"),
    [
        ({"slices": [2]}, r"no slice with cord in the range \(slices 2\); choose within slices 19"),
        ({"slices": [30]}, "only cut slices in the range"),
        ({"distance_mm": (100, 200)}, "100 to 200 mm below the top of the mask.*1 to 23 mm"),
        ({"levels": [9]}, r"\(level 9\); .* levels 2-4"),
    ],
)
def test_an_empty_range_says_what_there_is(range_: dict, words: str) -> None:
    with pytest.raises(scs.InvalidArgument, match=words):
        summarise_cord(CORD, **range_)
