# SPDX-License-Identifier: Apache-2.0
"""Ill spines: each illness changes what it should, and the target goes with the image.

The atlas of these tests is a straight tube (conftest): a cord of 12 voxels' radius (6 mm) with gray
matter of 2 mm in a sac of 11 mm; 150 mm long, without cord in the lowest 40 mm.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from SpinalCordSegLib.training.anatomy import (
    Anatomy,
    AnatomyRange,
    AtlasTensors,
    sample_anatomy,
)
from SpinalCordSegLib.training.compression import push_aside, resize_cord, squeeze
from SpinalCordSegLib.training.deformation import deformed_position
from SpinalCordSegLib.training.lesion_edges import vary_lesion_edges
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.tissues import Tissue

SHAPE, SPACING = (64, 64, 32), (0.5, 0.5, 1.0)
SEEDS = range(6)


def _position() -> torch.Tensor:
    """Return an undeformed grid, mm from the middle."""
    axes = [(torch.arange(n) - (n - 1) / 2) * s for n, s in zip(SHAPE, SPACING, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _round(position: torch.Tensor, radius_mm: float) -> torch.Tensor:
    return position[0] ** 2 + position[1] ** 2 < radius_mm**2


def _only(**rates: float) -> AnatomyRange:
    return AnatomyRange((2.0, 2.0), 0.0, replace(HEALTHY, **rates))


def _samples(atlas: AtlasTensors, ranges: AnatomyRange, seeds: range = SEEDS) -> list[Anatomy]:
    return [sample_anatomy(atlas, seeded((8, k)), SHAPE, SPACING, ranges) for k in seeds]


@pytest.mark.parametrize("seed", SEEDS)
def test_compression_narrows_cord_and_canal_where_it_says(seed: int) -> None:
    before = _position()
    after, degree = squeeze(before, seeded((seed,)))
    assert float(degree.min()) >= 0 and 0.45 < float(degree.max()) <= 1
    # Nothing folds: the order of voxels along each axis is kept.
    assert (after[0].diff(dim=0) > 0).all() and (after[1].diff(dim=1) > 0).all()
    worst = int(degree.mean(dim=(0, 1)).argmax())
    for radius in (4.0, 8.0):
        areas = _round(after, radius).sum(dim=(0, 1))
        assert areas[worst] < 0.95 * _round(before, radius).sum(dim=(0, 1))[worst]
    untouched = degree.amax(dim=(0, 1)) < 1e-4
    assert torch.allclose(after[:, :, :, untouched], before[:, :, :, untouched], atol=1e-2)


def test_more_compression_leaves_less_cord(atlas: AtlasTensors) -> None:
    def volume(share: float, narrowest: float) -> float:
        ranges = _only(compression=share, narrowest=narrowest)
        return sum(float(a.cord.sum()) for a in _samples(atlas, ranges, range(18)))

    volumes = [volume(0, 1), volume(1, 0.9), volume(1, 0.35)]
    assert volumes[2] < volumes[1] < volumes[0]
    assert volumes[2] < 0.95 * volumes[0]


@pytest.mark.parametrize(("linear", "expected"), [(0.7, 0.49), (1.2, 1.44)])
def test_atrophy_and_swelling_change_the_cord_and_leave_the_canal(
    linear: float, expected: float
) -> None:
    before = _position()
    after = resize_cord(before, linear)
    cord = _round(after, 3.0).sum() / _round(before, 3.0).sum()
    canal = _round(after, 11.0).sum() / _round(before, 11.0).sum()
    assert float(cord) == pytest.approx(expected, rel=0.12)
    assert float(canal) == pytest.approx(1, abs=0.13)
    assert (after[0].diff(dim=0) > 0).all()


def test_a_cord_pushed_aside_keeps_its_size() -> None:
    before = _position()
    moved = 0.0
    for seed in SEEDS:
        after = push_aside(before, seeded((seed,)))
        inside = _round(after, 4.0)
        assert float(inside.sum() / _round(before, 4.0).sum()) == pytest.approx(1, abs=0.15)
        moved = max(moved, float(before[1][inside].mean().abs()))
    assert moved > 0.8


def test_the_target_follows_every_deformation(atlas: AtlasTensors) -> None:
    bent = _only(compression=1, atrophy=1, pushed_aside=1, curved=1)
    for anatomy in _samples(atlas, bent):
        neural = (anatomy.tissue == Tissue.WHITE_MATTER) | (anatomy.tissue == Tissue.GRAY_MATTER)
        mask = anatomy.cord > 0.5
        overlap = 2 * (neural & mask).sum() / (neural.sum() + mask.sum())
        assert neural.any() and float(overlap) > 0.9


def test_scoliosis_tilts_the_spine_more_and_keeps_it_in_the_middle() -> None:
    def tilt_and_drift(curved: bool) -> tuple[float, float]:
        tilt = drift = 0.0
        for seed in range(12):
            position = deformed_position(seeded((seed,)), SHAPE, SPACING, (0.0, 0.0), curved)
            across = [float(position[2].diff(dim=axis).mean().abs()) / 0.5 for axis in range(2)]
            tilt, drift = tilt + max(across), drift + float(position[:2, 32, 32].norm(dim=0).max())
        return tilt / 12, drift / 12

    (straight, drifting), (curved, centred) = (tilt_and_drift(c) for c in (False, True))
    # The tangent of about 23°, against that of 10°.
    assert straight < 0.25 and 0.35 < curved < 0.7
    assert centred < 0.7 * drifting


def test_a_cavity_is_fluid_inside_the_cord_and_stays_cord(atlas: AtlasTensors) -> None:
    found = 0
    for sound, hollow in zip(
        _samples(atlas, _only()), _samples(atlas, _only(cavity=1)), strict=True
    ):
        # The same seed makes the same cord, with or without.
        assert torch.equal(sound.cord, hollow.cord)
        cavity = (hollow.tissue == Tissue.CSF) & (hollow.cord > 0.9)
        found += int(cavity.sum())
        assert not ((sound.tissue == Tissue.CSF) & (sound.cord > 0.9)).any()
        rim = (hollow.cord > 0.5) & (hollow.cord < 0.9)
        assert float((cavity & rim).sum()) == 0
    assert found > 500


def test_lesions_lie_in_the_cord_more_often_behind(atlas: AtlasTensors) -> None:
    behind = ahead = 0.0
    for seed in range(40):
        anatomy = sample_anatomy(atlas, seeded((9, seed)), SHAPE, SPACING, _only(lesion=1))
        lesion = anatomy.lesion
        assert lesion is not None and float(lesion.max()) > 0.5
        assert (lesion <= anatomy.cord).all()
        assert float(lesion.sum()) < 0.6 * float(anatomy.cord.sum())
        y = torch.arange(SHAPE[1])[None, :, None]
        middle = (anatomy.cord * y).sum() / anatomy.cord.sum()
        behind += float(lesion[(y < middle).expand(SHAPE)].sum())
        ahead += float(lesion[(y > middle).expand(SHAPE)].sum())
    assert behind > ahead


def test_healthy_cords_have_no_lesion(atlas: AtlasTensors) -> None:
    assert all(anatomy.lesion is None for anatomy in _samples(atlas, _only()))


def test_metal_takes_the_signal_away_beside_the_spine(atlas: AtlasTensors) -> None:
    air = [
        sum(int((a.tissue == Tissue.AIR).sum()) for a in _samples(atlas, _only(implant=share)))
        for share in (0, 1)
    ]
    assert air[1] > air[0] + 500


def test_lesion_edges_vary_by_a_voxel_and_both_ways() -> None:
    lesion = torch.zeros(24, 24, 24)
    lesion[6:18, 6:18, 6:18] = 1
    varied = vary_lesion_edges(lesion, seeded((1,)))
    assert not torch.equal(varied, vary_lesion_edges(lesion, seeded((2,))))
    more, less = (varied > lesion).sum(), (varied < lesion).sum()
    assert more > 50 and less > 50
    # No further than one voxel in or out.
    assert varied[7:17, 7:17, 7:17].min() == 1
    outer = varied.clone()
    outer[5:19, 5:19, 5:19] = 0
    assert not outer.any()
    assert torch.equal(vary_lesion_edges(lesion, seeded((1,)), share=0.0), lesion)
