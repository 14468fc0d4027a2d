# SPDX-License-Identifier: Apache-2.0
"""The cord slice by slice: geometry on made-up rods, quality on the phantom and a real scan.

The rods are seen by a network that calls bright what is bright, so that what is tested is where
the masks come to lie.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.errors import Cancelled, CordNotFound, UnsupportedWeights
from SpinalCordSegLib.evaluation.metrics import dice
from SpinalCordSegLib.images import array_from, read_image, to_network_order
from SpinalCordSegLib.networks import build_network
from SpinalCordSegLib.segmentation.csm import segment_cord_by_slice
from SpinalCordSegLib.weights import (
    LoadedWeights,
    Preprocessing,
    WeightsSpecification,
    load_weights,
)


def bright_finder(window: int = 64) -> LoadedWeights:
    """Return weights whose network finds what is far brighter than its window's mean."""
    parameters = {"filters": 2, "depth": 2}
    network = build_network("unet2d", parameters).eval()

    class Bright(type(network)):  # type: ignore[misc]
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            return 20 * (x - 3)

    network.__class__ = Bright
    specification = WeightsSpecification(
        name="bright",
        task="csm_unet",
        contrast="any",
        architecture="unet2d",
        parameters=parameters,
        preprocessing=Preprocessing((1.0, 1.0, None), (window, window), "zscore"),
        threshold=0.5,
        licence="",
        source="",
        citation="",
    )
    return LoadedWeights(network, specification, "")


def rod(
    size: tuple[int, int, int] = (48, 56, 12), centre: tuple[float, float] = (26, 22)
) -> tuple[sitk.Image, sitk.Image]:
    """Return a bright leaning rod in 1 x 1 x 3 mm voxels, and its mask."""
    x, y, z = np.indices(size)
    inside = np.hypot(x - centre[0] - 0.4 * z, y - centre[1] + 0.3 * z) < 4.2
    array = np.random.default_rng(0).normal(10, 1, size) + 90 * inside
    images = []
    for values in (array.astype(np.float32), inside.astype(np.uint8)):
        image = sitk.GetImageFromArray(values.transpose())
        image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
        image.SetSpacing((1, 1, 3))
        image.SetOrigin((-20, 31, 7))
        images.append(image)
    return images[0], images[1]


@pytest.mark.parametrize("orientation", ["LAS", "RPI", "PSR", "SAL", "ILP"])
def test_the_mask_lies_on_the_images_own_grid(orientation: str) -> None:
    image, expected = (sitk.DICOMOrient(i, orientation) for i in rod())
    found = segment_cord_by_slice(image, bright_finder())
    for output in (found.mask, found.probability):
        assert output.GetSize() == image.GetSize()
        assert output.GetOrigin() == image.GetOrigin()
        assert output.GetDirection() == image.GetDirection()
    assert dice(found.mask, expected) > 0.95
    assert found.filled_slices == ()


def test_a_single_slice_is_enough() -> None:
    image, expected = (i[:, :, 4:5] for i in rod())
    assert dice(segment_cord_by_slice(image, bright_finder()).mask, expected) > 0.95


@pytest.mark.parametrize("centre", [(6, 8), (150, 5), (12, 200), (146, 205), (64, 96)])
def test_no_part_of_a_large_slice_is_left_out(centre: tuple[float, float]) -> None:
    image, expected = rod((158, 214, 2), centre)
    assert dice(segment_cord_by_slice(image, bright_finder()).mask, expected) > 0.95


def test_pixels_of_other_sizes_are_brought_to_the_networks() -> None:
    image, expected = rod()
    for i in (image, expected):
        i.SetSpacing((0.6, 1.7, 3))
    assert dice(segment_cord_by_slice(image, bright_finder()).mask, expected) > 0.9


def test_padding_changes_nothing() -> None:
    image, _ = rod()
    padded = sitk.ConstantPad(image, (30, 0, 1), (5, 41, 2), 0)
    found = segment_cord_by_slice(padded, bright_finder())
    alone = segment_cord_by_slice(image, bright_finder())
    cut = sitk.RegionOfInterest(found.mask, image.GetSize(), (30, 0, 1))
    assert dice(cut, alone.mask) == 1
    assert array_from(found.mask).sum() == array_from(alone.mask).sum()


