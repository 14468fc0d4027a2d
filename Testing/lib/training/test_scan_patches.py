# SPDX-License-Identifier: Apache-2.0
"""Patches of scans: around the cord, image and target alike, each as often as asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from SpinalCordSegLib.errors import InvalidArgument
from SpinalCordSegLib.training.augmentation import random_grid, relit
from SpinalCordSegLib.training.configuration import (
    Augmentation,
    RepeatedImages,
    TrainingConfiguration,
)
from SpinalCordSegLib.training.randomness import seeded
from SpinalCordSegLib.training.scan_patches import (
    HELD_BACK,
    LEFT_OUT,
    TRAINING,
    ScanPatches,
    centre_of,
    random_patch,
    read_scans,
)

from .conftest import write_scan

CHANGES = Augmentation(
    rotation_degrees=25.0,
    scale=0.1,
    elastic=(60.0, 6.0),
    flip_axes=("x", "y", "z"),
    gamma=0.3,
    bias=0.2,
    noise=0.1,
    intensity_shift=0.1,
)


@pytest.fixture
def plain(configuration: TrainingConfiguration) -> TrainingConfiguration:
    """Patches at the voxel size of the scans, with the curve in the middle."""
    return replace(
        configuration, patch_voxels=(16, 16, 6), spacing_mm=(1, 1, 2), off_centre_mm=(0, 0)
    )


def roles(scans: ScanPatches) -> list[tuple[str, str]]:
    return [(role, slices) for _, role, slices in scans.roles]


def test_a_patch_shows_the_cord_where_its_target_says(
    study: Path, plain: TrainingConfiguration
) -> None:
    moved = replace(plain, off_centre_mm=(4.0, 4.0), augmentation=CHANGES)
    for configuration in (plain, moved):
        scans = read_scans(study, configuration, 0)
        places = []
        for place in range(12):
            image, target = random_patch(scans, configuration, place, 1.0)
            assert image.shape == target.shape == (1, 16, 16, 6)
            inside = target > 0.9
            assert inside.any() and torch.isfinite(image).all()
            # The cord is dark in bright CSF.
            near = F.max_pool3d(target[None], (5, 5, 1), 1, (2, 2, 0))[0] > 0.5
            assert image[inside].mean() < image[near & (target < 0.1)].mean() - 0.5
            places.append(np.argwhere(target[0].numpy() > 0.5).mean(axis=0))
        spread = np.std(places, axis=0)[:2]
        assert (spread < 0.3).all() if configuration is plain else (spread > 1).all()


def test_nothing_is_interpolated_that_is_not_moved(
    study: Path, plain: TrainingConfiguration
) -> None:
    single = replace(plain, patch_voxels=(16, 16, 1))
    scans = read_scans(study, single, 0)
    stored = {float(v) for block in scans.training for v in block.channels[2].unique()}
    _, target = random_patch(scans, single, 0, 1.0)
    assert target.shape == (1, 16, 16)
    assert {float(v) for v in target.unique()} <= stored


def test_an_epoch_shows_each_patch_as_often_as_asked(
    study: Path, plain: TrainingConfiguration
) -> None:
    single = replace(plain, patch_voxels=(16, 16, 1))
    for images, copies in ((None, 1), (RepeatedImages(1, 3, right_angle_turns=True), 3)):
        configuration = replace(single, images=images)
        scans = read_scans(study, configuration, 0)
        assert scans.patches == 20
        assert configuration.with_steps(scans.patches).epoch_steps == 20 * copies / 2
        seen = [
            float(random_patch(scans, configuration, place, 1.0)[0].double().sort().values[0, 3, 5])
            for place in range(20 * copies)
        ]
        assert len(seen) == 20 * copies
    half, _ = random_patch(scans, single, 0, 0.5)
    assert half.shape == (1, 8, 8)


def test_the_place_decides_everything(study: Path, plain: TrainingConfiguration) -> None:
    configuration = replace(plain, augmentation=CHANGES)
    scans = read_scans(study, configuration, 0)
    first, again, other = (random_patch(scans, configuration, k, 1.0) for k in (5, 5, 6))
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one.nan_to_num(-1), same.nan_to_num(-1))
    assert not torch.equal(first[0], other[0])


def test_people_scans_or_slices_are_held_back(
    study: Path, plain: TrainingConfiguration, tmp_path: Path
) -> None:
    scans = read_scans(study, plain, 0.2)
    assert sorted(roles(scans)) == [(HELD_BACK, "0-9"), (TRAINING, "0-9")]
    assert len(scans.training) == len(scans.held_back) == 1
    write_scan(tmp_path, "sub-01_T2w", 1)
    alone = read_scans(tmp_path, plain, 0.2)
    assert roles(alone) == [(TRAINING, "0-7"), (HELD_BACK, "8-9")]
    assert alone.held_back[0].known.sum() == 2 and alone.training[0].known.sum() == 8
    write_scan(tmp_path, "sub-01_T1w", 2)
    assert sorted(roles(read_scans(tmp_path, plain, 0.2))) == [
        (HELD_BACK, "0-9"),
        (TRAINING, "0-9"),
    ]
    assert {role for role, _ in roles(read_scans(study, plain, 0))} == {TRAINING}


def test_evenly_spaced_slices_are_dealt_out(plain: TrainingConfiguration, tmp_path: Path) -> None:
    write_scan(tmp_path, "t2", 1)
    dealt = replace(plain, patch_voxels=(16, 16, 1), slices=(5, 2, 3))
    found = roles(read_scans(tmp_path, dealt))
    assert found == [(TRAINING, "1,3,5,7,9"), (HELD_BACK, "2,6"), (LEFT_OUT, "0,4,8")]
    with pytest.raises(InvalidArgument, match="10 slices"):
        read_scans(tmp_path, replace(dealt, slices=(8, 2, 3)))


def test_slices_without_a_mask_are_not_taught_as_empty(
    plain: TrainingConfiguration, tmp_path: Path
) -> None:
    files = write_scan(tmp_path, "t2", 1)
    mask = sitk.ReadImage(str(files["SC"]))
    mask[:, :, 3:5] = 0
    sitk.WriteImage(mask, str(files["SC"]))
    scans = read_scans(tmp_path, plain, 0)
    assert roles(scans) == [(TRAINING, "0-2,5-9")]
    # What lies between is seen, and nothing is said of it.
    (block,) = scans.training
    assert block.known.tolist() == [True] * 3 + [False] * 2 + [True] * 5
    image, target = random_patch(scans, plain, 0, 1.0)
    unknown = torch.isnan(target).all(dim=(0, 1, 2))
    assert unknown.any() and not unknown.all()
    assert torch.isnan(target).any(dim=(0, 1, 2)).equal(unknown)
    assert (image[0, :, :, unknown] != 0).any()
    single = replace(plain, patch_voxels=(16, 16, 1))
    assert read_scans(tmp_path, single, 0).patches == 8


def test_lesions_come_with_their_cord(study: Path, plain: TrainingConfiguration) -> None:
    both = replace(
        plain,
        model="lesion",
        intensity="cord",
        augmentation=Augmentation(lesion_edges=0.5),
    )
    scans = read_scans(study, both, 0.5)
    assert both.structures == ("cord", "lesion")
    volumes = set()
    for place in range(8):
        image, (lesion,) = random_patch(scans, both, place, 1.0)
        assert torch.isnan(lesion).any() and image.abs().max() <= 3
        volumes.add(float(lesion.nansum()))
    assert len(volumes) > 4
    values, target = centre_of(scans.held_back[0], both)
    assert np.abs(values).max() <= 3
    assert np.isnan(target[:2]).all() and np.isfinite(target[8, 8]).all()
    assert 0 < (target > 0.5).sum() < 100


def test_a_study_of_lesions_without_any_is_refused(
    plain: TrainingConfiguration, tmp_path: Path
) -> None:
    files = write_scan(tmp_path, "t2", 1)
    sitk.WriteImage(sitk.ReadImage(str(files["lesion"])) * 0, str(files["lesion"]))
    with pytest.raises(InvalidArgument, match="no mask of lesions"):
        read_scans(tmp_path, replace(plain, model="lesion"), 0)


def test_gray_matter_on_the_scale_of_the_cord_needs_a_mask_of_the_cord(
    plain: TrainingConfiguration, tmp_path: Path
) -> None:
    write_scan(tmp_path, "t2", 1)["SC"].unlink()
    gray = replace(plain, model="gray_matter")
    assert read_scans(tmp_path, gray, 0).patches
    with pytest.raises(InvalidArgument, match="no mask of the cord"):
        read_scans(tmp_path, replace(gray, intensity="cord"), 0)


def test_a_grid_turns_by_its_angle_and_bends_by_its_coefficient() -> None:
    still = random_grid((9, 7, 3), (1, 1, 1), Augmentation(), seeded((1,)))
    assert np.allclose(still[:, 4, 3, 2], (0, 0, 2)) and np.allclose(still[:, 8, 3, 0], (4, 0, 0))
    # A turn keeps distances in millimetres, also of voxels that are not square.
    turned = random_grid((9, 7, 1), (2, 1, 1), Augmentation(rotation_degrees=40), seeded((3,)))
    distance = np.hypot(2 * turned[0], turned[1])
    assert np.allclose(distance[8, 3, 0], 8, atol=1e-4)
    assert abs(float(turned[1, 8, 3, 0])) > 0.3
    # Simard: uniform noise of deviation 0.577, smoothed in a plane, times alpha.
    bent = random_grid((96, 96, 1), (1, 1, 1), Augmentation(elastic=(100.0, 16.0)), seeded((2,)))
    plain = random_grid((96, 96, 1), (1, 1, 1), Augmentation(), seeded((2,)))
    assert 0.2 < (bent - plain)[:2].std() < 2.5


def test_intensities_are_normalised_whatever_is_done_to_them() -> None:
    image = np.random.default_rng(0).normal(500, 90, (12, 12, 4)).astype(np.float32)
    image[:3] = np.nan
    lit = relit(image, Augmentation(gamma=0.5, bias=0.3), seeded((4,)))
    seen = lit[3:]
    assert (lit[:3] == 0).all()
    assert abs(seen.mean()) < 1e-4 and abs(seen.std() - 1) < 1e-3
    assert relit(np.full((4, 4, 1), np.nan, np.float32), CHANGES, seeded((4,))).sum() == 0
