# SPDX-License-Identifier: Apache-2.0
"""The scale on which the inside of the cord is looked at: the cord's own, and nothing but the cord.

On the scale of the whole neighbourhood, fluid and bone drown the differences within the cord. In
units of the cord's own spread gray matter and lesions stand out in every contrast. With the fluid's
side up, lesions are the bright ones nearly always: they look like fluid on T2w, T2*w and STIR as on
T1w and PSIR.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from .along_curve import StraightBlock, straighten

_CORE = 0.9
_FEWEST_VOXELS = 30
_QUARTILES = (0.25, 0.5, 0.75)
# Between the quartiles of a normal distribution there are so many standard deviations.
_QUARTILES_APART = 1.35
_RING_VOXELS = 3
_CLIP = 6.0
_HALF = 0.5


def block_of_cord(
    block: StraightBlock, cord: np.ndarray, curve: np.ndarray, window_rows: int, fluid_up: bool
) -> StraightBlock:
    """Return a block with nothing but the cord in it, on the cord's own scale.

    Parameters
    ----------
    block : StraightBlock
        The image around the curve.
    cord : ndarray, (X, Y, Z)
        On the grid of the image, in network order; every voxel other than 0 is inside.
    curve : ndarray, (Z, 2)
        That the block was cut out around.
    window_rows, fluid_up
        As :func:`scaled_to_cord` takes them.
    """
    drawn, width = (cord != 0).astype(np.float32), block.values.shape[:2]
    found = straighten(drawn, block.image_spacing_mm, curve, block.spacing_mm, width).values
    shown, inside = (torch.from_numpy(part) for part in (block.values, np.nan_to_num(found)))
    return replace(block, values=scaled_to_cord(shown, inside, window_rows, fluid_up).numpy())


def scaled_to_cord(
    values: torch.Tensor,
    cord: torch.Tensor,
    window_rows: int | None = None,
    fluid_up: bool = True,
) -> torch.Tensor:
    """Return the cord in units of twice its own spread, 0 around it.

    Parameters
    ----------
    values : Tensor of float32, (X, Y, Z)
        In any unit; NaN outside the image.
    cord : Tensor of float32, (X, Y, Z)
        Fraction of each voxel inside the cord.
    window_rows : int, optional
        How many rows along Z the scale is taken from, around each quarter of that, or from each
        row where it is 1; by default all.
    fluid_up : bool
        Turn the scale around where the fluid is darker than the cord.

    Returns
    -------
    Tensor of float32, (X, Y, Z)
        Between -3 and 3; 0 everywhere where there is no cord to speak of.
    """
    rows = values.shape[2]
    seen = torch.isfinite(values)
    values, cord = values.nan_to_num(0.0), cord * seen
    if window_rows is None or rows <= window_rows:
        return _scaled(values, cord, *_median_and_spread(values, cord, seen, fluid_up))
    step = max(1, window_rows // 4)
    parts = []
    for first in range(0, rows, step):
        middle = first + step // 2
        near = (..., slice(max(0, middle - window_rows // 2), middle + (window_rows + 1) // 2))
        scale = _median_and_spread(values[near], cord[near], seen[near], fluid_up)
        part = (..., slice(first, first + step))
        parts.append(_scaled(values[part], cord[part], *scale))
    return torch.cat(parts, dim=2)


def _scaled(values: torch.Tensor, cord: torch.Tensor, median: float, spread: float) -> torch.Tensor:
    if spread == 0:
        return torch.zeros_like(values)
    return ((values - median) / spread).clamp(-_CLIP, _CLIP) * _HALF * cord


def _median_and_spread(
    values: torch.Tensor, cord: torch.Tensor, seen: torch.Tensor, fluid_up: bool
) -> tuple[float, float]:
    """Return both; the spread is negative to turn the scale around, 0 where there is no cord."""
    core = values[cord > _CORE]
    if len(core) < _FEWEST_VOXELS:
        core = values[cord > _HALF]
    if len(core) < _FEWEST_VOXELS:
        return 0.0, 0.0
    low, median, high = torch.quantile(core, core.new_tensor(_QUARTILES)).tolist()
    spread = max((high - low) / _QUARTILES_APART, 1e-3 * max(abs(low), abs(high)), 1e-6)
    if not fluid_up:
        return median, spread
    width = 2 * _RING_VOXELS + 1
    near = F.max_pool3d(
        (cord > 0).float()[None], (width, width, 1), stride=1, padding=(_RING_VOXELS,) * 2 + (0,)
    )[0]
    ring = values[(near > 0) & (cord == 0) & seen]
    darker = len(ring) > 0 and float(ring.median()) < median
    return median, -spread if darker else spread
