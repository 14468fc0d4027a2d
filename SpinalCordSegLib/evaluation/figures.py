# SPDX-License-Identifier: Apache-2.0
"""Box plots and reliability curves (Zhang 2021, figures 6 and 7). Needs matplotlib."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .reliability import reliability, reliability_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Groups = Mapping[str, Sequence[float]]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_QUOTED = (0.8, 0.9)
_FEW = 40
# Names of more methods than this do not fit beside each other.
_ABREAST = 3
# Beyond the number of colours lines are told apart by their dashes.
_DASHES = ("-", "--", ":")
_DPI = 150


def can_draw() -> bool:
    """Tell whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def agreement_png(
    dice: Groups, hausdorff95_mm: Groups, title: str, counted: str = "scans"
) -> bytes:
    """Draw box plots of Dice and HD95, and the reliability curve, beside each other.

    Parameters
    ----------
    dice, hausdorff95_mm : mapping of str to sequence of float
        Values by the name of their method. What is not finite cannot be drawn and is counted
        under the axis.
    title : str
    counted : str
        What one value stands for: scans or slices.

    Returns
    -------
    bytes
        PNG.
    """
    from matplotlib.figure import Figure

    height = 4.2 if len(dice) <= _ABREAST else 5.6
    figure = Figure(figsize=(11, height), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    draw_boxes(left, dice, "Dice", (-0.02, 1.02))
    draw_boxes(middle, hausdorff95_mm, "HD95, mm", (0, None))
    draw_reliability(right, dice, counted)
    figure.suptitle(title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def draw_boxes(
    axes: Axes, groups: Groups, label: str, limits: tuple[float | None, float | None]
) -> None:
    """Draw one box for each method, as Zhang 2021 does.

    The box ends at the quartiles, whiskers at the last value within 1.5 times its height, values
    beyond are diamonds; the mean is a green triangle. Of up to 40 values each is a dot instead.

    Parameters
    ----------
    axes : matplotlib Axes
    groups : mapping of str to sequence of float
    label : str
        Of the vertical axis.
    limits : pair of float or None
        Its ends; None: as the values are.
    """
    values = {name: np.asarray(group, np.float64) for name, group in groups.items()}
    finite = {name: group[np.isfinite(group)] for name, group in values.items()}
    few = max((group.size for group in finite.values()), default=0) <= _FEW
    drawn: Any = axes.boxplot(
        list(finite.values()),
        tick_labels=[_tick(name, values[name]) for name in finite],
        widths=0.5,
        showmeans=True,
        showfliers=not few,
        patch_artist=True,
        medianprops={"color": "black"},
        meanprops={"marker": "^", "markerfacecolor": "green", "markeredgecolor": "green"},
        flierprops={"marker": "D", "markersize": 4},
    )
    for number, (box, group) in enumerate(zip(drawn["boxes"], finite.values(), strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        box.set(facecolor=colour, alpha=0.35)
        if few:
            axes.plot(_spread(number + 1, group.size), group, ".", color=colour, alpha=0.7)
    if len(finite) > _ABREAST:
        axes.tick_params(axis="x", rotation=90, labelsize="small")
    axes.set_ylim(*limits)
    axes.set_ylabel(label)
    axes.grid(axis="y", alpha=0.3)


def draw_reliability(axes: Axes, dice: Groups, counted: str = "scans") -> None:
    """Draw R(d) of each method, and quote it at d = 0.8 and 0.9.

    Parameters
    ----------
    axes : matplotlib Axes
    dice : mapping of str to sequence of float
    counted : str
        What one value stands for.
    """
    for number, (name, group) in enumerate(dice.items()):
        quoted = ", ".join(f"R({d:g}) = {float(reliability(group, d)):.2f}" for d in _QUOTED)
        axes.plot(
            *reliability_curve(group),
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
            label=f"{name}: {quoted}",
        )
    axes.set(
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
        xlabel="d",
        ylabel=f"R(d): share of {counted} with Dice > d",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize="small")


def _tick(name: str, values: NDArray[np.float64]) -> str:
    left_out = int(np.count_nonzero(~np.isfinite(values)))
    count = f"n = {values.size - left_out}"
    return f"{name}\n{count}" + (f" ({left_out} not finite)" if left_out else "")


def _spread(centre: float, count: int) -> NDArray[np.float64]:
    """Return places beside each other, the same ones every time."""
    return centre + 0.12 * np.sin(2.4 * np.arange(count))
