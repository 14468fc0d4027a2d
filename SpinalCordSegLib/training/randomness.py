# SPDX-License-Identifier: Apache-2.0
"""Seeded random numbers for the synthetic generator, the same for the same seed and device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .separable import apply_along_axes, node_interpolation


@dataclass(frozen=True)
class Randomness:
    """Two streams: scalars drawn on the CPU, fields drawn where the images are made."""

    scalars: np.random.Generator
    fields: torch.Generator

    @property
    def device(self) -> torch.device:
        """Where fields are made."""
        return self.fields.device

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return float(self.scalars.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.scalars.random() < probability)

    def aside(self, low: float, high: float) -> float:
        """Return a number in [low, high) that leaves all that is drawn later as it was.

        For what the generator learnt to do after networks were trained: the rest of each sample
        stays.
        """
        return float(self.scalars.spawn(1)[0].uniform(low, high))

    def noise(self, shape: Sequence[int]) -> torch.Tensor:
        """Return standard normal noise, float32."""
        return torch.randn(tuple(shape), generator=self.fields, device=self.device)

    def smooth_field(
        self,
        shape: Sequence[int],
        nodes: Sequence[int],
        channels: int = 1,
        deviation: float = 1.0,
    ) -> torch.Tensor:
        """Return a smooth random field: normal values on a coarse lattice, interpolated.

        Parameters
        ----------
        shape : (X, Y, Z)
            Size of the result.
        nodes : (x, y, z)
            Size of the lattice.
        deviation : float
            Standard deviation at the nodes.

        Returns
        -------
        Tensor of float32, (channels, X, Y, Z)
        """
        lattice = deviation * self.noise((channels, *nodes))
        matrices = [node_interpolation(n, s) for n, s in zip(nodes, shape, strict=True)]
        return apply_along_axes(lattice, matrices)


def seeded(seed: Sequence[int], device: torch.device | str = "cpu") -> Randomness:
    """Return streams that depend on `seed` alone.

    Parameters
    ----------
    seed : sequence of int
        For example (run, step, sample): any tuple gives independent streams.
    """
    sequence = np.random.SeedSequence(list(seed))
    scalar_seed, field_seed = sequence.spawn(2)
    fields = torch.Generator(device=device)
    fields.manual_seed(int(field_seed.generate_state(1, np.uint64)[0] >> 1))
    return Randomness(np.random.default_rng(scalar_seed), fields)
