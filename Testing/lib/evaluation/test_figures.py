# SPDX-License-Identifier: Apache-2.0
"""Pictures that are drawn, and what is drawn in them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from SpinalCordSegLib.evaluation.figures import agreement_png, draw_boxes, draw_reliability

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

DICE = {"ours": [0.91, 0.93, 0.95, 0.6], "theirs": [0.9, 0.92, 0.0, 0.94]}


def test_a_picture_of_two_methods_is_the_same_every_time() -> None:
    distances = {"ours": [1.0, 0.8, 0.7, 9.0], "theirs": [1.1, 0.9, np.inf, 0.8]}
    picture = agreement_png(DICE, distances, "cord: 4 scans")
    assert picture == agreement_png(DICE, distances, "cord: 4 scans")
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG" and image.width > 1000
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.parametrize("values", [[0.9], [], [np.inf], [np.nan, 0.5]])
def test_a_picture_of_little(values: list[float]) -> None:
    assert agreement_png({"one": [0.9]}, {"one": values}, "one scan").startswith(b"\x89PNG")


def test_boxes_end_at_the_quartiles_and_say_what_is_left_out() -> None:
    axes = Figure().subplots()
    draw_boxes(axes, {"a": [1, 2, 3, 4, 5, np.inf]}, "mm", (0, None))
    box = axes.patches[0].get_path().vertices[:, 1]
    assert (box.min(), box.max()) == (2, 4)
    mean = next(line for line in axes.lines if line.get_marker() == "^")
    assert list(mean.get_ydata()) == [3]
    assert axes.get_xticklabels()[0].get_text() == "a\nn = 5 (1 not finite)"


def test_the_curve_passes_through_the_quoted_points() -> None:
    axes = Figure().subplots()
    draw_reliability(axes, DICE)
    ours, theirs = axes.lines
    assert ours.get_label() == "ours: R(0.8) = 0.75, R(0.9) = 0.75"
    assert theirs.get_label() == "theirs: R(0.8) = 0.75, R(0.9) = 0.50"
    d, share = ours.get_data()
    assert share[np.searchsorted(d, 0.92) - 1] == 0.5
