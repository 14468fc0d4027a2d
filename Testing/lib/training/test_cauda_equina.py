# SPDX-License-Identifier: Apache-2.0
"""What looks like cord at its two ends and is not: roots below, brain above."""

from __future__ import annotations

import torch
from scipy import ndimage

from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, sample_anatomy
from SpinalCordSegLib.training.brain import add_brain
from SpinalCordSegLib.training.cauda_equina import add_roots
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.tissues import Tissue

SHAPE = (80, 80, 60)


def _sac() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a sac of CSF at 0.25 mm, where its voxels lie, and how far below the conus."""
    x, y = ((torch.arange(n) - (n - 1) / 2) * 0.25 for n in SHAPE[:2])
    z = -torch.arange(SHAPE[2]).float()
    position = torch.stack(torch.meshgrid(x, y, z, indexing="ij"))
    inside = position[0] ** 2 + position[1] ** 2 < 81
    tissue = torch.where(inside, Tissue.CSF, Tissue.BACKGROUND).to(torch.uint8)
    return tissue, position, 10 - position[2]


def test_roots_are_many_thin_rods_in_the_csf() -> None:
    tissue, position, below = _sac()
    most = 0
    for seed in range(8):
        with_roots = add_roots(tissue, position, below, seeded((seed,)))
        roots = with_roots == Tissue.NEURAL
        assert torch.equal(with_roots[~roots], tissue[~roots])
        assert (tissue[roots] == Tissue.CSF).all()
        share = float(roots.sum() / (tissue == Tissue.CSF).sum())
        assert 0.005 < share < 0.45
        _, count = ndimage.label(roots[:, :, 30].numpy())
        most = max(most, count)
        # A rod goes on from slice to slice.
        both = (roots[:, :, 30] & roots[:, :, 31]).sum()
        assert float(both / roots[:, :, 30].sum()) > 0.6
    assert most > 12


def test_roots_leave_one_by_one_and_lie_behind() -> None:
    tissue, position, below = _sac()
    near, far, behind = 0.0, 0.0, 0.0
    for seed in range(12):
        roots = add_roots(tissue, position, below, seeded((seed,))) == Tissue.NEURAL
        low = add_roots(tissue, position, below + 120, seeded((seed,))) == Tissue.NEURAL
        near, far = near + float(roots.sum()), far + float(low.sum())
        behind += float((position[1] * roots).sum())
    assert 0 < far < 0.8 * near
    assert behind < 0


def test_there_are_none_far_above_the_conus() -> None:
    tissue, position, below = _sac()
    assert torch.equal(add_roots(tissue, position, below - 200, seeded((0,))), tissue)


def test_neither_roots_nor_brain_are_in_the_target(atlas: AtlasTensors) -> None:
    ends = AnatomyRange((0.0, 0.0), 1.0, HEALTHY)
    roots = 0
    for seed in range(30):
        anatomy = sample_anatomy(atlas, seeded((12, seed)), (48, 48, 32), (0.5, 0.5, 1.0), ends)
        neural = anatomy.tissue == Tissue.NEURAL
        roots += int(neural.sum())
        # Tissue is the nearest, the target interpolated: they differ by parts of a voxel.
        assert not (anatomy.cord[neural] > 0.75).any()
    assert roots > 1000


def test_brain_grows_above_the_cord_only() -> None:
    tissue, position, _ = _sac()
    above = position[2] + 40
    grown = add_brain(tissue, position, above, seeded((3,)))
    assert torch.equal(grown[above <= 8], tissue[above <= 8])
    assert torch.equal(grown[tissue == Tissue.CSF], tissue[tissue == Tissue.CSF])
    assert (grown != tissue).sum() > 1000
