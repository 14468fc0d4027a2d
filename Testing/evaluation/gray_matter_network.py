# SPDX-License-Identifier: Apache-2.0
"""The ASPP network against a 14-layer U-Net: parameters and time (Perone 2018, table 8).

    python Testing/evaluation/gray_matter_network.py

writes ``Testing/evaluation/gray_matter_network.md`` and ``gray_matter_network.csv``. Weights are
random: neither parameters nor time depend on them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from score_files import write_csv
from torch import nn

from SpinalCordSegLib.networks import ASPP, UNet2d

FOLDER = Path(__file__).resolve().parent
SIZE = 200
MIDDLE = 96
REPEATS = 15

# What the paper prints for the U-Net and for its own network.
PRINTED = {"U-Net": 776_321, "ASPP": 124_769}

# Channels at full resolution with which our U-Net comes nearest to the printed number.
UNET_FILTERS = 20


@dataclass(frozen=True)
class Row:
    """One network on one slice of 200 x 200 pixels.

    `parameters` counts what training changes; `without_norm` leaves out the scale and shift of
    the batch normalisation. `multiplications` are those of the convolutions. `seconds` are
    seconds of one processor core, median, and `slowest` of the runs.
    """

    network: str
    parameters: int
    without_norm: int
    convolutions_3x3: int
    multiplications: int
    seconds: float
    slowest: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    aspp = ASPP(32)
    rows = [
        measure("U-Net, 14 layers", UNet2d(UNET_FILTERS, depth=3)),
        measure("U-Net, 14 layers, batch norm", UNet2d(UNET_FILTERS, depth=3, batch_norm=True)),
        measure("ASPP, all of the slice", aspp),
        measure(
            f"ASPP, the middle {MIDDLE} x {MIDDLE} as `segment` computes it",
            aspp,
            lambda x: torch.sigmoid(aspp.central_logits(x, MIDDLE)),
        ),
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = page(rows, os.getloadavg()[0])
    (arguments.output / "gray_matter_network.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "gray_matter_network.csv", rows)
    print(text)


def measure(
    name: str, network: nn.Module, run: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Row:
    """Count and time one network; `run` is what to time if not the network itself."""
    network = network.eval().to(memory_format=torch.channels_last)
    slice_ = torch.randn(1, 1, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    run = run or network
    with torch.inference_mode():
        multiplications = count_multiplications(network, lambda: run(slice_))
        seconds = [_cpu_seconds(lambda: run(slice_)) for _ in range(REPEATS)]
    modules = list(network.modules())
    return Row(
        name,
        sum(p.numel() for p in network.parameters()),
        sum(
            p.numel()
            for module in modules
            if not isinstance(module, nn.BatchNorm2d)
            for p in module.parameters(recurse=False)
        ),
        sum(isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) for m in modules),
        multiplications,
        statistics.median(seconds),
        max(seconds),
    )


def count_multiplications(network: nn.Module, run: Callable[[], object]) -> int:
    """Return how many multiplications the convolutions of one run do."""
    total = 0
    convolve, transpose = nn.functional.conv2d, nn.functional.conv_transpose2d

    def conv2d(x: torch.Tensor, weight: torch.Tensor, *rest: object, **more: object) -> object:
        nonlocal total
        result = convolve(x, weight, *rest, **more)
        total += result.shape[2] * result.shape[3] * weight.numel()
        return result

    def conv_transpose2d(
        x: torch.Tensor, weight: torch.Tensor, *rest: object, **more: object
    ) -> object:
        nonlocal total
        total += x.shape[2] * x.shape[3] * weight.numel()
        return transpose(x, weight, *rest, **more)

    nn.functional.conv2d, nn.functional.conv_transpose2d = conv2d, conv_transpose2d
    try:
        run()
    finally:
        nn.functional.conv2d, nn.functional.conv_transpose2d = convolve, transpose
    return total


def page(rows: list[Row], load: float) -> str:
    """Return the measurements as Markdown."""
    unet, aspp = rows[0], rows[2]
    lines = [
        "# ASPP against a 14-layer U-Net",
        "",
        f"Made by `python Testing/evaluation/gray_matter_network.py`: one slice of {SIZE} x {SIZE}",
        f"pixels, one thread, float32, channels last; median and slowest of {REPEATS} runs, CPU",
        f"seconds. The machine was shared: load average {load:.1f} on {os.cpu_count()} cores, so",
        "that seconds are upper bounds and only their ratios say much.",
        "",
        "| network | parameters | without batch norm | 3x3 convolutions "
        "| multiplications, 10^9 | CPU s | slowest |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.network} | {row.parameters:,} | {row.without_norm:,} "
            f"| {row.convolutions_3x3} | {row.multiplications / 1e9:.2f} "
            f"| {row.seconds:.3f} | {row.slowest:.3f} |"
        )
    difference = aspp.without_norm - PRINTED["ASPP"]
    lines += [
        "",
        f"The paper prints {PRINTED['ASPP']:,} parameters for ASPP: "
        + ("the number" if difference == 0 else f"{difference:+,} from the number")
        + " of ours without scale and shift of the batch normalisation.",
        f"For the U-Net it prints {PRINTED['U-Net']:,} and 14 layers of 3x3 convolutions, but not",
        f"their widths. Ours has {UNET_FILTERS} channels at full resolution, doubled at each of",
        f"three steps, 2x2 transposed convolutions, and {unet.without_norm:,} parameters "
        f"({100 * (unet.without_norm / PRINTED['U-Net'] - 1):+.1f} %).",
        "",
        f"- Parameters: U-Net / ASPP = {unet.without_norm / aspp.without_norm:.1f} "
        f"(paper: {PRINTED['U-Net'] / PRINTED['ASPP']:.1f}).",
        f"- Multiplications, U-Net / ASPP: {unet.multiplications / aspp.multiplications:.2f}; "
        f"time: {unet.seconds / aspp.seconds:.2f}. ASPP works at full resolution throughout: it is",
        "  the smaller network and not the faster one. The paper compares no times.",
    ]
    return "\n".join(lines) + "\n"


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
