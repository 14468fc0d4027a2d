# SPDX-License-Identifier: Apache-2.0
"""Gray matter on axial slices around the curve (Perone 2018), and the white matter beside it.

The published tool takes the middle of the image, in whatever order its voxels are stored. Here
every slice is brought into the networks' order and cut out around the cord, a few slices at a
time: memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ..centerline.curve import Centerline
from ..errors import CordNotFound, InvalidArgument, UnsupportedWeights
from ..network_order import Box, network_slices, network_view, paste
from ..networks import ASPP, for_prediction
from ..weights import LoadedWeights, Preprocessing
from .along_curve import StraightBlock, straighten, unstraighten
from .cord_scale import block_of_cord

# As fast on a CPU as larger batches, with less memory.
_BATCH = 2

# The cord is at most about 16 mm wide and the curve runs inside it, so this window around the
# curve holds all the gray matter.
_WINDOW_MM = 24.0

_INTENSITIES = ("zscore", "volume_zscore", "cord")

# Added to the normalised intensities, one a prediction. The published tool draws eight constants
# between 0 and 2; these are the middles of eight equal parts of that range.
_OFFSETS = (0.0, *((k + 0.5) / 4 for k in range(8)))


@dataclass(frozen=True)
class GrayMatterSegmentation:
    """The gray matter on the image's own grid.

    Attributes
    ----------
    mask : SimpleITK.Image
        uint8, 0 and 1; may be empty.
    probability : SimpleITK.Image or None
        float32, 0 to 1, the mean over each voxel; 0 away from the curve. None if not asked for.
    """

    mask: sitk.Image
    probability: sitk.Image | None


def segment_gray_matter(
    image: sitk.Image,
    centerline: Centerline,
    weights: LoadedWeights,
    cord_mask: sitk.Image | None = None,
    threshold: float | None = None,
    device: str = "cpu",
    augment: bool = False,
    progress: Callable[[float, str], None] | None = None,
    keep_probability: bool = True,
) -> GrayMatterSegmentation:
    """Outline the gray matter around the centerline.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation; one slice is enough.
    centerline : Centerline
        Slices that it does not cross are left empty.
    weights : LoadedWeights
        A 2D network and its preprocessing, with intensity ``zscore``, ``volume_zscore`` or
        ``cord``.
    cord_mask : SimpleITK.Image, optional
        On the grid of `image`; nothing outside of it becomes gray matter. Weights with intensity
        ``cord`` cannot do without.
    threshold : float, optional
        Probability on the network's own grid from which on it is gray matter; the weights' own by
        default. A voxel of the image counts if more than half of it is.
    augment : bool
        Average predictions at nine fixed offsets of the intensities, instead of at none.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the segmentation.
    keep_probability : bool
        False saves the memory of a float32 image.

    Raises
    ------
    CordNotFound
        If the centerline misses the image.
    InvalidArgument
        If `cord_mask` is on another grid, or is left out and needed.
    UnsupportedWeights
        If the network is not one for axial slices.
    """
    specification = weights.specification
    threshold = specification.threshold if threshold is None else threshold
    predictor = _Predictor(weights, device, _OFFSETS if augment else (0.0,))
    inside = None if cord_mask is None else network_view(_stored(cord_mask, image), image)
    if inside is None and specification.preprocessing.intensity == "cord":
        raise InvalidArgument(
            f"the weights {specification.name} look at the cord alone", "give a mask of the cord"
        )
    slices = _Slices(image, centerline, specification.preprocessing, inside)

    predictor.prepare(block.values for _, block in slices.blocks())
    mask = _empty(image, sitk.sitkUInt8)
    probability = _empty(image, sitk.sitkFloat32) if keep_probability else None
    for where, block in slices.blocks():
        if progress:
            progress(slices.fraction_before(where), "outlining the gray matter")
        fine = predictor(block.values)
        allowed = True if inside is None else inside[where] != 0
        share = _onto_slices(_with_threshold_at_half(fine, threshold), block, where)
        paste(mask, where, ((share > 0.5) & allowed).astype(np.uint8))
        if probability is not None:
            paste(probability, where, _onto_slices(fine, block, where) * np.float32(allowed))
    return GrayMatterSegmentation(mask, probability)


def white_matter(cord: sitk.Image, gray_matter: sitk.Image) -> sitk.Image:
    """Return the cord without its gray matter.

    Parameters
    ----------
    cord, gray_matter : SimpleITK.Image
        Masks on the same grid; every voxel other than 0 is inside.

    Returns
    -------
    SimpleITK.Image
        uint8, 0 and 1, on the grid of `cord`.

    Raises
    ------
    InvalidArgument
        If the grids differ.
    """
    rest = sitk.GetArrayViewFromImage(cord) != 0
    rest &= _stored(gray_matter, cord) == 0
    white = sitk.GetImageFromArray(rest.astype(np.uint8))
    white.CopyInformation(cord)
    return white


class _Predictor:
    """The network with its normalisation: slices in, probabilities in the middle of them out."""

    def __init__(self, weights: LoadedWeights, device: str, offsets: Sequence[float]) -> None:
        self.preprocessing = weights.specification.preprocessing
        if weights.network.dimensions != 2 or self.preprocessing.intensity not in _INTENSITIES:
            raise UnsupportedWeights(
                f"the weights {weights.specification.name} are not for gray matter on axial slices",
                "choose weights for the gray matter",
            )
        self.network = for_prediction(weights.network, device)
        self.device = device
        self.offsets = offsets
        self.mean_and_std: tuple[float, float] | None = None

    def prepare(self, stack: Iterable[np.ndarray]) -> None:
        """Measure the whole stack once, if that is what its slices are normalised by."""
        if self.preprocessing.intensity == "volume_zscore":
            self.mean_and_std = _mean_and_std(stack)

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        """Return probabilities (x, y, Z) in the middle of planes (X, Y, Z); NaN is no image.

        Planes of the cord alone come on its scale, without NaN.
        """
        batch = np.empty((planes.shape[2], 1, *planes.shape[:2]), np.float32)
        on_scale = self.preprocessing.intensity == "cord"
        for k, plane in enumerate(np.moveaxis(planes, 2, 0)):
            batch[k, 0] = plane if on_scale else _normalised(plane, self.mean_and_std)
        with torch.inference_mode():
            tensor = torch.from_numpy(batch).to(self.device)
            tensor = tensor.contiguous(memory_format=torch.channels_last)
            mean = torch.zeros(())
            for offset in self.offsets:
                mean = mean + self._symmetric(tensor + offset) / len(self.offsets)
        return np.moveaxis(mean[:, 0].float().cpu().numpy(), 0, 2)

    def _symmetric(self, x: torch.Tensor) -> torch.Tensor:
        # A section is as good as its mirror image; the mean of both is steadier than either.
        mirrored = torch.sigmoid(self._logits(x.flip(2))).flip(2)
        return (torch.sigmoid(self._logits(x)) + mirrored) / 2

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        spacing, size = self.preprocessing.spacing_mm[0], x.shape[2]
        if not isinstance(self.network, ASPP) or spacing is None or x.shape[3] != size:
            return self.network.logits(x)
        margin = max(0, size - round(_WINDOW_MM / spacing)) // 2
        return self.network.central_logits(x, size - 2 * margin)


class _Slices:
    """The slices that the curve crosses, cut out around it a few at a time."""

    def __init__(
        self,
        image: sitk.Image,
        centerline: Centerline,
        preprocessing: Preprocessing,
        cord: NDArray[Any] | None,
    ) -> None:
        self.cord = cord if preprocessing.intensity == "cord" else None
        self.volume = network_view(sitk.GetArrayViewFromImage(image), image)
        # The view is of the image's own memory: keep it.
        self.image = image
        geometry = network_slices(image)
        self.spacing = geometry.GetSpacing()
        x, y = (
            wanted or own
            for wanted, own in zip(preprocessing.spacing_mm[:2], self.spacing[:2], strict=True)
        )
        self.fine = (x, y, self.spacing[2])
        self.width = preprocessing.patch_voxels[:2]
        self.content = _content(self.volume)
        self.curve = centerline.in_slices(geometry)
        crossed = np.flatnonzero(np.isfinite(self.curve).all(axis=1))
        low, high = self.content[2].start, self.content[2].stop
        self.crossed = crossed[(crossed >= low) & (crossed < high)]
        if self.crossed.size == 0:
            raise CordNotFound(
                "the centerline does not cross the image",
                "check that both belong together and that the centerline is in LPS millimetres",
            )

    def blocks(self) -> Iterator[tuple[Box, StraightBlock]]:
        """Give where a few slices lie in network order, and what is around the curve there."""
        x, y, _ = self.content
        for first in range(0, self.crossed.size, _BATCH):
            rows = self.crossed[first : first + _BATCH]
            where = (x, y, slice(int(rows[0]), int(rows[-1]) + 1))
            curve = self.curve[where[2]] - (x.start, y.start)
            block = straighten(self.volume[where], self.spacing, curve, self.fine, self.width)
            if self.cord is not None:
                block = block_of_cord(block, self.cord[where], curve, 1, fluid_up=False)
            yield where, block

    def fraction_before(self, where: Box) -> float:
        """Return how much of the work lies before some slices, 0 to 1."""
        return float(np.searchsorted(self.crossed, where[2].start)) / self.crossed.size


def _content(volume: NDArray[Any]) -> Box:
    """Return the box without padding, as ``field_of_view.crop_to_content`` finds it."""
    padding = volume[0, 0, 0]
    used = [np.zeros(count, bool) for count in volume.shape]
    for k in range(volume.shape[2]):
        other = volume[:, :, k] != padding
        used[0] |= other.any(axis=1)
        used[1] |= other.any(axis=0)
        used[2][k] = other.any()
    if not used[2].any():
        return slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(0, volume.shape[2])
    x, y, z = (np.flatnonzero(axis)[[0, -1]] for axis in used)
    return (
        slice(int(x[0]), int(x[1]) + 1),
        slice(int(y[0]), int(y[1]) + 1),
        slice(int(z[0]), int(z[1]) + 1),
    )


def _mean_and_std(stack: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return mean and standard deviation of all that is image in a stack read block by block."""
    count, mean, squares = 0, 0.0, 0.0
    for values in stack:
        inside = values[np.isfinite(values)].astype(np.float64)
        if inside.size == 0:
            continue
        # Chan's update: the sums of squares of raw intensities would lose digits.
        step = float(inside.mean()) - mean
        total = count + inside.size
        squares += float(inside.var()) * inside.size + step**2 * count * inside.size / total
        mean += step * inside.size / total
        count = total
    return mean, float(np.sqrt(squares / max(count, 1)))


