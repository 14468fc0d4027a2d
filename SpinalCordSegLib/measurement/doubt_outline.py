# SPDX-License-Identifier: Apache-2.0
"""Signs of a wrong outline in the outline itself and in the network's probability."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .doubt_course import usual_course
from .doubt_stack import Floats, Mask, Sign, Stack, beyond


def unsure(stack: Stack) -> Sign:
    """Measure how far the uncertain rim is wider than partial volume makes it."""
    doubt = (1 - np.abs(2 * stack.probability - 1)).sum(axis=(0, 1)) * stack.pixel_mm.prod()
    area = np.maximum(stack.area_mm2, stack.pixel_mm.prod())
    rim_mm = np.where(stack.present, doubt / (2 * np.sqrt(np.pi * area)), 0)
    return Sign("the network is unsure of the outline", beyond(rim_mm, 1.5, 0.4))


def area_jump(stack: Stack) -> Sign:
    """Compare the area with its neighbours' course; a factor either way counts the same."""
    pixel = stack.pixel_mm.prod()
    usual = np.maximum(usual_course(stack.area_mm2[:, None], stack.near)[:, 0], pixel)
    factor = np.abs(np.log(np.maximum(stack.area_mm2, pixel) / usual))
    strength = np.where(stack.present, beyond(factor, 0.12, 0.15), 0)
    return Sign("the area jumps against its neighbours", strength)


def shape_jump(stack: Stack, depth: Floats) -> Sign:
    """Compare the outline with the median of its neighbours', brought to its place and area.

    Parameters
    ----------
    depth : ndarray, (N, S, S)
        From ``outline_distances``, about the outline's own centre.
    """
    strength = np.zeros(stack.present.size)
    if stack.near.shape[1]:
        own = depth > 0
        usual = _of_area(np.median(depth[stack.near], axis=1), own.sum(axis=(1, 2)))
        both = np.maximum(own.sum(axis=(1, 2)) + usual.sum(axis=(1, 2)), 1)
        unlike = 1 - 2 * (own & usual).sum(axis=(1, 2)) / both
        strength = np.where(stack.present, beyond(unlike, 0.1, 0.08), 0)
    return Sign("the outline's shape differs from its neighbours'", strength)


def position_jump(stack: Stack) -> Sign:
    """Measure how far the outline lies from where its neighbours lead.

    A cord bends: the further away the neighbours, the less they know.
    """
    jump = np.linalg.norm((stack.centres - stack.usual_centres) * stack.pixel_mm, axis=1)
    strength = beyond(jump, 0.4 + 0.1 * stack.away_mm, 1.0)
    return Sign("the cord's position jumps against its neighbours", strength)


def beside_curve(stack: Stack, curve: Floats) -> Sign:
    """Measure how the outline lies to the curve.

    A curve of a few clicks may run beside the middle of the cord, but it does not jump.

    Parameters
    ----------
    curve : ndarray, (N, 2)
        In-plane index on each slice of the stack; NaN where it does not run.
    """
    offset = (stack.centres - curve) * stack.pixel_mm
    jump = np.linalg.norm(offset - usual_course(offset, stack.near), axis=1)
    strength = np.maximum(beyond(jump, 0.8, 1.0), beyond(np.linalg.norm(offset, axis=1), 2.5, 2.0))
    return Sign("the outline lies beside the curve", strength)


def _of_area(depth: Floats, pixels: NDArray[np.integer[Any]]) -> Mask:
    """Return the deepest so many pixels of each picture."""
    order = np.sort(depth.reshape(len(depth), -1), axis=1)[:, ::-1]
    level = np.take_along_axis(order, np.maximum(pixels - 1, 0)[:, None], axis=1)
    return np.asarray(depth >= level[..., None])
