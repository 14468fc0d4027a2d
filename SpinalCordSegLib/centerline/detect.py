# SPDX-License-Identifier: Apache-2.0
"""Finding the cord: CNN1 on axial slices, distance map, OptiC (Gros 2019, section 2.2.2).

Two passes spend little. The first looks at whole slices, but only every few millimetres, and
gives a coarse curve; the second looks at a small tile around that curve on the slices between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..errors import CordNotFound
from ..field_of_view import crop_to_content
from ..heaviest_run import heaviest_run
from ..images import array_from, to_network_order
from ..weights import LoadedWeights
from .curve import Centerline
from .heatmap import CordHeatmap
from .optic import optimal_path
from .smoothing import smooth_curve

# OptiC's slope weight was tuned on distance maps counted in voxels of this size.
_EVIDENCE_UNIT_MM = 0.5

_COARSE_STEP_MM = 6.0
_FINE_STEP_MM = 2.0

# Evidence further than this from the main run, along the cord, is another organ's, and so is what
# lies beyond a gap more than five times as long as itself: in lumbar scans specks of the roots.
_LONGEST_GAP_MM = 40.0
_GAP_COST = 0.2

# How far the curve is drawn past the last slice with evidence: the network often misses the
# first and last slices of a field of view that the cord crosses.
_EXTENSION_MM = 15.0


@dataclass(frozen=True)
class Detection:
    """What CNN1 and OptiC found.

    Attributes
    ----------
    centerline : Centerline
    slices : ndarray of int, (N,)
        Axial slices of the image in network order that were looked at closely.
    evidence : ndarray of float, (N,)
        CNN1's highest probability near the curve on each of them, 0 to 1.
    """

    centerline: Centerline
    slices: np.ndarray
    evidence: np.ndarray


def detect_cord(
    image: sitk.Image,
    weights: LoadedWeights,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> Detection:
    """Find the cord's centerline.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    weights : LoadedWeights
        A centerline network and its preprocessing.
    device : str
        Torch device.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the detection.

    Raises
    ------
    CordNotFound
        If no slice shows a cord.
    """
    ordered = crop_to_content(to_network_order(image))
    volume = array_from(ordered)
    spacing = ordered.GetSpacing()
    look = CordHeatmap(volume, spacing, weights, device)

    slices = _every(volume.shape[2], _COARSE_STEP_MM / spacing[2])
    heat = look.at_whole_slices(slices, _between(progress, 0.0, 0.6))
    if not (heat >= weights.specification.threshold).any():
        raise CordNotFound(
            "no spinal cord was found in the image",
            "check that it shows the spine, or give its centerline with --centerline",
        )
    coarse = best_path(heat, look.spacing_mm, slices * spacing[2], look.threshold)

    slices = _every(volume.shape[2], _FINE_STEP_MM / spacing[2])
    around = _interpolate(coarse, _every(volume.shape[2], _COARSE_STEP_MM / spacing[2]), slices)
    heat, origin = look.at_tiles(slices, around, _between(progress, 0.6, 1.0))
    path = best_path(heat, look.spacing_mm, slices * spacing[2], look.threshold)
    centre, evidence = _centres(heat, path, look.threshold)
    centre += origin

    kept = _main_run(evidence >= look.threshold, evidence, slices * spacing[2])
    if not kept.any():
        raise CordNotFound(
            "no spinal cord was found in the image",
            "check that it shows the spine, or give its centerline with --centerline",
        )
    index = look.to_image_index(centre)
    centerline = _curve(ordered, slices, index, np.where(kept, evidence, 0.0))
    return Detection(centerline, slices, evidence)


def distance_map(
    probability: np.ndarray, threshold: float, spacing_mm: Sequence[float]
) -> np.ndarray:
    """Return how deep each pixel lies inside the detected cord, slice by slice.

    Parameters
    ----------
    probability : ndarray, (X, Y, Z)
    threshold : float
        Probabilities below it count as background.
    spacing_mm : (x, y)

    Returns
    -------
    ndarray of float32, (X, Y, Z)
        Euclidean distance to the background in half millimetres: 0 outside, about 8 on the axis
        of a cord. OptiC's evidence (Gros 2019, section 2.2.2).
    """
    inside = probability >= threshold
    depth = np.zeros(probability.shape, np.float32)
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        depth[:, :, k] = ndimage.distance_transform_edt(inside[:, :, k], sampling=spacing_mm[:2])
    return depth / _EVIDENCE_UNIT_MM


def best_path(
    heat: np.ndarray, spacing_mm: Sequence[float], height_mm: np.ndarray, threshold: float
) -> np.ndarray:
    """Return OptiC's path through a heat map.

    Parameters
    ----------
    heat : ndarray, (X, Y, Z)
        Probability of cord.
    spacing_mm : (x, y)
    height_mm : ndarray of float, (Z,)
        Where the slices lie along the cord.
    threshold : float
        Probabilities below it count as background.

    Returns
    -------
    ndarray of int, (Z, 2)
        Pixels; the middle of every slice where no probability reaches the threshold.
    """
    # No best path leaves the box around the evidence: it would only grow steeper.
    x, y = (np.flatnonzero((heat >= threshold).any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if x.size == 0:
        return np.repeat([np.array(heat.shape[:2]) // 2], heat.shape[2], axis=0)
    low = np.maximum((x[0] - 1, y[0] - 1), 0)
    boxed = heat[low[0] : x[-1] + 2, low[1] : y[-1] + 2]
    evidence = distance_map(boxed, threshold, spacing_mm)
    gaps = np.diff(height_mm)
    return optimal_path(evidence, (spacing_mm[0], spacing_mm[1], gaps)) + low


def _every(count: int, step: float) -> np.ndarray:
    """Return indices 0 … count - 1 about `step` apart, the first and the last among them."""
    steps = max(1, int(np.ceil((count - 1) / max(step, 1.0))))
    return np.unique(np.rint(np.linspace(0, count - 1, steps + 1)).astype(int))


def _between(
    progress: Callable[[float, str], None] | None, low: float, high: float
) -> Callable[[float, str], None] | None:
    if progress is None:
        return None
    return lambda fraction, message: progress(low + fraction * (high - low), message)


def _interpolate(path: np.ndarray, at: np.ndarray, slices: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(slices, at, path[:, axis]) for axis in range(2)], axis=1)


def _centres(heat: np.ndarray, path: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the sub-pixel centre of the cord that the path crosses, and its probability.

    On slices where the path crosses no cord the centre is the path itself and the evidence is
    the probability there.
    """
    centres = path.astype(float)
    evidence = np.zeros(len(path))
    for k, (x, y) in enumerate(path):
        evidence[k] = heat[x, y, k]
        objects, _ = ndimage.label(heat[:, :, k] >= threshold)
        if objects[x, y]:
            inside = objects == objects[x, y]
            centres[k] = ndimage.center_of_mass(heat[:, :, k] * inside)
            evidence[k] = heat[:, :, k][inside].max()
    return centres, evidence


