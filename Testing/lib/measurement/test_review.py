# SPDX-License-Identifier: Apache-2.0
"""A sure rod of cord, spoiled on one slice at a time."""

from __future__ import annotations

import numpy as np

from SpinalCordSegLib.measurement.review import doubtful_slices

SHAPE = (40, 40, 30)
SPACING = (0.5, 0.5, 2.0)


def rod(radius: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
    shift = np.zeros(SHAPE[2]) if shift is None else shift
    distance = np.hypot(x[..., None] - 20 - shift, y[..., None] - 20)
    return np.clip((radius - distance) / 2 + 0.5, 0, 1)


def test_a_good_mask_needs_no_review() -> None:
    probability = rod(np.linspace(9, 7, SHAPE[2]))
    assert doubtful_slices(probability > 0.5, probability, SPACING) == []


def test_an_area_jump_is_found() -> None:
    radius = np.full(SHAPE[2], 8.0)
    radius[12] = 5
    probability = rod(radius)
    found = doubtful_slices(probability > 0.5, probability, SPACING)
    assert [doubt.row for doubt in found] == [12]
    assert "area" in found[0].reason


def test_a_shifted_slice_is_found() -> None:
    shift = np.zeros(SHAPE[2])
    shift[20] = 9
    probability = rod(np.full(SHAPE[2], 8.0), shift)
    found = doubtful_slices(probability > 0.5, probability, SPACING)
    assert [doubt.row for doubt in found] == [20]
    assert "position" in found[0].reason


def test_an_unsure_network_is_found_and_interpolated_slices_are_named() -> None:
    probability = rod(np.full(SHAPE[2], 8.0))
    mask = probability > 0.5
    probability[:, :, 5] = 0.5 * probability[:, :, 5] + 0.2
    found = doubtful_slices(mask, probability, SPACING, filled=(9,))
    assert {doubt.row: doubt.reason for doubt in found} == {
        5: "the network is unsure of the outline",
        9: "interpolated from its neighbours",
    }
    assert found[0].severity >= found[1].severity


def test_an_empty_mask_has_nothing_to_review() -> None:
    assert doubtful_slices(np.zeros(SHAPE, bool), np.zeros(SHAPE), SPACING) == []
