# SPDX-License-Identifier: Apache-2.0
"""Moving the outline of a mask onto the edges of the image, slice by slice, all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..device import choose_device
from ..errors import InvalidArgument, InvalidImage
from ..images import array_from, check_image, image_from, restore_grid, to_network_order
from ..measurement.review import ReviewItem
from ..network_order import stored_slices
from . import REFINEMENTS
from .crops import Crops, crops_around, paste, sample
from .drlse import Forces, drlse
from .edges import box_blur, edge_indicator, gray_levels, relative_edge_indicator, slope
from .grlse import grlse
from .initialisation import core, fill_holes, largest_pieces
from .safety import DOUBTFUL, Reason, is_darker, judge

# Pixel size of the crops. Finer, edges get too wide for the paper's forces; coarser, the cord gets
# too small. At 0.7 mm the contours end 0.02 to 0.05 Dice lower.
PIXEL_MM = 0.5
# Of the gray levels' surroundings and of the way a contour may go.
MARGIN_MM = 6.0
# Depth at which the contour starts, as a part of the mask's own: inside the cord even when the
# mask is a millimetre beside it or too large.
CORE = 0.5
# Levels over which the histogram of a cord of a few hundred pixels is averaged.
SMOOTHING = 9
# The mode does not stand for the cord if more of it would have to go.
MOST_REMOVED = 0.5
# Outer iterations in which the contour moves from the foot of the edge to its crest.
SETTLING = 5

_SEVERITY = 0.5
# Pixels of all crops that are in memory at once: a few hundred MB with everything made of them.
_PIXELS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class SliceOutcome:
    """What became of one slice.

    Attributes
    ----------
    slice_index : int
        Along the image's own axial axis, as in ``ReviewItem``.
    refined : bool
        Whether the level set's contour took the place of the mask's.
    reason : str
    """

    slice_index: int
    refined: bool
    reason: str


@dataclass(frozen=True)
class Refinement:
    """A refined mask on the image's own grid.

    Attributes
    ----------
    mask : SimpleITK.Image
        uint8, 0 and 1.
    outcomes : tuple of SliceOutcome
        One for each slice that was to be refined, upward along the cord.
    review : tuple of ReviewItem
        Slices that were left as they were because the level set failed on them.
    """

    mask: sitk.Image
    outcomes: tuple[SliceOutcome, ...]
    review: tuple[ReviewItem, ...]

    def summary(self) -> dict[str, int]:
        """Return how many slices met with each fate."""
        return dict(Counter(outcome.reason for outcome in self.outcomes))


def refine(
    image: sitk.Image,
    mask: sitk.Image,
    method: str = "grlse",
    slices: Collection[int] | None = None,
    device: str = "auto",
    progress: Callable[[float, str], None] | None = None,
) -> Refinement:
    """Move the outline of a cord mask onto the edges around it.

    On each axial slice a level set grows from the core of the mask, at a pixel size of 0.5 mm
    whatever that of the image is. Where it leaks, vanishes, or comes to no better an edge than the
    mask's own outline, the mask stays as it is there.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation. The cord may be darker or brighter than what is
        around it.
    mask : SimpleITK.Image
        On the same grid; every voxel other than 0 is cord.
    method : str
        ``grlse`` (Zhang 2021) or ``drlse`` (Li 2010).
    slices : collection of int, optional
        Indices along the image's own axial axis to refine; all that have some of the mask by
        default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the refinement.

    Returns
    -------
    Refinement

    Raises
    ------
    InvalidImage
        If the image is not usable, or the mask is empty or on another grid.
    InvalidArgument
        If there is no such method or device, or a slice is not in the image or has no mask.
    """
    if method not in REFINEMENTS:
        raise InvalidArgument(
            f"there is no refinement {method!r}", f"choose from {', '.join(REFINEMENTS)}"
        )
    device = choose_device(device)
    image = check_image(image)
    mask = check_image(mask, "the mask", allow_constant=True)
    _check_same_grid(image, mask)
    ordered = to_network_order(image)
    volume = array_from(ordered)
    before = array_from(to_network_order(mask)) != 0
    own = stored_slices(image)
    rows = _rows(before, own, slices)

    after = before.copy()
    spacing = ordered.GetSpacing()
    crops = crops_around(before, rows, spacing[:2], PIXEL_MM, MARGIN_MM)
    reasons: list[Reason] = []
    for chunk in _chunks(crops):
        if progress is not None:
            progress(len(reasons) / len(rows), "refining the outline")
        part = crops.part(chunk)
        phi, found = _refine_crops(volume, before, part, method, device)
        paste(after, phi, part, np.array([reason is Reason.REFINED for reason in found]))
        reasons += found
    if progress is not None:
        progress(1.0, "refining the outline")
    return Refinement(
        mask=restore_grid(image_from(after.astype(np.uint8), ordered), image),
        outcomes=tuple(
            SliceOutcome(int(own[row]), reason is Reason.REFINED, reason.value)
            for row, reason in zip(rows, reasons, strict=True)
        ),
        review=tuple(
            ReviewItem(
                int(own[row]), _middle(ordered, before[:, :, row], row), reason.value, _SEVERITY
            )
            for row, reason in zip(rows, reasons, strict=True)
            if reason in DOUBTFUL
        ),
    )


def evolve(
    gray: NDArray[np.float32],
    start: NDArray[np.float32],
    darker: NDArray[np.bool_],
    method: str = "grlse",
    device: str = "cpu",
    until_rest: bool = True,
) -> Tensor:
    """Evolve level set functions in crops of 0.5 mm pixels with this library's settings.

    A contour grows until it rests, which is at the foot of the edge, and then settles on its crest
    without growing any more (as Li 2010, section V, ends its examples).

    Parameters
    ----------
    gray : ndarray, (N, S, S)
        Gray levels, 0 to 255.
    start : ndarray, (N, S, S)
        Initial level set functions, negative inside.
    darker : ndarray of bool, (N,)
        Whether the cord is darker than its surroundings.
    method : str
        One of ``REFINEMENTS``.
    device : str
    until_rest : bool
        Let slices whose contour rests leave the batch.

    Returns
    -------
    Tensor of float32, (N, S, S)
        On the CPU.
    """
    edges = torch.from_numpy(edge_indicator(gray)).to(device)
    if method == "drlse":
        grown = drlse(edges, start, until_rest=until_rest).phi
    else:
        grown = grlse(
            torch.from_numpy(gray).to(device),
            start,
            edges=edges,
            darker=darker,
            smoothing=SMOOTHING,
            most_removed=MOST_REMOVED,
            anchored=True,
            until_rest=until_rest,
        ).phi
    crests = relative_edge_indicator(slope(gray), grown.cpu().numpy())
    return drlse(
        torch.from_numpy(crests).to(device),
        grown,
        outer=SETTLING,
        forces=Forces(alpha=0.0),
        until_rest=until_rest,
    ).phi.cpu()


def _refine_crops(
    volume: NDArray[np.generic],
    mask: NDArray[np.bool_],
    crops: Crops,
    method: str,
    device: str,
) -> tuple[Tensor, list[Reason]]:
    """Return level set functions (N, S, S) of the crops and what to do with them."""
    gray = box_blur(gray_levels(sample(volume, crops).numpy()))
    inside = sample(mask.astype(np.float32), crops).numpy() > 0.5
    darker = is_darker(gray, inside, PIXEL_MM)
    phi = evolve(gray, core(inside, CORE), darker, method, device)
    evolved = largest_pieces(fill_holes(phi.numpy() < 0))
    return _with_inside(phi, evolved), judge(gray, slope(gray), inside, evolved, PIXEL_MM)


def _with_inside(phi: Tensor, inside: NDArray[np.bool_]) -> Tensor:
    """Return level set functions that are negative in `inside` alone."""
    length = phi.abs().clamp(min=1e-3)
    return torch.where(torch.from_numpy(inside), -length, length)


def _rows(
    mask: NDArray[np.bool_], own: NDArray[np.int64], slices: Collection[int] | None
) -> NDArray[np.int64]:
    """Return the slices to refine, in network order."""
    present = np.asarray(mask.any(axis=(0, 1)))
    if not present.any():
        raise InvalidImage("the mask is empty", "give a mask of the cord, or segment it first")
    if slices is None:
        return np.flatnonzero(present)
    row_of = {int(index): row for row, index in enumerate(own)}
    for index in slices:
        if index not in row_of:
            raise InvalidArgument(
                f"the image has no slice {index}",
                f"its axial slices are {min(row_of)} to {max(row_of)}",
            )
        if not present[row_of[index]]:
            raise InvalidArgument(
                f"the mask is empty on slice {index}", "leave that slice out of the list"
            )
    if not slices:
        raise InvalidArgument("no slice was given", "name at least one, or leave the list out")
    return np.array(sorted({row_of[index] for index in slices}), np.int64)


def _check_same_grid(image: sitk.Image, mask: sitk.Image) -> None:
    same = image.GetSize() == mask.GetSize() and all(
        np.allclose(ours, theirs, atol=1e-3)
        for ours, theirs in (
            (image.GetSpacing(), mask.GetSpacing()),
            (image.GetOrigin(), mask.GetOrigin()),
            (image.GetDirection(), mask.GetDirection()),
        )
    )
    if not same:
        raise InvalidImage(
            "the mask lies on another grid than the image",
            "give a mask of the same image, or resample it to the image's grid",
        )


def _chunks(crops: Crops) -> Iterator[slice]:
    size = max(1, _PIXELS_AT_ONCE // crops.size**2)
    for first in range(0, len(crops.rows), size):
        yield slice(first, min(first + size, len(crops.rows)))


def _middle(ordered: sitk.Image, mask: NDArray[np.bool_], row: int) -> tuple[float, float, float]:
    x, y = np.argwhere(mask).mean(axis=0)
    return ordered.TransformContinuousIndexToPhysicalPoint([float(x), float(y), float(row)])
