# SPDX-License-Identifier: Apache-2.0
"""Distance regularised level sets on slices of 96 x 96 pixels with a disc in the middle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from SpinalCordSegLib.levelset.drlse import (
    Forces,
    dirac,
    double_well,
    drlse,
    energy,
    heaviside,
)
from SpinalCordSegLib.levelset.edges import edge_indicator
from SpinalCordSegLib.levelset.initialisation import binary_step

SIZE = 96
HEIGHT = 2.0


def distance_from_circle(radius: float) -> NDArray[np.float32]:
    down, right = np.indices((SIZE, SIZE)) - SIZE // 2
    return (np.hypot(down, right) - radius).astype(np.float32)


def cone(radius: float) -> Tensor:
    """Return the signed distance from a circle, flat from HEIGHT on, (1, H, W)."""
    return torch.from_numpy(distance_from_circle(radius)).clamp(-HEIGHT, HEIGHT)[None]


def radius_of(phi: Tensor) -> float:
    """Return the radius of a disc of the same area, pixels counted in parts."""
    return float(torch.sqrt((0.5 - phi.clamp(-0.5, 0.5)).sum() / np.pi))


@pytest.mark.parametrize(("alpha", "start"), [(-0.3, 15.0), (-0.2, 15.0), (0.3, 30.0)])
def test_a_circle_grows_and_shrinks_at_the_predicted_rate(alpha: float, start: float) -> None:
    # Across the contour the force adds alpha in all (the delta function's integral is 1), and a
    # front that is 2 HEIGHT high moves by one pixel when as much has been added.
    forces = Forces(alpha=alpha, lam=0.0)
    nowhere_an_edge = torch.ones(1, SIZE, SIZE)
    begun = drlse(nowhere_an_edge, cone(start), outer=8, forces=forces, until_rest=False).phi
    steps = int(6 / abs(alpha))
    done = drlse(nowhere_an_edge, begun, outer=1, inner=steps, forces=forces, until_rest=False).phi
    speed = (radius_of(done) - radius_of(begun)) / steps
    assert speed == pytest.approx(-alpha / (2 * HEIGHT), rel=0.1)


def test_the_slope_stays_one_around_the_contour() -> None:
    forces = Forces(alpha=-0.2, lam=0.0)
    phi = drlse(
        torch.ones(1, SIZE, SIZE), cone(12.0), outer=40, forces=forces, until_rest=False
    ).phi
    slope = torch.hypot(*torch.gradient(phi, dim=(1, 2)))[phi.abs() < 1]
    assert slope.median() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(("alpha", "start"), [(-2.0, 12.0), (0.0, 22.0)])
def test_the_energy_never_rises_at_small_steps(alpha: float, start: float) -> None:
    disc = 100 + 40 * np.clip(distance_from_circle(20) / 3 + 0.5, 0, 1)
    edges = torch.from_numpy(edge_indicator(disc[None]))
    forces = Forces(time_step=0.02, alpha=alpha)
    phi = cone(start)
    energies = [float(energy(edges, phi, forces))]
    for _ in range(40):
        phi = drlse(edges, phi, outer=1, inner=10, forces=forces, until_rest=False).phi
        energies.append(float(energy(edges, phi, forces)))
    # Each time within what sums of nine thousand single precision numbers differ by.
    assert np.diff(energies).max() < 1e-4 * abs(energies[0])
    assert energies[-1] < energies[0] - 1


def test_a_batch_gives_what_each_slice_gives_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    wall = (200 * (distance_from_circle(25) > 0)).astype(np.float32)
    edges = torch.rand(7, SIZE, SIZE, generator=generator)
    edges *= torch.from_numpy(edge_indicator(wall[None]))
    start = torch.cat([cone(radius) for radius in (4.0, 6.0, 8.0, 12.0, 16.0, 20.0, 24.0)])
    together = drlse(edges, start, outer=22)
    assert together.rested.any() and not together.rested.all()
    for i in range(len(start)):
        alone = drlse(edges[i : i + 1], start[i : i + 1], outer=22)
        assert torch.allclose(alone.phi[0], together.phi[i], atol=1e-5)
        assert alone.iterations[0] == together.iterations[i]


def test_a_slice_leaves_when_its_contour_rests() -> None:
    wall = edge_indicator((200 * (distance_from_circle(14)[None] > 0)).astype(np.float32))
    evolution = drlse(wall, binary_step(distance_from_circle(10)[None] < 0), outer=200)
    assert bool(evolution.rested[0])
    assert int(evolution.iterations[0]) < 500
    # Going on would not change it.
    further = drlse(wall, evolution.phi, outer=10, until_rest=False).phi
    assert abs(radius_of(further) - radius_of(evolution.phi)) < 0.5


def test_no_contour_moves_before_another_is_asked_for() -> None:
    start = cone(10.0)
    kept = start.clone()
    drlse(torch.ones(1, SIZE, SIZE), start, outer=2)
    assert torch.equal(start, kept)
    assert drlse(torch.ones(0, 8, 8), torch.ones(0, 8, 8)).phi.shape == (0, 8, 8)


def test_the_functions_are_those_of_li() -> None:
    x = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    step = float(x[1] - x[0])
    assert float(dirac(x, 2.0).sum() * step) == pytest.approx(1.0, abs=1e-6)
    slope = torch.gradient(heaviside(x, 2.0), spacing=step)[0]
    assert torch.allclose(slope, dirac(x, 2.0), atol=1e-3)
    wells = double_well(torch.tensor([0.0, 0.5, 1.0, 3.0]))
    assert wells.tolist() == pytest.approx([0, 2 / (2 * np.pi) ** 2, 0, 2], abs=1e-6)


def test_unstable_steps_and_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be below"):
        drlse(torch.ones(1, 8, 8), torch.ones(1, 8, 8), forces=Forces(mu=0.3))
    with pytest.raises(ValueError, match="N, H, W"):
        drlse(torch.ones(1, 8, 8), torch.ones(1, 8, 9))
