# SPDX-License-Identifier: Apache-2.0
"""A 3D network over a block longer than its patch: overlapping windows, blended."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..networks import Network

_BATCH = 2
_FEWEST_ROWS = 16


def zero_mean_unit_variance(window: np.ndarray) -> np.ndarray:
    """Normalise a window over the part of it that lies in the image; elsewhere it becomes 0.

    Parameters
    ----------
    window : ndarray, (X, Y, Z)
        NaN outside the image.
    """
    seen = np.isfinite(window)
    if not seen.any():
        return np.zeros(window.shape, np.float32)
    inside = window[seen]
    normalised = (window - inside.mean()) / (inside.std() + 1e-5)
    return np.where(seen, normalised, 0).astype(np.float32)


def predict_along(
    values: np.ndarray,
    network: Network,
    length: int,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
    normalise: Callable[[np.ndarray], np.ndarray] = zero_mean_unit_variance,
    message: str = "outlining the cord",
) -> np.ndarray:
    """Return the network's probabilities on a block.

    Parameters
    ----------
    values : ndarray of float32, (X, Y, Z)
        NaN outside the image. X and Y must be multiples of the network's stride.
    length : int
        Of a window along Z, a multiple of the network's stride. Windows overlap by half and are
        blended with weights that fall to the windows' ends, where the network sees least.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the prediction.
    normalise : callable
        From a window with NaN outside the image to the network's input, as in training.
    message : str
        What progress is told.

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
        probabilities = _run(network, batch, device)
        for start, probability in zip(chosen, probabilities, strict=True):
            total[:, :, start : start + length] += probability * fade
            weights[start : start + length] += fade
    blended = total / np.maximum(weights, 1e-6)
    blended[~np.isfinite(padded)] = 0
    return blended[:, :, margin : margin + rows]


def _window_starts(rows: int, length: int) -> list[int]:
    if rows <= length:
        return [0]
    count = int(np.ceil((rows - length) / (length / 2))) + 1
    return [round(float(s)) for s in np.linspace(0, rows - length, count)]


def _fade(length: int) -> np.ndarray:
    distance = np.minimum(np.arange(length) + 1, length - np.arange(length))
    return np.minimum(1, distance / (length / 4)).astype(np.float32)


def _run(network: Network, batch: np.ndarray, device: str) -> np.ndarray:
    with torch.inference_mode():
        tensor = torch.from_numpy(batch)[:, None].to(device)
        tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
        # A cord is as good as its mirror image; the mean of both is steadier than either.
        output = (network(tensor) + network(tensor.flip(2)).flip(2)) / 2
    return output[:, 0].float().cpu().numpy()
