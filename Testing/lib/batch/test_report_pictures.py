# SPDX-License-Identifier: Apache-2.0
"""The pictures of a cylinder of 5 mm radius, and the outlines that belong to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from SpinalCordSegLib.batch.report_pictures import (
    MOST_BYTES,
    report_picture_paths,
    report_pictures,
)
from SpinalCordSegLib.result import Result
from Testing.lib.batch import cohort


def test_the_outline_is_a_circle_of_its_size_in_every_tile(tmp_path: Path) -> None:
    image, result = cohort.scan()
    paths = report_pictures(image, result, tmp_path, "a")
    assert paths == report_picture_paths(tmp_path, "a", cohort.SLICES)
    axial = json.loads(paths[-1].read_text())["axial"]
    assert [tile["slice"] for tile in axial["tiles"]] == list(reversed(range(cohort.SLICES)))
    for tile in axial["tiles"]:
        (line,) = tile["outlines"]["cord"]
        x, y = np.reshape(line, (-1, 2)).T / 10
        radius = np.hypot(x - axial["size"] / 2, y - axial["size"] / 2)
        radius_mm = radius * axial["mm"] / axial["size"]
        # Between the voxels inside and those outside.
        assert 4.4 < radius_mm.min() <= radius_mm.max() < 5.8


def test_the_bright_cord_lies_inside_its_outline(tmp_path: Path) -> None:
    image, result = cohort.scan()
    paths = report_pictures(image, result, tmp_path, "a")
    axial = json.loads(paths[-1].read_text())["axial"]
    size = axial["size"]
    pixels = np.asarray(Image.open(paths[1])).astype(float)
    assert pixels.shape == (axial["rows"] * size, axial["columns"] * size)
    tile = pixels[:size, :size]
    y, x = np.indices(tile.shape)
    radius_mm = np.hypot(x - size / 2, y - size / 2) * axial["mm"] / size
    assert tile[radius_mm < 4].mean() > tile[(radius_mm > 7) & (radius_mm < 15)].mean() + 60


def test_the_sagittal_view_says_where_each_slice_is(tmp_path: Path) -> None:
    image, result = cohort.scan()
    paths = report_pictures(image, result, tmp_path, "a")
    sagittal = json.loads(paths[-1].read_text())["sagittal"]
    width, height = Image.open(paths[0]).size
    assert (width, height) == (sagittal["width"], sagittal["height"])
    rows = dict(sagittal["slices"])
    assert sorted(rows) == list(range(cohort.SLICES))
    # Slice 0 is the lowest; each is a twelfth of the height.
    thick = height / cohort.SLICES
    np.testing.assert_allclose(
        [rows[n] for n in range(cohort.SLICES)],
        [height - (n + 0.5) * thick - 0.5 for n in range(cohort.SLICES)],
        atol=1.0,
    )
    assert sagittal["outlines"]["cord"]


def test_one_slice_alone_has_no_sagittal_view(tmp_path: Path) -> None:
    image, result = cohort.scan(slices=1)
    paths = report_pictures(image, result, tmp_path, "a")
    assert [path.name for path in paths] == ["a_qc_axial.jpg", "a_qc.json"]
    content = json.loads(paths[-1].read_text())
    assert content["sagittal"] is None
    assert len(content["axial"]["tiles"]) == 1


def test_a_large_noisy_scan_stays_small_on_disk(tmp_path: Path) -> None:
    image, result = cohort.scan(slices=200, size=90)
    noise = np.random.default_rng(0).normal(0, 300, (200, 90, 90)).astype(np.float32)
    noisy = sitk.GetImageFromArray(noise)
    noisy.CopyInformation(image)
    paths = report_pictures(noisy, result, tmp_path, "a")
    assert sum(path.stat().st_size for path in paths[:-1]) <= MOST_BYTES
    assert paths[-1].stat().st_size < 40_000
    tiles = json.loads(paths[-1].read_text())["axial"]["tiles"]
    assert len(tiles) == 30
    # Of the slices near each other the one to review is shown.
    assert {4, 7} <= {tile["slice"] for tile in tiles}


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PSR"])
def test_every_orientation_gives_the_same_pictures(tmp_path: Path, orientation: str) -> None:
    image, result = cohort.scan()
    mask = sitk.DICOMOrient(result.masks["cord"], orientation)
    turned = Result(mask, {"cord": mask}, {}, result.centerline)
    plain = Result(result.labels, result.masks, {}, result.centerline)
    first = report_pictures(image, plain, tmp_path, "a")
    second = report_pictures(sitk.DICOMOrient(image, orientation), turned, tmp_path, "b")
    assert [p.read_bytes() for p in first[:-1]] == [p.read_bytes() for p in second[:-1]]
