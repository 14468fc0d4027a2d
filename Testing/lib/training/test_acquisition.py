# SPDX-License-Identifier: Apache-2.0
"""What the scanner does to an image: it changes what is seen and not where things are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from SpinalCordSegLib.training.acquisition import ANY_SEQUENCE, AcquisitionRange, acquire
from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, sample_anatomy
from SpinalCordSegLib.training.artefacts import add_flow, add_ghosts, add_motion, vary_slices
from SpinalCordSegLib.training.pathology import HEALTHY
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.samples import synthetic_sample
from SpinalCordSegLib.training.sequences import SEQUENCES, tissue_means
from SpinalCordSegLib.training.tissues import Tissue

SHAPE, SPACING = (40, 40, 24), (0.8, 0.8, 1.5)
RANGES = AnatomyRange((2.0, 2.0), 0.0, HEALTHY)
CLEAN = replace(
    ANY_SEQUENCE, noise=(0.0, 0.0), bias=(0.0, 0.0), cut_axes=0.0,
    flow=0.0, ghosts=0.0, motion=0.0, ringing=0.0, uneven_slices=0.0,
)  # fmt: skip


def _ball() -> torch.Tensor:
    squared = (torch.arange(32) - 15.5) ** 2
    inside = squared[:, None, None] + squared[:, None] + squared < 64
    return 0.2 + 0.8 * inside.float()


@pytest.mark.parametrize("artefact", ["flow", "ghosts", "motion", "ringing", "uneven_slices"])
def test_artefacts_change_the_image_and_leave_the_target(
    atlas: AtlasTensors, artefact: str
) -> None:
    changed = 0
    for seed in range(6):
        plain, spoilt = (
            synthetic_sample(atlas, (seed,), SHAPE, SPACING, RANGES, None, acquisition)
            for acquisition in (CLEAN, replace(CLEAN, **{artefact: 1.0}))
        )
        assert torch.isfinite(spoilt[0]).all()
        assert float(spoilt[1].sum()) == pytest.approx(float(plain[1].sum()), rel=1e-5)
        changed += not torch.allclose(plain[0], spoilt[0], atol=1e-3)
    assert changed >= 5


def test_flow_touches_the_csf_only() -> None:
    image, csf = _ball(), _ball() > 0.5
    flowing = add_flow(image, csf, seeded((1,)), (1.0, 1.0, 1.0))
    assert torch.equal(flowing[~csf], image[~csf])
    assert float((flowing - image)[csf].abs().mean()) > 0.01


def test_a_ghost_is_a_weak_shifted_copy() -> None:
    image = _ball()
    for seed in range(6):
        difference = (add_ghosts(image, seeded((seed,))) - image).abs()
        assert 0.02 < float(difference.max()) <= 0.5
        assert float(difference.mean()) < 0.25


def test_motion_leaves_the_object_in_its_place() -> None:
    image = _ball()
    place = torch.arange(32).float()
    for seed in range(6):
        moved = add_motion(image, seeded((seed,)))
        assert not torch.allclose(moved, image, atol=1e-3)
        for axis in range(2):
            profile, before = (
                v.sum(dim=[k for k in range(3) if k != axis]) for v in (moved, image)
            )
            centre, expected = ((p * place).sum() / p.sum() for p in (profile, before))
            assert abs(float(centre - expected)) < 0.6


def test_uneven_slices_differ_by_a_factor() -> None:
    image = _ball()
    factor = vary_slices(image, 2, seeded((1,))) / image
    assert torch.allclose(factor, factor[:1, :1].expand_as(factor))
    assert float(factor.std()) > 0.01


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_looks_like_itself(sequence: str) -> None:
    look = SEQUENCES[sequence]
    for seed in range(10):
        means = tissue_means(seeded((seed,)), {sequence: 1})
        assert look.csf[0] <= means[Tissue.CSF] <= look.csf[1]
        assert look.white_matter[0] <= means[Tissue.WHITE_MATTER] <= look.white_matter[1]


def test_fluid_is_bright_in_stir_and_dark_in_psir(atlas: AtlasTensors) -> None:
    for sequence, sign in (("STIR", 1), ("PSIR", -1)):
        anatomy = sample_anatomy(atlas, seeded((2,)), SHAPE, SPACING, RANGES)
        acquisition = replace(CLEAN, sequences={sequence: 1}, voxel_mm=SPACING)
        image, _ = acquire(anatomy.tissue, seeded((3,)), SPACING, acquisition)
        fluid = image[anatomy.tissue == Tissue.CSF].mean()
        cord = image[anatomy.cord > 0.9].mean()
        assert sign * float(fluid - cord) > 0.2


def test_lesions_go_from_cord_towards_csf(atlas: AtlasTensors) -> None:
    towards = 0
    for seed in range(12):
        ranges = replace(RANGES, pathology=replace(HEALTHY, lesion=1.0))
        anatomy = sample_anatomy(atlas, seeded((7, seed)), SHAPE, SPACING, ranges)
        assert anatomy.lesion is not None
        acquisition = replace(CLEAN, sequences={"T2w": 1}, voxel_mm=SPACING)
        without, painted = (
            acquire(anatomy.tissue, seeded((seed,)), SPACING, acquisition, lesion)[0]
            for lesion in (None, anatomy.lesion)
        )
        change = (painted - without)[anatomy.lesion > 0.9]
        towards += bool(len(change) and change.mean() > 0.1)
    assert 7 <= towards <= 12


def test_thick_voxels_blur_along_their_length(atlas: AtlasTensors) -> None:
    anatomy = sample_anatomy(atlas, seeded((2,)), SHAPE, SPACING, RANGES)
    sharp, thick = (
        acquire(
            anatomy.tissue,
            seeded((4,)),
            SPACING,
            AcquisitionRange(
                **{**CLEAN.__dict__, "voxel_mm": voxel, "sequences": {"T2w": 1}},
            ),
        )[0]
        for voxel in (SPACING, (5.0, 0.8, 1.5))
    )
    assert thick.diff(dim=0).abs().mean() < 0.6 * sharp.diff(dim=0).abs().mean()
