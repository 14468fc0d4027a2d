# SPDX-License-Identifier: Apache-2.0
"""Gray levels hold a contour together: a disc whose edge is open to one side, and its mode.

The phantom is that of the figure in the README (``Testing/evaluation/levelset_leak.py``).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from SpinalCordSegLib.levelset.drlse import drlse
from SpinalCordSegLib.levelset.edges import edge_indicator
from SpinalCordSegLib.levelset.grlse import grlse, inside_mode


@pytest.fixture(scope="module")
def leak(checkout: Path) -> ModuleType:
    path = checkout / "Testing" / "evaluation" / "levelset_leak.py"
    specification = importlib.util.spec_from_file_location("levelset_leak", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("darker", [True, False])
def test_grlse_stops_where_drlse_leaks(leak: ModuleType, darker: bool) -> None:
    image, disc = leak.leaking_phantom()
    image = image[None] if darker else 255 - image[None]
    settings = {"outer": 100, "until_rest": False}
    leaked = drlse(edge_indicator(image), leak.start(), **settings).phi[0] < 0
    held = grlse(image, leak.start(), darker=darker, anchored=True, **settings).phi[0] < 0
    assert overlap(leaked.numpy(), disc) < 0.5
    assert overlap(held.numpy(), disc) > 0.93


def test_the_wrong_polarity_does_not_hold(leak: ModuleType) -> None:
    image, disc = leak.leaking_phantom()
    image = image[None]
    held = grlse(image, leak.start(), darker=False, anchored=True, outer=100, until_rest=False)
    assert overlap((held.phi[0] < 0).numpy(), disc) < 0.5


def test_a_batch_of_both_polarities_gives_what_each_slice_gives_alone(leak: ModuleType) -> None:
    image, _ = leak.leaking_phantom()
    both = np.stack([image, 255 - image, image * 0.9])
    start = np.repeat(leak.start(), 3, axis=0)
    darker = np.array([True, False, True])
    together = grlse(both, start, darker=darker, smoothing=9, most_removed=0.5, anchored=True)
    for i in range(3):
        one = slice(i, i + 1)
        alone = grlse(
            both[one],
            start[one],
            darker=darker[one],
            smoothing=9,
            most_removed=0.5,
            anchored=True,
        )
        assert torch.allclose(alone.phi[0], together.phi[i], atol=1e-5)


def test_a_bright_artefact_does_not_make_the_cord_vanish() -> None:
    down, right = np.indices((64, 64)) - 31.5
    inside = np.hypot(down, right) <= 12
    image = np.where(inside, 60.0, 140.0).astype(np.float32)
    # The noise spreads the cord's levels; the artefact's are all the same: the mode is its own.
    image += np.random.default_rng(0).normal(0, 20, image.shape).astype(np.float32)
    image = image.clip(0, 255)
    image[28:34, 28:34] = 5.0
    start = np.where(np.hypot(down, right) <= 6, -2.0, 2.0).astype(np.float32)
    plain = grlse(image[None], start[None]).phi[0] < 0
    guarded = grlse(image[None], start[None], most_removed=0.5, smoothing=9).phi[0] < 0
    assert overlap(plain.numpy(), inside) < 0.7
    assert overlap(guarded.numpy(), inside) > 0.8


def test_the_mode_is_that_of_the_inside() -> None:
    gray = torch.tensor([[[3.0, 3.0, 9.0], [9.0, 9.0, 200.4]]])
    inside = torch.tensor([[[True, True, True], [False, False, True]]])
    assert inside_mode(gray, inside).tolist() == [3.0]
    assert inside_mode(gray, ~inside).tolist() == [9.0]
    assert inside_mode(gray, torch.zeros_like(inside)).tolist() == [0.0]
