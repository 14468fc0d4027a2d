# SPDX-License-Identifier: Apache-2.0
"""A network over a block longer than its patch: overlapping windows blended, or slice by slice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..intensity import zero_mean_unit_variance
from ..networks import Network, memory_layout

_BATCH = 2
_SLICES = 16
_FEWEST_ROWS = 16


def predict_along(
    values: np.ndarray,
    network: Network,
    length: int,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
    normalise: Callable[[np.ndarray], np.ndarray] = zero_mean_unit_variance,
    message: str = "outlining the cord",
    mirrored: bool = True,
) -> np.ndarray:
    """Return the network's probabilities on a block.

    Parameters
    ----------
    values : ndarray of float32, (X, Y, Z)
        NaN outside the image. X and Y must be multiples of the network's stride.
    length : int
        Of a window along Z, a multiple of the network's stride. Windows overlap by a quarter and
        are blended there with weights that fall to the windows' ends, where the network sees least.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the prediction.
    normalise : callable
        From a window with NaN outside the image to the network's input, as in training.
    message : str
        What progress is told.
    mirrored : bool
        Average with what the network makes of the mirror image: steadier, and twice the time.

    Returns
    -------
    ndarray of float32, (X, Y, Z)
        Probabilities, 0 outside the image.
    """
    rows = values.shape[2]
    # A lone thick slice would leave the window empty: let its ends repeat a little.
    margin = max(0, _FEWEST_ROWS - rows + 1) // 2
    padded = np.pad(values, ((0, 0), (0, 0), (margin, margin)), mode="edge")
    starts = _window_starts(padded.shape[2], length)
    shortage = max(0, starts[-1] + length - padded.shape[2])
    padded = np.pad(padded, ((0, 0), (0, 0), (0, shortage)), constant_values=np.nan)

    total = np.zeros(padded.shape, np.float32)
    weights = np.zeros(padded.shape[2], np.float32)
    fade = _fade(length)
    for first in range(0, len(starts), _BATCH):
        if progress:
            progress(first / len(starts), message)
        chosen = starts[first : first + _BATCH]
        batch = np.stack([normalise(padded[:, :, s : s + length]) for s in chosen])
        probabilities = _run(network, batch, device, mirrored)
        for start, probability in zip(chosen, probabilities, strict=True):
            total[:, :, start : start + length] += probability * fade
            weights[start : start + length] += fade
    blended = total / np.maximum(weights, 1e-6)
    blended[~np.isfinite(padded)] = 0
    return blended[:, :, margin : margin + rows]


def predict_slices(
    values: np.ndarray,
    network: Network,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
    normalise: Callable[[np.ndarray], np.ndarray] = zero_mean_unit_variance,
    message: str = "outlining the cord",
) -> np.ndarray:
    """Return the probabilities of a 2D network on the slices of a block.

    Parameters and result are those of :func:`predict_along`.
    """
    probability = np.zeros(values.shape, np.float32)
    for first in range(0, values.shape[2], _SLICES):
        if progress:
            progress(first / values.shape[2], message)
        planes = np.moveaxis(values[:, :, first : first + _SLICES], 2, 0)
        found = _run(network, np.stack([normalise(plane) for plane in planes]), device)
        probability[:, :, first : first + _SLICES] = np.moveaxis(found, 0, 2)
    probability[~np.isfinite(values)] = 0
    return probability


def _window_starts(rows: int, length: int) -> list[int]:
    if rows <= length:
        return [0]
    # To overlap by half takes half as long again and gives the same Dice on the development scans.
    count = int(np.ceil((rows - length) / (0.75 * length))) + 1
    return [round(float(s)) for s in np.linspace(0, rows - length, count)]


def _fade(length: int) -> np.ndarray:
    distance = np.minimum(np.arange(length) + 1, length - np.arange(length))
    return np.minimum(1, distance / (length / 4)).astype(np.float32)


def _run(network: Network, batch: np.ndarray, device: str, mirrored: bool = True) -> np.ndarray:
    with torch.inference_mode():
        tensor = torch.from_numpy(batch)[:, None].to(device)
        tensor = tensor.contiguous(memory_format=memory_layout(network))
        output = network(tensor)
        if mirrored:
            # A cord is as good as its mirror image; the mean of both is steadier than either.
            output = (output + network(tensor.flip(2)).flip(2)) / 2
    return output[:, 0].float().cpu().numpy()
