# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg centerline``: the curve through the cord alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter, part_of
from .options import add_image_options
from .values import weights_named


def add_centerline(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "centerline", allow_abbrev=False, help="the curve through the cord alone"
    )
    add_image_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Find the curve through the cord and write it."""
    from ..output import check_output
    from ..result_files import centerline_paths, stem_of, write_centerline

    stem = stem_of(arguments.image)
    paths = centerline_paths(arguments.output, stem)
    check_output(arguments.output, paths, arguments.overwrite)
    report(0.0, "reading the image")
    from ..images import read_image
    from ..pipeline import detect_centerline

    image = read_image(arguments.image, volume=arguments.volume)
    centerline = detect_centerline(
        image,
        weights=weights_named(arguments.weights),
        contrast=arguments.contrast,
        device=arguments.device,
        progress=part_of(report, 0.05, 0.95),
    )
    report(0.95, "writing the results")
    return write_centerline(centerline, arguments.output, stem, arguments.overwrite)
