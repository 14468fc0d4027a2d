# SPDX-License-Identifier: Apache-2.0
"""Synthetic samples: reproducible, on the right grid, with the cord where the image shows it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SpinalCordSegLib.training.acquisition import AcquisitionRange
from SpinalCordSegLib.training.anatomy import AnatomyRange, AtlasTensors, sample_anatomy
from SpinalCordSegLib.training.pathology import HEALTHY, PathologyRates
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.samples import synthetic_sample
from SpinalCordSegLib.training.tissues import Tissue

RANGES = AnatomyRange((3.0, 3.0), end_fraction=0.0)
SHAPE, SPACING = (32, 32, 16), (1.0, 1.0, 1.5)


def test_the_seed_decides_everything(atlas: AtlasTensors) -> None:
    first, again, other = (
        synthetic_sample(atlas, seed, SHAPE, SPACING, RANGES) for seed in ((5, 1), (5, 1), (5, 2))
    )
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_an_image_is_normalised_and_its_target_is_a_soft_mask(atlas: AtlasTensors) -> None:
    for index in range(20):
        image, cord = synthetic_sample(atlas, (1, index), SHAPE, SPACING, RANGES)
        assert image.shape == cord.shape == (1, *SHAPE)
        assert torch.isfinite(image).all()
        inside = image[image != 0]
        assert abs(float(inside.mean())) < 0.02 and abs(float(inside.std()) - 1) < 0.02
        assert float(cord.min()) >= 0 and float(cord.max()) <= 1


def test_the_target_lies_on_the_tissue_it_names(atlas: AtlasTensors) -> None:
    for index in range(10):
        anatomy = sample_anatomy(atlas, seeded((2, index)), SHAPE, SPACING, RANGES)
        neural = torch.isin(anatomy.tissue, torch.tensor([Tissue.WHITE_MATTER, Tissue.GRAY_MATTER]))
        mask = anatomy.cord > 0.5
        overlap = 2 * (neural & mask).sum() / (neural.sum() + mask.sum())
        assert neural.any() and float(overlap) > 0.9


def test_one_slice_drops_the_last_axis(atlas: AtlasTensors) -> None:
    image, cord = synthetic_sample(atlas, (1,), (32, 32, 1), SPACING, RANGES)
    assert image.shape == cord.shape == (1, 32, 32)


def test_below_the_conus_there_is_no_cord(atlas: AtlasTensors) -> None:
    ends = AnatomyRange((0.0, 0.0), end_fraction=1.0)
    amounts = [
        float(synthetic_sample(atlas, (4, i), SHAPE, SPACING, ends)[1].mean()) for i in range(20)
    ]
    assert min(amounts) == 0 and max(amounts) > 0.02


def test_the_lower_back_has_roots_beside_the_cord(atlas: AtlasTensors) -> None:
    def beside(as_scanned: float) -> int:
        ranges = AnatomyRange((0.0, 0.0), 0.0, HEALTHY, as_scanned=as_scanned)
        pieces = [
            sample_anatomy(atlas, seeded((9, index)), (32, 32, 24), SPACING, ranges)
            for index in range(16)
        ]
        return sum(bool((p.tissue == Tissue.NEURAL).any() and p.cord.any()) for p in pieces)

    assert beside(1.0) >= 4 > beside(0.0)


def test_real_surroundings_leave_the_spine_alone(atlas: AtlasTensors) -> None:
    marked = np.full((3, 240, 240), Tissue.BACKGROUND + 6, np.uint8)
    surrounded = AtlasTensors(
        atlas.tissue, atlas.cord, atlas.centre, atlas.cord_slices, torch.from_numpy(marked)
    )
    used = 0
    for index in range(20):
        anatomy = sample_anatomy(surrounded, seeded((6, index)), (64, 64, 3), SPACING, RANGES)
        outer = anatomy.tissue[[0, -1]]
        used += bool((outer == Tissue.BACKGROUND + 6).all())
        assert not (anatomy.tissue[anatomy.cord > 0.9] >= Tissue.BACKGROUND).any()
    assert 3 <= used <= 17


def test_cord_and_lesions_are_one_target(atlas: AtlasTensors) -> None:
    with_lesion = 0
    for index in range(20):
        image, target = synthetic_sample(
            atlas, (9, index), SHAPE, SPACING, RANGES, ("cord", "lesion")
        )
        assert image.shape == (1, *SHAPE) and target.shape == (2, *SHAPE)
        assert (target[1] <= target[0]).all()
        with_lesion += bool(target[1].max() > 0.5)
    assert 5 <= with_lesion <= 15


def test_an_unknown_target_is_refused(atlas: AtlasTensors) -> None:
    for name in ("kidney", "gray_matter"):
        with pytest.raises(ValueError, match=name):
            synthetic_sample(atlas, (1,), SHAPE, SPACING, RANGES, (name,))


def test_every_illness_and_artefact_at_once_is_still_finite(atlas: AtlasTensors) -> None:
    ill = AnatomyRange((3.0, 3.0), 0.5, PathologyRates(1, 0.35, 1, 1, 1, 1, 1, 1, 1))
    spoilt = AcquisitionRange(flow=1, ghosts=1, motion=1, ringing=1, uneven_slices=1)
    for index in range(6):
        for shape in (SHAPE, (40, 40, 1)):
            first, again = (
                synthetic_sample(atlas, (3, index), shape, SPACING, ill, None, spoilt)
                for _ in range(2)
            )
            assert torch.isfinite(first[0]).all()
            assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
            assert float(first[1].min()) >= 0 and float(first[1].max()) <= 1