def _main_run(found: np.ndarray, evidence: np.ndarray, height_mm: np.ndarray) -> np.ndarray:
    """Return which slices belong to the run with most evidence, short gaps bridged.

    Slices are evenly spaced.
    """
    stretch = heaviest_run(np.where(found, 1.0, -_GAP_COST))
    if stretch is None:
        return found
    indices = stretch[0] + np.flatnonzero(found[stretch[0] : stretch[1] + 1])
    breaks = np.flatnonzero(np.diff(height_mm[indices]) > _LONGEST_GAP_MM) + 1
    runs = np.split(indices, breaks)
    best = max(runs, key=lambda run: float(evidence[run].sum()))
    kept = np.zeros(found.size, bool)
    kept[best] = True
    return kept


def _curve(
    ordered: sitk.Image, slices: np.ndarray, index: np.ndarray, weight: np.ndarray
) -> Centerline:
    """Return the smooth curve through the slices with evidence, drawn a little past its ends."""
    spacing = np.array(ordered.GetSpacing())
    known = np.flatnonzero(weight > 0)
    reach = round(_EXTENSION_MM / float(spacing[2]))
    first = max(0, slices[known[0]] - reach)
    last = min(ordered.GetSize()[2] - 1, slices[known[-1]] + reach)
    inner = np.arange(first, last + 1)
    smooth = smooth_curve(
        np.column_stack([index * spacing[:2], slices * spacing[2]]), weight, inner * spacing[2]
    )
    points = [
        ordered.TransformContinuousIndexToPhysicalPoint([float(v) for v in row])
        for row in smooth / spacing
    ]
    return Centerline(np.array(points))
