# SPDX-License-Identifier: Apache-2.0
"""The peer's way to the heat map of the cord, written anew from its description.

The Spinal Cord Toolbox (7.4.dev0, ``sct_deepseg_sc``) follows the cord from tile to tile with
the published CNN1. This is that procedure, in its order and with its weaknesses, so that ours can
be timed and judged beside it with the same weights, on the same machine. Its weaknesses: the
anterior part of a wide field of view is cut off, tiles do not overlap, a slice with a known
centre is seen through one tile only, a run of empty slices ends the search, and the topmost slice
found is given up.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage

from SpinalCordSegLib.networks import Network
from SpinalCordSegLib.weights import WeightsSpecification

SPACING_MM = 0.5
TILE = 80
EMPTY_SLICES_BELOW_BRAIN = 10

Corner = tuple[int, int]


def peer_heatmap(
    image: sitk.Image, network: Network, specification: WeightsSpecification, brain: bool
) -> np.ndarray:
    """Return the heat map of the cord as the peer computes it.

    Parameters
    ----------
    image : SimpleITK.Image
        3D, any orientation.
    network : Network
        The published CNN1 of the image's contrast.
    specification : WeightsSpecification
        Of that network: mean and standard deviation of its training data.
    brain : bool
        Take more than ten slices searched in full, one after the other, for the brain, and stop.
        The peer does so for T1w and T2w.

    Returns
    -------
    array
        float32 (X, Y, Z), right to left, posterior to anterior, inferior to superior; 0.5 mm in
        plane. Distance in voxels to the edge of the cord on that slice, 0 outside of it; bare
        probabilities on the slice where the search was given up.
    """
    oriented = sitk.DICOMOrient(image, "LAS")
    volume = sitk.GetArrayFromImage(oriented).transpose(2, 1, 0).astype(np.float32)
    volume = _resampled(volume, oriented.GetSpacing()[:2])
    probabilities, stopped = _followed(_scaled(_tiled(volume)), network, specification, brain)
    heat = np.zeros(volume.shape, np.float32)
    for z, probability in enumerate(probabilities):
        # Distances are taken without the padding, but with what was cut off, as background.
        inside = probability[: volume.shape[0], : volume.shape[1]]
        plane = heat[..., z]
        plane[: inside.shape[0], : inside.shape[1]] = inside
        # The peer leaves its loop before it turns the probabilities of that last slice into heat.
        if not (stopped and z == len(probabilities) - 1):
            plane[...] = ndimage.distance_transform_edt(plane >= 0.5)
    return heat


def peer_covered_slices(heat: np.ndarray) -> range:
    """Return the slices for which the peer's centerline has a point.

    It blanks the curve from the topmost slice with heat upwards, that slice included, unless it
    is the top of the image.

    Parameters
    ----------
    heat : array (X, Y, Z)
        Of :func:`peer_heatmap`.

    Raises
    ------
    ValueError
        If there is no heat at all.
    """
    hot = np.flatnonzero(heat.any(axis=(0, 1)))
    if not hot.size:
        raise ValueError("the heat map is empty")
    top = int(hot[-1])
    slices = heat.shape[2]
    return range(slices if top == slices - 1 else top)


def _resampled(volume: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Return 0.5 mm in plane, linear, with the centres of the first voxels on each other."""
    old = volume.shape[:2]
    new = [round(n * step / SPACING_MM) for n, step in zip(old, spacing_mm, strict=True)]
    if tuple(new) == old:
        return volume
    matrix = np.array([*(before / after for before, after in zip(old, new, strict=True)), 1.0])
    shape = (*new, volume.shape[2])
    return ndimage.affine_transform(volume, matrix, output_shape=shape, order=1, mode="nearest")


def _tiled(volume: np.ndarray) -> np.ndarray:
    """Return whole tiles: X padded, Y padded if small and otherwise cut off in front."""
    nx, ny, _ = volume.shape
    if ny > TILE:
        volume = volume[:, : ny // TILE * TILE]
    return np.pad(volume, ((0, -nx % TILE), (0, max(0, TILE - ny)), (0, 0)))


def _scaled(volume: np.ndarray) -> np.ndarray:
    low, high = np.percentile(volume, (2, 98))
    return (np.clip(volume, low, high) - low) * (255 / (high - low))


def _followed(
    volume: np.ndarray, network: Network, specification: WeightsSpecification, brain: bool
) -> tuple[list[np.ndarray], bool]:
    """Return the probabilities from the lowest slice up, and whether the search was given up."""
    slices: list[np.ndarray] = []
    centre: tuple[float, ...] | None = None
    searched = 0
    for z in range(volume.shape[2]):
        plane = volume[..., z]
        if centre is not None:
            searched = 0
            window = [_corner_around(centre, plane.shape)]
            probability = _predicted(plane, window, network, specification)
            centre = _centre(probability > 0.5)
        if centre is None:
            searched += 1
            probability = _predicted(plane, _grid(plane.shape), network, specification)
            centre = _centre(_largest(probability > 0.5))
        slices.append(probability)
        if brain and searched > EMPTY_SLICES_BELOW_BRAIN:
            return slices, True
    return slices, False


def _predicted(
    plane: np.ndarray, corners: list[Corner], network: Network, specification: WeightsSpecification
) -> np.ndarray:
    """Return the probabilities in the tiles at the given corners, 0 elsewhere; one call a tile."""
    mean, std = specification.preprocessing.mean, specification.preprocessing.std
    probability = np.zeros_like(plane)
    for x, y in corners:
        tile = np.ascontiguousarray((plane[x : x + TILE, y : y + TILE] - mean) / std, np.float32)
        with torch.inference_mode():
            output = network(torch.from_numpy(tile)[None, None])
        probability[x : x + TILE, y : y + TILE] = output[0, 0].numpy()
    return probability


def _grid(shape: tuple[int, ...]) -> list[Corner]:
    return [(x, y) for x in range(0, shape[0], TILE) for y in range(0, shape[1], TILE)]


def _corner_around(centre: tuple[float, ...], shape: tuple[int, ...]) -> Corner:
    x, y = (
        min(max(int(c) - TILE // 2 + 1, 0), n - TILE) for c, n in zip(centre, shape, strict=True)
    )
    return x, y


def _centre(mask: np.ndarray) -> tuple[float, ...] | None:
    return tuple(ndimage.center_of_mass(mask)) if mask.any() else None


def _largest(mask: np.ndarray) -> np.ndarray:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
