# SPDX-License-Identifier: Apache-2.0
"""The picture of an image whose corners are known:

in every slice, in the patient's frame     bright block  right, anterior
                                           cord          middle, 4 mm radius
only in the upper half                     dark block    left, posterior
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib import overview
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.measurement.review import ReviewItem
from SpinalCordSegLib.overview import overview_png
from SpinalCordSegLib.scene import Scene

ORIENTATIONS = ["LAS", "RAS", "LPS", "PSR", "AIL", "SRP", "ILA"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_gives_the_same_picture(orientation: str) -> None:
    image, mask, curve = _scan()
    scene = _scene(image, mask, curve)
    turned = _scene(
        sitk.DICOMOrient(image, orientation), sitk.DICOMOrient(mask, orientation), curve
    )
    # Only the slices' numbers follow the file.
    assert _drawn(replace(turned, numbers=scene.numbers)) == _drawn(scene)


def test_the_patients_right_is_on_the_left_and_anterior_is_up() -> None:
    scene = _scene(*_scan())
    pixels = np.asarray(overview._tile(scene, 5, 400)).astype(int).sum(axis=2)
    right_anterior, left_anterior = pixels[60:140, 60:140].mean(), pixels[60:140, 260:340].mean()
    right_posterior = pixels[260:340, 60:140].mean()
    assert right_anterior > 1.5 * max(left_anterior, right_posterior)


def test_the_sagittal_view_has_anterior_on_the_left_and_superior_up() -> None:
    image, mask, _ = _scan()
    # Through the dark block: left and posterior, in the upper half only.
    curve = Centerline(np.array([[10.0, 0.0, 0.0], [10.0, 0.0, 38.0]]))
    view = np.asarray(overview._sagittal_panel(_scene(image, mask, curve)))[:, :, :3].sum(axis=2)
    height, width = view.shape[0], view.shape[1] - overview.GUTTER
    quarters = {
        (row, column): view[
            row * height // 2 + 60 : (row + 1) * height // 2 - 60,
            column * width // 2 + 40 : (column + 1) * width // 2 - 40,
        ].mean()
        for row in (0, 1)
        for column in (0, 1)
    }
    assert min(quarters, key=lambda key: quarters[key]) == (0, 1)


def test_the_outline_lies_on_the_edge_of_the_mask() -> None:
    image, mask, curve = _scan()
    scene = _scene(sitk.Cast(image * 0, sitk.sitkFloat32), mask, curve)
    size = 600
    pixels = np.asarray(overview._tile(scene, 5, size)).astype(int)
    # The background is gray and the text white: only the outline has more red than blue.
    yellow = (pixels[:, :, 0] - pixels[:, :, 2] > 40).nonzero()
    radius = np.hypot(yellow[0] - size / 2, yellow[1] - size / 2) / size * scene.tile_mm
    assert len(radius) > 300
    assert radius.min() > 3.3
    assert radius.max() < 4.7


def test_slices_are_numbered_as_in_the_file() -> None:
    image, mask, curve = _scan()
    downwards = sitk.DICOMOrient(image, "LPI")
    scene = _scene(downwards, sitk.DICOMOrient(mask, "LPI"), curve)
    assert scene.numbers[0] == image.GetSize()[2] - 1
    assert scene.numbers[-1] == 0


def test_slices_worth_a_look_are_among_the_tiles() -> None:
    image, mask, curve = _scan()
    review = [ReviewItem(2, (0, 0, 4), "x", 0.9), ReviewItem(3, (0, 0, 6), "y", 0.2)]
    assert 2 not in _scene(image, mask, curve).tiles
    scene = _scene(image, mask, curve, review)
    assert 2 in scene.tiles
    assert list(scene.tiles) == sorted(scene.tiles, reverse=True)
    flagged = np.asarray(overview._tile(scene, 2, 200))
    assert tuple(flagged[0, 100]) == overview.FLAG


@pytest.mark.parametrize(
    "size", [(60, 60, 1), (1, 60, 4), (60, 1, 4), (2, 2, 2), (1, 1, 1), (30, 40, 300), (400, 20, 2)]
)
def test_odd_sizes(size: tuple[int, int, int]) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).random(size[::-1], np.float32))
    image.SetSpacing((0.5, 0.5, 5.0))
    mask = sitk.Cast(image > 0.5, sitk.sitkUInt8)
    curve = Centerline(np.array([[size[0] / 4, size[1] / 4, 0.0]]))
    picture = _decoded(overview_png(image, {"cord": mask}, curve, "odd"))
    assert picture.shape[0] >= 300
    assert picture.shape[1] >= overview.MINIMUM_WIDTH
    assert picture.std() > 5


def test_nothing_to_show_is_still_a_picture() -> None:
    image, mask, _ = _scan()
    values = sitk.GetArrayFromImage(image)
    values[...] = np.nan
    empty = sitk.GetImageFromArray(values)
    empty.CopyInformation(image)
    outside = Centerline(np.array([[500.0, 500.0, 500.0]]))
    _decoded(overview_png(empty, {"cord": mask * 0}, outside, "empty", "s" * 500))


def test_a_long_title_stays_inside() -> None:
    image, mask, curve = _scan()
    short, long = (
        _decoded(overview_png(image, {"cord": mask}, curve, title)) for title in ("t", "t" * 900)
    )
    assert short.shape == long.shape
    assert (long[:, -overview.MARGIN + 6 :] == overview.BACKGROUND[::-1]).all()


def _scan() -> tuple[sitk.Image, sitk.Image, Centerline]:
    """Return an image (42 x 42 x 40 mm) in LAS order, the cord's mask, and the curve in it."""
    z, y, x = np.indices((20, 42, 42))
    # Voxel x = 0 is the patient's right, y = 0 posterior.
    right, anterior, upper = x < 20, y > 21, z >= 10
    values = np.full(x.shape, 50, np.float32)
    values[right & anterior] = 100
    values[~right & ~anterior & upper] = 0
    mask = ((x - 20.5) ** 2 + (y - 20.5) ** 2 < 16).astype(np.uint8)
    images = []
    for array in (values, mask):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.0, 1.0, 2.0))
        image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
        image.SetOrigin((-20.5, 20.5, 0.0))
        images.append(image)
    assert (
        sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(images[0].GetDirection())
        == "LAS"
    )
    return images[0], images[1], Centerline(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 38.0]]))


def _scene(
    image: sitk.Image,
    mask: sitk.Image,
    curve: Centerline,
    review: list[ReviewItem] | None = None,
) -> Scene:
    return Scene.of(image, {"cord": mask}, curve, review or [], overview.MAX_TILES)


def _drawn(scene: Scene) -> tuple[bytes, bytes]:
    return overview._sagittal_panel(scene).tobytes(), overview._tile_panel(scene).tobytes()


def _decoded(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture
