# SPDX-License-Identifier: Apache-2.0
"""Draw where DRLSE leaks and GRLSE does not (after Zhang 2021, figure 4).

    python Testing/evaluation/levelset_leak.py

writes ``Resources/figures/grlse_leak.png``. The phantom is a dark disc in bright surroundings whose
edge is sharp but for a sixth of its circumference, where it is a slow ramp.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from SpinalCordSegLib.levelset.drlse import drlse
from SpinalCordSegLib.levelset.edges import box_blur, edge_indicator
from SpinalCordSegLib.levelset.grlse import grlse
from SpinalCordSegLib.levelset.initialisation import binary_step

FIGURE = Path(__file__).resolve().parents[2] / "Resources" / "figures" / "grlse_leak.png"
SIZE, RADIUS = 80, 16.0
DARK, BRIGHT = 70.0, 190.0
OUTER = 100
_SCALE = 4
_GREEN, _ORANGE = (90, 200, 90), (40, 140, 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FIGURE)
    arguments = parser.parse_args()
    image, disc = leaking_phantom()
    pictures = [
        panel(image, disc, evolved, f"{name}, {steps} steps")
        for name, steps, evolved in evolutions(image)
    ]
    gap = np.full((pictures[0].shape[0], 6, 3), 255, np.uint8)
    row = np.hstack([part for picture in pictures for part in (gap, picture)][1:])
    cv2.imwrite(str(arguments.output), row, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(arguments.output)


def leaking_phantom() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a slice (H, W), 0 to 255, whose disc has an edge that is open to one side; the disc.

    Where it is open, the gray level rises over 24 pixels instead of 3, centred on the outline.
    """
    down, right = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    radius, angle = np.hypot(down, right), np.arctan2(down, right)
    opened = np.exp(-((angle / 0.5) ** 4))
    width = 3 + 21 * opened
    share = np.clip((radius - RADIUS) / width + 0.5, 0, 1)
    image = DARK + (BRIGHT - DARK) * share
    noisy = image + np.random.default_rng(0).normal(0, 5.0, image.shape)
    return box_blur(np.clip(noisy, 0, 255)[None])[0], radius <= RADIUS


def start() -> NDArray[np.float32]:
    """Return a circle of half the disc's radius as a step, (1, H, W)."""
    down, right = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    return binary_step(np.hypot(down, right) <= RADIUS / 2)[None]


def evolutions(image: NDArray[np.float32]) -> list[tuple[str, int, NDArray[np.bool_]]]:
    """Return what the two methods come to: name, steps, inside (H, W)."""
    settings = {"outer": OUTER, "until_rest": False}
    edges = edge_indicator(image[None])
    leaked = drlse(edges, start(), **settings)
    held = grlse(torch.from_numpy(image[None]), start(), anchored=True, **settings)
    steps = OUTER * 5
    return [
        ("DRLSE", steps, (leaked.phi[0] < 0).numpy()),
        ("GRLSE", steps, (held.phi[0] < 0).numpy()),
    ]


def panel(
    image: NDArray[np.float32],
    disc: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    title: str,
) -> NDArray[np.uint8]:
    """Return a picture of the slice, the disc's outline in green, the contour in orange."""
    size = (SIZE * _SCALE, SIZE * _SCALE)
    gray = cv2.resize(np.clip(image, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    for mask, colour in ((disc, _GREEN), (inside, _ORANGE)):
        large = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        found, _ = cv2.findContours(large.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, found, -1, colour, 2, cv2.LINE_AA)
    cv2.putText(
        picture, title, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA
    )
    return picture


if __name__ == "__main__":
    main()
