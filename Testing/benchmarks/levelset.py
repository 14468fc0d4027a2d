# SPDX-License-Identifier: Apache-2.0
"""What the level sets cost: all slices in one batch against one slice after the other in NumPy.

    python Testing/benchmarks/levelset.py

Both compute the same equations on the same 64 x 64 crops of the sample phantom's cord, on one
thread. Writes ``Testing/benchmarks/levelset.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

# Before NumPy and torch are loaded: both sides on one thread.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage

from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.levelset.crops import crops_around, sample
from SpinalCordSegLib.levelset.edges import box_blur, edge_indicator, gray_levels
from SpinalCordSegLib.levelset.grlse import grlse
from SpinalCordSegLib.levelset.initialisation import inscribed_circle
from SpinalCordSegLib.levelset.refine import PIXEL_MM, refine

FOLDER = Path(__file__).resolve().parent
SAMPLE = FOLDER.parents[1] / "Resources" / "sample"
SIDE, SLICES, REPEATS = 64, 50, 5
OUTER, INNER = 25, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    torch.set_num_threads(1)
    text = report()
    (FOLDER / "levelset.md").write_text(text, encoding="utf-8")
    print(text)


def report() -> str:
    """Measure everything and return the page."""
    gray, start = crops(SLICES)
    plain, contours = timed(lambda: plain_volume(gray, start))
    lines = [
        "# What the level sets cost",
        "",
        "Made by `python Testing/benchmarks/levelset.py`. GRLSE, 25 times 5 steps with the paper's",
        f"forces, {SLICES} crops of {SIDE} x {SIDE} pixels of the sample phantom from a circle of",
        f"half the cord's width; one thread of {platform.machine()}, shortest of {REPEATS} runs",
        f"(load of the machine meanwhile: {os.getloadavg()[0]:.1f}).",
        "",
        "| | s | times faster | Dice with the plain version, worst slice |",
        "|---|---|---|---|",
        f"| plain NumPy, slice by slice, float64 | {plain:.2f} | 1 | 1 |",
    ]
    for until_rest, name in ((False, "one batch, all 125 steps"), (True, "one batch, until rest")):
        seconds, phi = timed(lambda rest=until_rest: batch(gray, start, rest))
        worst = min(overlap(a, b) for a, b in zip(phi < 0, contours < 0, strict=True))
        lines.append(f"| {name} | {seconds:.2f} | {plain / seconds:.1f} | {worst:.3f} |")
    lines += [
        "",
        "## `scs.refine` on long volumes",
        "",
        "The phantom repeated; seconds and the growth of resident memory, Linux.",
        "",
        "| slices | s | MB more than before |",
        "|---|---|---|",
    ]
    for slices in (50, 500, 1000):
        image, mask = repeated(slices)
        before, begun = peak_megabytes(), time.perf_counter()
        refine(image, mask, device="cpu")
        lines.append(
            f"| {slices} | {time.perf_counter() - begun:.1f} | {peak_megabytes() - before:.0f} |"
        )
    return "\n".join([*lines, ""])


def batch(
    gray: NDArray[np.float32], start: NDArray[np.float32], until_rest: bool
) -> NDArray[np.float32]:
    """Return level set functions (N, H, W) of the library."""
    return grlse(gray, start, outer=OUTER, inner=INNER, until_rest=until_rest).phi.numpy()


def plain_volume(gray: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return level set functions (N, H, W), one slice after the other."""
    return np.stack([plain_grlse(g, p) for g, p in zip(gray, start, strict=True)])


def plain_grlse(
    gray: NDArray[np.float32],
    start: NDArray[np.float32],
    mu: float = 0.2,
    lam: float = 4.0,
    alpha: float = -9.0,
    epsilon: float = 2.0,
    threshold: float = 50.0,
) -> NDArray[np.float64]:
    """Return the level set function (H, W) as the equations are read, in NumPy."""
    edges = edge_indicator(gray[None])[0].astype(np.float64)
    phi = start.astype(np.float64)
    for _ in range(OUTER):
        for _ in range(INNER):
            phi = plain_step(phi, edges, mu, lam, alpha, epsilon)
        inside = phi < 0
        if inside.any():
            mode = np.bincount(gray[inside].astype(int), minlength=256).argmax()
            phi = np.where(inside & (gray >= mode + threshold), -phi, phi)
    return phi


def plain_step(
    phi: NDArray[np.float64],
    edges: NDArray[np.float64],
    mu: float,
    lam: float,
    alpha: float,
    epsilon: float,
) -> NDArray[np.float64]:
    """Return the level set function after one step of equation 15."""
    phi = np.pad(phi[1:-1, 1:-1], 1, mode="reflect")
    down, right = np.gradient(phi)
    slope = np.hypot(down, right)
    normal = down / (slope + 1e-10), right / (slope + 1e-10)
    well = np.where(slope <= 1, np.sin(2 * np.pi * slope) / (2 * np.pi), slope - 1)
    factor = np.where(slope == 0, 1, well / np.where(slope == 0, 1, slope)) - 1
    distance = divergence(factor * down, factor * right) + ndimage.laplace(phi, mode="nearest")
    delta = np.where(np.abs(phi) <= epsilon, (1 + np.cos(np.pi * phi / epsilon)) / (2 * epsilon), 0)
    edge = delta * divergence(edges * normal[0], edges * normal[1])
    return phi + mu * distance + lam * edge + alpha * delta * edges


def divergence(down: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the divergence of a field."""
    return np.gradient(down, axis=0) + np.gradient(right, axis=1)


def crops(slices: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return gray levels and initial circles of 64 x 64 pixels, (N, H, W)."""
    image, mask = (to_network_order(each) for each in phantom())
    inside = array_from(mask) != 0
    rows = np.flatnonzero(inside.any(axis=(0, 1)))
    rows = rows[np.linspace(0, len(rows) - 1, slices).astype(int)]
    where = crops_around(inside, rows, image.GetSpacing()[:2], PIXEL_MM, 0.0)
    where = type(where)(where.rows, where.centres, where.step, SIDE)
    gray = box_blur(gray_levels(sample(array_from(image), where).numpy()))
    circles = inscribed_circle(sample(inside.astype(np.float32), where).numpy() > 0.5, 0.5)
    return gray, circles


def phantom() -> tuple[sitk.Image, sitk.Image]:
    """Return the sample scan and its cord."""
    image, mask = (
        sitk.ReadImage(str(SAMPLE / f"phantom_t2w{suffix}.nii.gz")) for suffix in ("", "_cord")
    )
    return image, mask


def repeated(slices: int) -> tuple[sitk.Image, sitk.Image]:
    """Return the phantom's slices that have cord, over and over, and their mask."""
    image, mask = (sitk.GetArrayFromImage(to_network_order(each)) for each in phantom())
    rows = np.resize(np.flatnonzero(mask.any(axis=(1, 2))), slices)
    volumes = [sitk.GetImageFromArray(each[rows]) for each in (image, mask)]
    for volume in volumes:
        volume.SetSpacing(to_network_order(phantom()[0]).GetSpacing())
        volume.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    return volumes[0], volumes[1]


def timed(run: Callable[[], NDArray]) -> tuple[float, NDArray]:
    """Return the shortest time of several runs, seconds, and what they gave."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), result


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient; 1 where both are empty."""
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


def peak_megabytes() -> float:
    """Return the most memory that this process has had resident."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
