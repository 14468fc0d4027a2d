# SPDX-License-Identifier: Apache-2.0
"""Synthetic scans with a known cord, on the grid that a scanner would store them on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))
sys.path.insert(0, str(CHECKOUT))

from SpinalCordSegLib.images import image_from  # noqa: E402
from SpinalCordSegLib.training.acquisition import ANY_SEQUENCE, acquire  # noqa: E402
from SpinalCordSegLib.training.anatomy import (  # noqa: E402
    Anatomy,
    AnatomyRange,
    AtlasTensors,
    sample_anatomy,
    upload,
)
from SpinalCordSegLib.training.pathology import HEALTHY, PathologyRates  # noqa: E402
from SpinalCordSegLib.training.randomness import seeded  # noqa: E402
from SpinalCordSegLib.training.tissue_atlas import TissueAtlas, build_tissue_atlas  # noqa: E402

Volume = NDArray[np.float32]

# Training runs begin their seeds with a small number: no sample of theirs is made here.
_SEED = 62000
# The atlas has 0.5 mm; finer voxels are cut as they are.
_GRID_MM = (0.5, 0.5, 1.0)


@dataclass(frozen=True)
class Look:
    """How a synthetic spine is scanned.

    Attributes
    ----------
    sequence : str
        A key of ``sequences.SEQUENCES``.
    voxel_mm, extent_mm : (x, y, z)
        X right to left, Y posterior to anterior, Z inferior to superior.
    noise, bias : float
        As ``AcquisitionRange`` has them.
    pathology : PathologyRates
    end_fraction : float
        1 for a piece of spine at one of the cord's ends.
    """

    sequence: str
    voxel_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    noise: float = 0.02
    bias: float = 0.15
    pathology: PathologyRates = field(default=HEALTHY)
    end_fraction: float = 0.0


def read_atlas(path: Path | None = None) -> AtlasTensors:
    """Return the generator's atlas.

    Parameters
    ----------
    path : Path, optional
        An ``.npz`` file that keeps it from one run to the next; written if it is not there.
    """
    names = [entry.name for entry in fields(TissueAtlas)]
    if path and path.is_file():
        stored = np.load(path)
        centre, cord_slices = stored["centre"].tolist(), stored["cord_slices"].tolist()
        atlas = TissueAtlas(stored["tissue"], stored["cord"], tuple(centre), tuple(cord_slices))
        return upload(atlas, "cpu")
    atlas = build_tissue_atlas(SHARED / "labels")
    if path:
        np.savez_compressed(path, **{name: getattr(atlas, name) for name in names})
    return upload(atlas, "cpu")


def stored_scan(atlas: AtlasTensors, spine: int, look: Look) -> tuple[Volume, Volume]:
    """Return an image and the fraction of each of its voxels inside the cord.

    The same spine has the same course and contrasts however it is looked at, as long as extent,
    sequence and pathology are the same.
    """
    factors = [max(1, round(v / min(v, g))) for v, g in zip(look.voxel_mm, _GRID_MM, strict=True)]
    spacing = tuple(v / f for v, f in zip(look.voxel_mm, factors, strict=True))
    count = tuple(
        f * round(e / v) for f, e, v in zip(factors, look.extent_mm, look.voxel_mm, strict=True)
    )
    anatomy = _anatomy(atlas, spine, count, spacing, look.pathology, look.end_fraction)
    ranges = replace(
        ANY_SEQUENCE,
        sequences={look.sequence: 1.0},
        voxel_mm=look.voxel_mm,
        noise=(look.noise, look.noise),
        bias=(look.bias, look.bias),
        cut_axes=0,
        flow=0,
        ghosts=0,
        motion=0,
        ringing=0,
        uneven_slices=0,
    )
    seen, _ = acquire(anatomy.tissue, seeded((_SEED, spine, 1)), spacing, ranges)
    return _middles(seen.numpy(), factors), _means(anatomy.cord.numpy(), factors)


def coarse_cord(atlas: AtlasTensors, spine: int, look: Look) -> Volume:
    """Return about where the cord of a scan is, on voxels of 2 mm, without making the scan."""
    count = tuple(round(e / 2.0) for e in look.extent_mm)
    ranges = AnatomyRange(_OFF_CENTRE_MM, look.end_fraction, look.pathology)
    random = seeded((_SEED, spine, 0))
    anatomy = sample_anatomy(atlas, random, count, (2.0, 2.0, 2.0), ranges)
    cord: Volume = anatomy.cord.numpy()
    return cord


_OFF_CENTRE_MM = (6.0, 6.0)


def as_image(values: Volume, voxel_mm: Sequence[float]) -> sitk.Image:
    """Return an array in network order as an image with its voxel size."""
    like = sitk.Image(values.shape, sitk.sitkFloat32)
    like.SetSpacing([float(v) for v in voxel_mm])
    like.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    return image_from(np.ascontiguousarray(values - values.min()), like)


@lru_cache(maxsize=32)
def _anatomy(
    atlas: AtlasTensors,
    spine: int,
    count: tuple[int, ...],
    spacing: tuple[float, ...],
    pathology: PathologyRates,
    end_fraction: float,
) -> Anatomy:
    ranges = AnatomyRange(_OFF_CENTRE_MM, end_fraction, pathology)
    return sample_anatomy(atlas, seeded((_SEED, spine, 0)), count, spacing, ranges)


def _middles(values: Volume, factors: Sequence[int]) -> Volume:
    """Return the values at the middles of voxels so many grid points wide."""
    for axis, factor in enumerate(factors):
        starts = np.arange(values.shape[axis] // factor) * factor
        below = np.take(values, starts + (factor - 1) // 2, axis=axis)
        above = np.take(values, starts + factor // 2, axis=axis)
        values = (below + above) / 2
    return values


def _means(values: Volume, factors: Sequence[int]) -> Volume:
    x, y, z = (n // f for n, f in zip(values.shape, factors, strict=True))
    blocks = values.reshape(x, factors[0], y, factors[1], z, factors[2])
    means: Volume = blocks.mean(axis=(1, 3, 5))
    return means
