# SPDX-License-Identifier: Apache-2.0
"""Shapes of one slice: against scikit-image where it is straight, against geometry where it leans.

y, to the front
|    ______
|   /      \\      an ellipse with half axes a (to the sides) and b
|   \\______/
+------------ x, to the left
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.measure import regionprops

from SpinalCordSegLib.measurement.section import measure_section

SPACING = (0.1, 0.15)


def ellipse(a: float, b: float, turn_deg: float = 0.0, slope: tuple[float, float] = (0, 0)):
    """Return what a slice shows of a leaning elliptic cylinder, on voxels of SPACING."""
    x, y = (
        (np.arange(n) - (n - 1) / 2) * step for n, step in zip((240, 160), SPACING, strict=True)
    )
    places = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    # Turned with the cord until that stands upright, about an axis in the plane of the slice.
    angle = np.arctan(np.hypot(*slope))
    about = np.array([-slope[1], slope[0], 0]) / max(np.hypot(*slope), 1e-12)
    turned = Rotation.from_rotvec(-angle * about).apply(np.pad(places, ((0, 0), (0, 1))))
    seen = turned[:, :2]
    turn = np.radians(turn_deg)
    u = seen @ [np.cos(turn), np.sin(turn)]
    v = seen @ [-np.sin(turn), np.cos(turn)]
    return ((u / a) ** 2 + (v / b) ** 2 <= 1).reshape(240, 160)


def blob(seed: int) -> np.ndarray:
    """Return an irregular shape with dents."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(40, 30)), 3)
    x, y = np.indices((40, 30))
    return (noise / noise.std() - ((x - 20) / 9) ** 2 - ((y - 15) / 7) ** 2) > -1


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.9)])
def test_a_straight_section_has_the_numbers_of_regionprops(
    seed: int, spacing: tuple[float, float]
) -> None:
    plane = blob(seed)
    region = regionprops(plane.astype(np.uint8), spacing=spacing)[0]
    found = measure_section(plane, spacing)
    assert found.area_mm2 == pytest.approx(region.area)
    axes = sorted((found.diameter_ap_mm, found.diameter_rl_mm))
    assert axes == pytest.approx([region.axis_minor_length, region.axis_major_length])
    assert found.eccentricity == pytest.approx(region.eccentricity)
    assert found.solidity == pytest.approx(region.solidity)
    # Theirs is the angle of the long axis from the first array axis, which is ours to the left.
    long_is_rl = found.diameter_rl_mm > found.diameter_ap_mm
    turned = np.degrees(region.orientation) - (0 if long_is_rl else 90)
    assert np.sin(np.radians(2 * (found.orientation_deg - turned))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("tilt_deg", [0, 15, 30, 45])
@pytest.mark.parametrize("towards_deg", [0, 30, 90, 200])
@pytest.mark.parametrize(("a", "b", "turn_deg"), [(6.0, 4.0, 0.0), (6.0, 4.0, 20.0), (3.0, 5.0, 0)])
def test_a_leaning_ellipse_is_set_right(
    tilt_deg: float, towards_deg: float, a: float, b: float, turn_deg: float
) -> None:
    towards = np.radians(towards_deg)
    slope = np.tan(np.radians(tilt_deg)) * np.array([np.cos(towards), np.sin(towards)])
    plane = ellipse(a, b, turn_deg, (slope[0], slope[1]))
    found = measure_section(plane, SPACING, slope)
    assert found.area_mm2 == pytest.approx(np.pi * a * b, rel=0.005)
    assert found.diameter_rl_mm == pytest.approx(2 * a, rel=0.01)
    assert found.diameter_ap_mm == pytest.approx(2 * b, rel=0.01)
    long, short = max(a, b), min(a, b)
    assert found.eccentricity == pytest.approx(np.sqrt(1 - (short / long) ** 2), abs=0.01)
    assert found.orientation_deg == pytest.approx(turn_deg, abs=0.5)
    assert found.solidity > 0.97


def test_a_dent_lowers_the_solidity_whatever_the_lean() -> None:
    plane = ellipse(6, 4)
    plane[115:125, 80:] = False
    straight, leaning = (measure_section(plane, SPACING, slope) for slope in ((0, 0), (0, 1.0)))
    assert straight.solidity < 0.95
    assert leaning.solidity == straight.solidity
    assert leaning.area_mm2 == pytest.approx(straight.area_mm2 / np.sqrt(2))


@pytest.mark.parametrize("voxels", [[(5, 5)], [(5, 5), (6, 5)], [(5, 5), (9, 9)]])
def test_a_few_voxels_are_measured_too(voxels: list[tuple[int, int]]) -> None:
    plane = np.zeros((12, 12), bool)
    plane[tuple(np.transpose(voxels))] = True
    found = measure_section(plane, (0.5, 1.0), (0.0, 0.0))
    assert found.area_mm2 == 0.5 * len(voxels)
    assert np.isfinite(list(vars(found).values())).all()
    assert 0 <= found.eccentricity <= 1 and 0 < found.solidity <= 1
