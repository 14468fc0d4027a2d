# SPDX-License-Identifier: Apache-2.0
"""The cord slice by slice with one 2D U-Net, before a level set (Zhang 2021, section 2.2).

The paper looks at the middle 256 x 256 pixels of a slice. Here so does the network, at its own
pixel size. On a larger slice several such windows overlap, so that no cord is outside; on a smaller
one the window shrinks, to no less than half as wide: the sizes of the training. What the windows
find is then one cord: OptiC's path through all slices says which object of a slice it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import SimpleITK as sitk
import torch

from ..centerline.curve import Centerline
from ..centerline.detect import best_path
from ..errors import CordNotFound, UnsupportedWeights
from ..field_of_view import crop_to_content
from ..images import array_from, to_network_order
from ..intensity import zero_mean_unit_variance
from ..networks import for_prediction
from ..weights import LoadedWeights
from .along_curve import straighten, unstraighten
from .cleanup import clean_cord_mask
from .cord import CordSegmentation, cord_on_grid

_BATCH = 2

# Pixels of nothing around a slice that is smaller than a window: in training, too, fields of view
# end inside the window, and a cord at the very edge of the input is seen badly.
_MARGIN = 12

# Windows on a large slice overlap by this share of their width: two cords' worth and more.
_OVERLAP = 0.25

# Cord further than this from the path, in its slice, is another object; cords are under 20 mm wide.
_REACH_MM = 16.0

# Pixel size the path is sought at.
_PATH_MM = 1.0


def segment_cord_by_slice(
    image: sitk.Image,
    weights: LoadedWeights,
    centerline: Centerline | None = None,
    threshold: float | None = None,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> CordSegmentation:
    """Outline the cord on every axial slice by itself.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation; one slice is enough.
    weights : LoadedWeights
        A 2D cord network and its preprocessing, with intensity ``zscore``.
    centerline : Centerline, optional
        Only the neighbourhood of this curve is looked at, half a window wide, and only on slices
        that it crosses; by default the whole of every slice.
    threshold : float, optional
        Probability from which on a voxel is cord; the weights' own by default.
    device : str
        Torch device.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.

    Returns
    -------
    CordSegmentation
        On each slice at most one object.

    Raises
    ------
    CordNotFound
        If the centerline misses the image, or no voxel looks like cord.
    UnsupportedWeights
        If the network is not one for axial slices.
    """
    whole = to_network_order(image)
    ordered = crop_to_content(whole)
    volume, spacing = array_from(ordered), ordered.GetSpacing()
    predictor = _Predictor(weights, spacing, device)
    if centerline is None:
        width, curves = _windows(volume.shape, predictor)
    else:
        width, curves = predictor.half_window, [_curve(centerline, ordered)]
    probability = _probability(volume, curves, width, predictor, progress)

    threshold = weights.specification.threshold if threshold is None else threshold
    curve = curves[0] if centerline else _path(probability, spacing, threshold)
    _forget_beyond_reach(probability, curve, spacing)
    cleaned = clean_cord_mask(probability >= threshold, curve, spacing[2])
    if not cleaned.mask.any():
        raise CordNotFound(
            "no spinal cord was found in the image",
            "check that it shows the spine on axial slices, or lower --threshold",
        )
    return cord_on_grid(cleaned, probability, threshold, ordered, whole, image)


class _Predictor:
    """The network at its own pixel size: windows of slices in, probabilities out."""

    def __init__(self, weights: LoadedWeights, spacing: Sequence[float], device: str) -> None:
        preprocessing = weights.specification.preprocessing
        if weights.network.dimensions != 2 or preprocessing.intensity != "zscore":
            raise UnsupportedWeights(
                f"the weights {weights.specification.name} are not for the cord on axial slices",
                "choose weights of the model csm-unet",
            )
        x, y = (
            wanted or own
            for wanted, own in zip(preprocessing.spacing_mm[:2], spacing[:2], strict=True)
        )
        self.image_spacing = tuple(spacing)
        self.spacing = (x, y, spacing[2])
        self.window = preprocessing.patch_voxels[:2]
        self.network = for_prediction(weights.network, device)
        self.half_window = tuple(self.fitting(n / 2) for n in self.window)
        self.device = device

    def fitting(self, pixels: float) -> int:
        """Return the next size that the network can take."""
        return int(np.ceil(pixels / self.network.stride)) * self.network.stride

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        """Return probabilities on planes (X, Y, Z); NaN is no image."""
        batch = np.stack([zero_mean_unit_variance(plane) for plane in np.moveaxis(planes, 2, 0)])
        with torch.inference_mode():
            tensor = torch.from_numpy(batch)[:, None].to(self.device)
            tensor = tensor.contiguous(memory_format=torch.channels_last)
            # A cord is as good as its mirror image; the mean of both is steadier than either.
            output = (self.network(tensor) + self.network(tensor.flip(2)).flip(2)) / 2
        return np.moveaxis(output[:, 0].float().cpu().numpy(), 0, 2)


def _curve(centerline: Centerline, ordered: sitk.Image) -> np.ndarray:
    curve = centerline.in_slices(ordered)
    if not np.isfinite(curve).any():
        raise CordNotFound(
            "the centerline does not cross the image",
            "check that both belong together and that the centerline is in LPS millimetres",
        )
    return curve


def _windows(
    shape: Sequence[int], predictor: _Predictor
) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """Return the width of the windows that cover a slice, and where each of them has its middle.

    Returns
    -------
    width : (X, Y)
        Pixels of the network.
    curves : list of ndarray, (Z, 2)
        In-plane index of the middle on each slice, the same on all.
    """
    width, middles = [], []
    for axis in range(2):
        step = predictor.spacing[axis] / predictor.image_spacing[axis]
        pixels = shape[axis] / step + 2 * _MARGIN
        size = max(predictor.fitting(pixels), predictor.half_window[axis])
        size = min(size, predictor.window[axis])
        fresh = size * (1 - _OVERLAP)
        count = 1 + max(0, int(np.ceil((pixels - size) / fresh - 1e-6)))
        reach = max(0.0, (pixels - size) / 2)
        width.append(size)
        middles.append((shape[axis] - 1) / 2 + np.linspace(-reach, reach, count) * step)
    curves = [np.tile(middle, (shape[2], 1)) for middle in product(*middles)]
    return tuple(width), curves


def _probability(
    volume: np.ndarray,
    curves: Sequence[np.ndarray],
    width: Sequence[int],
    predictor: _Predictor,
    progress: Callable[[float, str], None] | None,
) -> np.ndarray:
    """Return the probability of cord (X, Y, Z), blended where windows overlap."""
    fade = _fade(width[0])[:, None, None] * _fade(width[1])[None, :, None]
    total = np.zeros(volume.shape, np.float32)
    for done, rows in _batches(curves[0]):
        if progress:
            progress(done, "outlining the cord")
        planes = volume[:, :, rows]
        weight = np.full(planes.shape, 1e-6, np.float32)
        for curve in curves:
            block = straighten(
                planes, predictor.image_spacing, curve[rows], predictor.spacing, width
            )
            found = predictor(block.values) * fade
            total[:, :, rows] += unstraighten(block, found, planes.shape)
            weight += unstraighten(block, np.broadcast_to(fade, found.shape), planes.shape)
        total[:, :, rows] /= weight
    return total


def _batches(curve: np.ndarray) -> Iterator[tuple[float, slice]]:
    """Yield the share done before, and a few slices that a curve crosses."""
    crossed = np.flatnonzero(np.isfinite(curve).all(axis=1))
    for first in range(0, crossed.size, _BATCH):
        rows = crossed[first : first + _BATCH]
        yield first / crossed.size, slice(int(rows[0]), int(rows[-1]) + 1)


def _fade(width: int) -> np.ndarray:
    """Return weights that fall towards the ends of a window, where the network sees least."""
    distance = np.minimum(np.arange(width) + 1, width - np.arange(width))
    return np.minimum(1, distance / (width * _OVERLAP)).astype(np.float32)


def _path(probability: np.ndarray, spacing: Sequence[float], threshold: float) -> np.ndarray:
    """Return where the cord runs, (Z, 2): OptiC's path through the probabilities."""
    stride = [max(1, round(_PATH_MM / s)) for s in spacing[:2]]
    coarse = probability[:: stride[0], :: stride[1]]
    pixel = [s * n for s, n in zip(spacing, stride, strict=False)]
    height = np.arange(probability.shape[2]) * spacing[2]
    return best_path(coarse, pixel, height, threshold) * np.array(stride, float)


def _forget_beyond_reach(
    probability: np.ndarray, curve: np.ndarray, spacing: Sequence[float]
) -> None:
    """Set to 0, in place, what lies far from the curve in its slice."""
    for k, centre in enumerate(curve):
        x, y = (
            (np.arange(probability.shape[axis]) - centre[axis]) * spacing[axis] for axis in range(2)
        )
        # A slice that the curve does not cross has no centre, and is near nothing.
        near = np.hypot(x[:, None], y[None]) <= _REACH_MM
        probability[:, :, k][~near] = 0
