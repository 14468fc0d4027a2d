# SPDX-License-Identifier: Apache-2.0
"""OptiC: the best path is exactly the best, and the reference paths come out voxel by voxel."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from SpinalCordSegLib.centerline.optic import optimal_path, path_energy, refine_subvoxel


def disc_map(centres: np.ndarray, shape: tuple[int, int], radius: float = 8.0) -> np.ndarray:
    """Distance map of one disc a slice, as the first network and its threshold give it."""
    x, y = np.indices(shape)
    discs = [np.hypot(x - cx, y - cy) < radius for cx, cy in centres]
    return np.stack([distance_transform_edt(disc) for disc in discs], axis=2)


@pytest.mark.parametrize(
    ("name", "spacing"), [("t2", (1.0, 1.0, 1.0)), ("dwi", None)], ids=["t2", "dwi"]
)
def test_reference_paths(shared: Path, name: str, spacing: tuple[float, ...] | None) -> None:
    maps = np.load(shared / "oracle" / "optic_svm_scoremaps.npz")
    path = optimal_path(maps[f"{name}_score"], spacing or maps["dwi_pixdim"], slope_weight=1.0)
    np.testing.assert_array_equal(path, maps[f"{name}_path_xy"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "spacing",
    [(1.0, 1.0, 1.0), (0.5, 0.7, 7.5), (0.4, 1.9, 1.0), (0.8, 0.8, [0.6, 3.0, 1.1])],
    ids=["isotropic", "thick", "anisotropic", "uneven slices"],
)
def test_no_path_is_better(seed: int, spacing: tuple) -> None:
    """Against every one of the 6^4 paths through a 3 x 2 x 4 grid."""
    score = np.random.default_rng(seed).normal(size=(3, 2, 4))
    path = optimal_path(score, spacing, slope_weight=0.7)
    every_slice = list(itertools.product(range(3), range(2)))
    best = min(
        path_energy(score, candidate, spacing, 0.7)
        for candidate in itertools.product(every_slice, repeat=4)
    )
    assert path_energy(score, path, spacing, 0.7) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("weight", [0.003, 0.3, 30.0])
def test_long_steps_against_all_pairs(weight: float) -> None:
    """Steps across the whole slice: the early end of the search loses nothing."""
    rng = np.random.default_rng(5)
    score = rng.exponential(3.0, size=(23, 31, 7)) * (rng.random((23, 31, 7)) > 0.95)
    places = np.argwhere(np.ones(score.shape[:2])).astype(float)
    price = weight * ((places[:, None] - places[None]) ** 2).sum(axis=2)
    cost = -score[:, :, 0].ravel()
    for z in range(1, 7):
        cost = (cost[None] + price).min(axis=1) - score[:, :, z].ravel()
    path = optimal_path(score, (1.0, 1.0, 1.0), weight)
    assert path_energy(score, path, (1.0, 1.0, 1.0), weight) == pytest.approx(cost.min(), rel=1e-12)


def test_energy_is_squared_slope_in_millimetres() -> None:
    score = np.zeros((5, 5, 3))
    score[1, 1, 0] = 2.0
    path = [(1, 1), (3, 1), (3, 2)]
    expected = -2.0 + 10.0 * ((2 * 0.5 / 4.0) ** 2 + (1 * 1.5 / 8.0) ** 2)
    assert path_energy(score, path, (0.5, 1.5, [4.0, 8.0]), 10.0) == pytest.approx(expected)


def test_slices_without_evidence_are_bridged_and_ends_continue() -> None:
    score = np.zeros((20, 20, 11))
    score[4, 10, 2] = score[10, 13, 8] = 50.0
    path = optimal_path(score, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(path[2:9, 0], [4, 5, 6, 7, 8, 9, 10])
    assert (np.diff(path[2:9, 1]) >= 0).all()
    np.testing.assert_array_equal(path[:2], [[4, 10]] * 2)
    np.testing.assert_array_equal(path[9:], [[10, 13]] * 2)


def test_outlier_slice_does_not_pull_the_path_away() -> None:
    score = disc_map(np.full((9, 2), 15.0), (60, 30))
    score[:, :, 4] = np.roll(score[:, :, 4], 30, axis=0)
    assert (optimal_path(score, (0.5, 0.5, 1.0)) == 15).all()


def test_single_slice_takes_the_maximum() -> None:
    score = np.zeros((6, 7, 1))
    score[2, 5, 0] = 1.0
    assert optimal_path(score, (1.0, 1.0, 1.0)).tolist() == [[2, 5]]


@pytest.mark.parametrize(
    ("score", "spacing", "weight"),
    [
        (np.zeros((3, 3)), (1, 1, 1), 1.0),
        (np.zeros((3, 0, 3)), (1, 1, 1), 1.0),
        (np.full((3, 3, 3), np.nan), (1, 1, 1), 1.0),
        (np.zeros((3, 3, 3)), (1, 0, 1), 1.0),
        (np.zeros((3, 3, 3)), (1, 1, [1, np.nan]), 1.0),
        (np.zeros((3, 3, 3)), (1, 1, [1, 1, 1]), 1.0),
        (np.zeros((3, 3, 3)), (1, 1, 1), 0.0),
    ],
)
def test_meaningless_input_is_refused(score: np.ndarray, spacing: tuple, weight: float) -> None:
    with pytest.raises(ValueError):
        optimal_path(score, spacing, weight)


def test_subvoxel_centres() -> None:
    """Discs at fractional places, their distance maps on whole voxels: found to a fifth."""
    centres = 30 + np.random.default_rng(2).uniform(-6, 6, size=(25, 2))
    score = disc_map(centres, (60, 61))
    path = optimal_path(score, (0.5, 0.5, 1.0))
    refined = refine_subvoxel(score, path)
    coarse = np.hypot(*(path - centres).T).mean()
    fine = np.hypot(*(refined - centres).T).mean()
    assert fine < 0.2
    assert fine < 0.5 * coarse


def test_subvoxel_without_evidence_and_at_the_border() -> None:
    score = np.full((8, 9, 3), -1.0)
    score[0, 0, 1] = score[0, 1, 1] = 3.0
    refined = refine_subvoxel(score, [(4, 4), (0, 0), (7, 8)])
    np.testing.assert_allclose(refined, [(4, 4), (0, 0.5), (7, 8)])
