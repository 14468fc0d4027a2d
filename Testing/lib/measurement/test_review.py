# SPDX-License-Identifier: Apache-2.0
"""A sure rod of cord in bright fluid, spoiled on known slices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from SpinalCordSegLib.measurement.doubt_image import looks_of, no_edge
from SpinalCordSegLib.measurement.doubt_sections import outline_distances
from SpinalCordSegLib.measurement.doubt_stack import Stack
from SpinalCordSegLib.measurement.review import Doubt, doubtful_slices

SHAPE = (60, 60, 30)
SPACING = (0.5, 0.5, 2.0)
MIDDLE = 30


def rod(radius: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
    """Return probabilities; radii and shifts along x in voxels, by slice."""
    shift = np.zeros(len(radius)) if shift is None else shift
    distance = np.hypot(X[..., None] - MIDDLE - shift, Y[..., None] - MIDDLE)
    return np.clip((radius - distance) / 2 + 0.5, 0, 1)


def scan(cord: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
    """Return an image in which the cord lies in a canal that is twice as wide, and bone outside."""
    fluid = rod(np.full(cord.shape[2], 18.0), shift)
    image = 20 + 80 * fluid - 60 * cord
    structure = 15 * np.sin(X / 5) * np.cos(Y / 7)
    return image + structure[..., None] + np.random.default_rng(1).normal(0, 3, cord.shape)


def review(mask: np.ndarray, image: np.ndarray | None = None, **more: object) -> list[Doubt]:
    """Review a mask whose probability is just as wrong."""
    return doubtful_slices(mask, mask.astype(float), SPACING, image=image, **more)


X, Y = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
STRAIGHT = rod(np.full(SHAPE[2], 8.0))
IMAGE = scan(STRAIGHT)
CURVE = np.full((SHAPE[2], 2), float(MIDDLE))


def _shifted(plane: np.ndarray) -> np.ndarray:
    return np.roll(plane, 7, axis=0)


def _leaking(plane: np.ndarray) -> np.ndarray:
    return plane | (np.hypot(X - MIDDLE - 10, Y - MIDDLE) < 7)


def _cut(plane: np.ndarray) -> np.ndarray:
    return plane & (X < MIDDLE)


def _wide(plane: np.ndarray) -> np.ndarray:
    return np.hypot(X - MIDDLE, Y - MIDDLE) < 12


def _narrow(plane: np.ndarray) -> np.ndarray:
    return np.hypot(X - MIDDLE, Y - MIDDLE) < 5


def _gone(plane: np.ndarray) -> np.ndarray:
    return np.zeros_like(plane)


FAULTS: dict[Callable[[np.ndarray], np.ndarray], tuple[str, ...]] = {
    _shifted: ("position",),
    _leaking: ("area", "shape", "position"),
    _cut: ("area", "shape", "position"),
    _wide: ("area",),
    _narrow: ("area",),
    _gone: ("no outline",),
}


def spoiled(fault: Callable[[np.ndarray], np.ndarray], rows: range) -> np.ndarray:
    mask = STRAIGHT > 0.5
    for row in rows:
        mask[:, :, row] = fault(mask[:, :, row])
    return mask


@pytest.mark.parametrize("slices", [1, 2, 30])
@pytest.mark.parametrize("thickness", [0.7, 2.0, 17.0])
def test_a_good_straight_cord_needs_no_review(slices: int, thickness: float) -> None:
    probability = STRAIGHT[:, :, :slices]
    spacing = (*SPACING[:2], thickness)
    found = doubtful_slices(
        probability > 0.5,
        probability,
        spacing,
        image=IMAGE[:, :, :slices],
        curve=CURVE[:slices],
    )
    assert found == []


@pytest.mark.parametrize("lean", [0.1, 0.25])
def test_a_good_tilted_tapering_cord_needs_no_review(lean: float) -> None:
    shift = lean * SPACING[2] / SPACING[0] * (np.arange(SHAPE[2]) - SHAPE[2] / 2)
    cord = rod(np.linspace(9, 6, SHAPE[2]), shift)
    curve = CURVE + np.stack([shift, np.zeros(SHAPE[2])], axis=1)
    assert doubtful_slices(cord > 0.5, cord, SPACING, image=scan(cord, shift)) == []
    assert doubtful_slices(cord > 0.5, cord, SPACING, curve=curve) == []


@pytest.mark.parametrize("rows", [range(12, 13), range(12, 14), range(12, 16)], ids=len)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("image", [None, IMAGE], ids=["mask", "mask and image"])
def test_spoiled_slices_come_first(
    fault: Callable[[np.ndarray], np.ndarray], rows: range, image: np.ndarray | None
) -> None:
    found = review(spoiled(fault, rows), image)
    assert {doubt.row for doubt in found[: len(rows)]} == set(rows)
    assert all(0 < doubt.severity <= 1 for doubt in found)


@pytest.mark.parametrize(("fault", "reasons"), FAULTS.items(), ids=lambda part: str(part)[:20])
def test_the_reason_says_what_is_wrong(
    fault: Callable[[np.ndarray], np.ndarray], reasons: tuple[str, ...]
) -> None:
    worst = review(spoiled(fault, range(12, 13)))[0]
    assert worst.row == 12
    assert any(reason in worst.reason for reason in reasons)


def test_a_fault_does_not_put_its_neighbours_on_the_list() -> None:
    for fault in (_shifted, _leaking, _cut, _wide, _narrow):
        found = review(spoiled(fault, range(12, 14)), IMAGE, curve=CURVE)
        assert {doubt.row for doubt in found} == {12, 13}


def test_slices_of_pure_noise_are_found() -> None:
    image = IMAGE.copy()
    image[:, :, 10:13] = np.random.default_rng(5).normal(60, 30, (*SHAPE[:2], 3))
    found = review(STRAIGHT > 0.5, image)
    assert {doubt.row for doubt in found} == {10, 11, 12}
    assert all("image" in doubt.reason for doubt in found)


def test_a_slice_whose_surroundings_are_noise_is_found() -> None:
    image = IMAGE.copy()
    around = np.hypot(X - MIDDLE, Y - MIDDLE) > 13
    image[around, 10] = np.random.default_rng(5).normal(60, 90, int(around.sum()))
    found = review(STRAIGHT > 0.5, image)
    assert [doubt.row for doubt in found] == [10]
    assert "motion" in found[0].reason


def test_an_outline_that_misses_the_cord_of_a_moved_slice_is_found() -> None:
    image = IMAGE.copy()
    image[:, :, 20] = np.roll(image[:, :, 20], 8, axis=1)
    assert [doubt.row for doubt in review(STRAIGHT > 0.5, image)] == [20]


def test_an_outline_that_no_edge_follows_is_told_from_one_that_does() -> None:
    mask = STRAIGHT > 0.5
    stack = Stack.of(mask, mask.astype(float), SPACING)
    faded = IMAGE.copy()
    faded[:, :, 14] = np.where(STRAIGHT[:, :, 14] > 0, 100, faded[:, :, 14])
    depth = outline_distances(stack.mask, stack.centres, stack.spacing_mm)
    strength = no_edge(looks_of(stack, faded, depth), stack).strength
    assert strength[14] > 1
    assert np.delete(strength, 14).max() < 0.2


def test_a_missing_end_is_found_where_the_image_goes_on_alike() -> None:
    mask = spoiled(_gone, range(27, 30))
    assert review(mask, IMAGE) == []
    found = review(mask, IMAGE, curve=CURVE)
    assert [doubt.row for doubt in found] == [27, 28, 29]
    assert all("looks like" in doubt.reason for doubt in found)


def test_where_the_curve_is_only_drawn_on_one_slice_is_a_hint() -> None:
    mask = spoiled(_gone, range(20, 30))
    image = IMAGE.copy()
    image[:, :, 20:] = np.random.default_rng(5).normal(60, 30, (*SHAPE[:2], 10))
    # Ten millimetres past the outline, then nothing.
    curve = np.where(np.arange(30)[:, None] < 25, CURVE, np.nan)
    found = review(mask, image, curve=curve)
    assert [(doubt.row, doubt.reason) for doubt in found] == [
        (20, "the outline ends, though the curve goes on")
    ]
    # Out of the image: the cord may have been seen on all of them.
    assert {d.row for d in review(mask, image, curve=CURVE)} == set(range(20, 30))


def test_a_curve_beside_the_middle_is_no_fault_but_leaving_it_is() -> None:
    mask = STRAIGHT > 0.5
    assert review(mask, curve=CURVE + np.array([2, 0])) == []
    curve = CURVE.copy()
    curve[15:17, 0] += 6
    found = review(mask, curve=curve)
    assert {doubt.row for doubt in found} == {15, 16}
    assert all("curve" in doubt.reason for doubt in found)


def test_of_two_slices_that_differ_both_are_named() -> None:
    mask = STRAIGHT[:, :, :2] > 0.5
    mask[:, :, 1] = _narrow(mask[:, :, 1])
    assert {doubt.row for doubt in review(mask, IMAGE[:, :, :2])} == {0, 1}


def test_a_single_unsure_slice_is_named() -> None:
    probability = 0.5 * STRAIGHT[:, :, :1] + 0.25
    found = doubtful_slices(STRAIGHT[:, :, :1] > 0.5, probability, SPACING)
    assert [doubt.reason for doubt in found] == ["the network is unsure of the outline"]


def test_a_wrong_slice_among_five_thick_ones_comes_first() -> None:
    mask = STRAIGHT[:, :, :5] > 0.5
    mask[:, :, 2] = _leaking(mask[:, :, 2])
    found = doubtful_slices(mask, mask.astype(float), (0.5, 0.5, 17.0), image=IMAGE[:, :, :5])
    assert found[0].row == 2


def test_an_unsure_network_is_found_and_interpolated_slices_are_named() -> None:
    probability = STRAIGHT.copy()
    mask = probability > 0.5
    probability[:, :, 5] = 0.5 * probability[:, :, 5] + 0.2
    found = doubtful_slices(mask, probability, SPACING, filled=(9,))
    assert {doubt.row: doubt.reason for doubt in found} == {
        5: "the network is unsure of the outline",
        9: "interpolated from its neighbours",
    }
    assert found[0].severity >= found[1].severity


def test_the_image_may_be_empty_of_contrast() -> None:
    assert review(STRAIGHT > 0.5, np.zeros(SHAPE), curve=CURVE) == []


def test_the_order_of_x_and_y_does_not_matter() -> None:
    mask = spoiled(_leaking, range(12, 14))
    turned = doubtful_slices(
        mask.swapaxes(0, 1),
        mask.swapaxes(0, 1).astype(float),
        SPACING,
        image=IMAGE.swapaxes(0, 1),
    )
    straight = review(mask, IMAGE)
    assert [d.row for d in turned] == [d.row for d in straight]


def test_an_empty_mask_has_nothing_to_review() -> None:
    assert doubtful_slices(np.zeros(SHAPE, bool), np.zeros(SHAPE), SPACING) == []