def test_an_object_that_no_cord_leads_to_is_not_the_cord() -> None:
    image, expected = rod()
    array = sitk.GetArrayFromImage(image)
    # No cord on the lowest slices; impostors beside it and, alone on its slice, below it.
    array[:5] = array[:5].clip(max=13)
    array[[3, 6], 40:52, 4:16] = 100
    other = sitk.GetImageFromArray(array)
    other.CopyInformation(image)
    found = array_from(segment_cord_by_slice(other, bright_finder()).mask) > 0
    assert not found[4:16, 40:52].any() and not found[:, :, :5].any()
    assert np.array_equal(found[:, :, 5:], array_from(expected)[:, :, 5:] > 0)


def test_a_given_centerline_says_where_and_on_which_slices() -> None:
    image, expected = rod((158, 120, 12), (40, 60))
    array = sitk.GetArrayFromImage(image)
    array[:, 20:30, 110:120] = 200
    other = sitk.GetImageFromArray(array)
    other.CopyInformation(image)
    part = sitk.GetArrayFromImage(expected)
    part[:3] = part[9:] = 0
    wanted = sitk.GetImageFromArray(part)
    wanted.CopyInformation(expected)
    curve = Centerline.from_mask(wanted)
    found = segment_cord_by_slice(other, bright_finder(), curve)
    crossed = np.isfinite(curve.in_slices(to_network_order(other))).all(axis=1)
    assert array_from(found.mask).any(axis=(0, 1)).tolist() == crossed.tolist()
    # Half-pixel shifts along the curve blur the edge of so small an object.
    assert dice(found.mask[:, :, 3:9], wanted[:, :, 3:9]) > 0.9


def test_a_centerline_of_another_image_is_refused() -> None:
    image, _ = rod()
    elsewhere = Centerline(np.array([[0.0, 0, 900], [0, 0, 950]]))
    with pytest.raises(CordNotFound, match="centerline"):
        segment_cord_by_slice(image, bright_finder(), elsewhere)


def test_no_cord_is_said_so() -> None:
    # No value of a uniform noise is three deviations from its mean.
    noise = np.random.default_rng(0).random((3, 60, 60), np.float32)
    with pytest.raises(CordNotFound, match="no spinal cord"):
        segment_cord_by_slice(sitk.GetImageFromArray(noise), bright_finder())


def test_a_network_of_volumes_is_refused() -> None:
    with pytest.raises(UnsupportedWeights, match="csm-unet"):
        segment_cord_by_slice(rod()[0], load_weights("cord"))


def test_it_can_be_stopped() -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segment_cord_by_slice(rod()[0], bright_finder(), progress=stop)


# With the weights that ship


def test_the_cord_of_the_phantom_is_found(checkout: Path) -> None:
    folder = checkout / "Resources" / "sample"
    image = read_image(folder / "phantom_t2w.nii.gz")
    reference = sitk.ReadImage(str(folder / "phantom_t2w_cord.nii.gz"))
    size = list(image.GetSize())
    axis = int(np.argmax(size))
    size[axis] = 12
    start = [0, 0, 0]
    start[axis] = image.GetSize()[axis] // 2
    image, reference = (sitk.RegionOfInterest(i, size, start) for i in (image, reference))
    found = segment_cord_by_slice(image, load_weights("csm_unet"))
    assert dice(found.mask, reference) > 0.8


def test_noise_holds_no_cord() -> None:
    noise = np.random.default_rng(1).normal(100, 10, (3, 180, 180)).astype(np.float32)
    with pytest.raises(CordNotFound):
        segment_cord_by_slice(sitk.GetImageFromArray(noise), load_weights("csm_unet"))


@pytest.mark.parametrize(
    ("scan", "limit"), [("subj-a/t2w", 0.85), ("subj-c/t2s", 0.8), ("subj-b/t1w", 0.8)]
)
def test_slices_of_a_real_scan(shared: Path, scan: str, limit: float) -> None:
    image = to_network_order(read_image(shared / "data" / f"{scan}.nii.gz"))
    reference = to_network_order(sitk.ReadImage(str(shared / "data" / f"{scan}_cord.nii.gz")))
    drawn = np.flatnonzero(array_from(reference).any(axis=(0, 1)))
    middle = int(drawn[len(drawn) // 2])
    image, reference = (i[:, :, middle - 2 : middle + 3] for i in (image, reference))
    found = segment_cord_by_slice(image, load_weights("csm_unet"))
    assert dice(found.mask, reference) > limit