def _normalised(plane: np.ndarray, mean_and_std: tuple[float, float] | None) -> np.ndarray:
    """Return a plane with mean 0 and standard deviation 1, and 0 where there is no image.

    A constant plane becomes 0.
    """
    seen = np.isfinite(plane)
    if not seen.any():
        return np.zeros(plane.shape, np.float32)
    if mean_and_std is None:
        inside = plane[seen]
        mean_and_std = float(inside.mean()), float(inside.std())
    mean, deviation = mean_and_std
    scaled = (plane - mean) / (deviation or 1.0)
    return np.where(seen, scaled, 0).astype(np.float32)


def _with_threshold_at_half(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Return the probabilities with the odds of the threshold made even.

    A threshold far from a half, such as the published 0.999, does not survive averaging: one pixel
    of 0.99 would undo a voxel full of gray matter. After this change of scale, averages can be
    compared with a half.
    """
    inside = probability * (1 - threshold)
    return inside / (inside + (1 - probability) * threshold)


def _onto_slices(fine: np.ndarray, block: StraightBlock, where: Box) -> np.ndarray:
    """Return the mean of fine values over each voxel of the slices; 0 beyond them."""
    ratio = [block.image_spacing_mm[axis] / block.spacing_mm[axis] for axis in (0, 1)]
    sigma = [0.5 * np.sqrt(max(r**2 - 1, 0.0)) for r in ratio]
    averaged = ndimage.gaussian_filter(fine, (*sigma, 0), mode="nearest")
    return unstraighten(block, averaged, [side.stop - side.start for side in where])


def _stored(mask: sitk.Image, image: sitk.Image) -> NDArray[Any]:
    """Return the voxels of a mask as stored, having checked that they are those of the image."""
    if mask.GetSize() != image.GetSize() or not np.allclose(
        mask.GetDirection(), image.GetDirection(), atol=1e-3
    ):
        raise InvalidArgument(
            f"the mask, {mask.GetSize()} voxels, is not on the grid of its image, "
            f"{image.GetSize()} voxels",
            "give a mask of this very image",
        )
    return sitk.GetArrayViewFromImage(mask)


def _empty(image: sitk.Image, pixel_type: int) -> sitk.Image:
    empty = sitk.Image(image.GetSize(), pixel_type)
    empty.CopyInformation(image)
    return empty
