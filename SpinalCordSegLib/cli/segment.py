# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg segment``: the cord's mask and centerline of one image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter, part_of
from .options import add_image_options, add_structure_options
from .values import centerline_from, structures_named, weights_named


def add_segment(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "segment", allow_abbrev=False, help="the cord's mask and centerline, with a picture"
    )
    add_image_options(parser)
    parser.add_argument(
        "--centerline",
        type=Path,
        metavar="FILE",
        help="use this curve (.csv, .mrk.json or a mask) instead of finding it",
    )
    add_structure_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Segment an image and write every file of the result."""
    from ..dicom_segmentation import check_dicom_input, source_slices
    from ..output import check_output
    from ..result_files import result_paths, stem_of, write_result

    structures = structures_named(arguments.structures)
    stem = stem_of(arguments.image)
    check_output(
        arguments.output,
        result_paths(arguments.output, stem, structures, soft=True, dicom=True),
        arguments.overwrite,
    )
    if arguments.dicom_seg:
        check_dicom_input(arguments.image, arguments.output)
    report(0.0, "reading the image")
    from ..images import read_image
    from ..pipeline import segment

    image = read_image(arguments.image, volume=arguments.volume)
    slices = source_slices(arguments.image, image) if arguments.dicom_seg else ()
    result = segment(
        image,
        structures=structures,
        contrast=arguments.contrast,
        centerline=centerline_from(arguments.centerline),
        weights=weights_named(arguments.weights),
        threshold=arguments.threshold,
        refine=arguments.refine,
        method=arguments.method,
        device=arguments.device,
        progress=part_of(report, 0.05, 0.95),
    )
    report(0.95, "writing the results")
    return write_result(
        result, arguments.output, stem, arguments.soft, arguments.overwrite, image, slices
    )
