# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg measure``: areas, diameters and lesions along the cord."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter
from .options import add_output_file_option, add_volume_option
from .values import centerline_from, distances, landmark, slices


def add_measure(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "measure", allow_abbrev=False, help="areas, diameters and lesions along the cord, as tables"
    )
    parser.add_argument(
        "mask", type=Path, metavar="MASK_OR_SEG", help="cord mask, label map, or .seg.nrrd"
    )
    parser.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the scan, to measure intensities in"
    )
    add_volume_option(parser)
    parser.add_argument("--gray-matter", type=Path, metavar="MASK", help="gray matter mask")
    parser.add_argument("--lesion", type=Path, metavar="MASK", help="lesion mask")
    parser.add_argument(
        "--centerline",
        type=Path,
        metavar="FILE",
        help="curve along the cord (.csv, .mrk.json or a mask; default: the mask's own centre)",
    )
    parser.add_argument(
        "--levels", type=Path, metavar="FILE", help="label map of vertebral levels on the cord"
    )
    parser.add_argument(
        "--landmark",
        type=landmark,
        metavar="X,Y,Z|MM",
        help="where positions along the cord start: a point in mm, LPS, or mm below the top of "
        "the mask (default: 0)",
    )
    parser.add_argument(
        "--slices",
        type=slices,
        metavar="A-B,C",
        help="summarise these slices of the mask as it is stored, counted from 0",
    )
    parser.add_argument(
        "--distance",
        type=distances,
        metavar="A:B",
        help="summarise what lies A to B mm below the landmark, along the cord",
    )
    parser.add_argument(
        "--vertebrae", type=slices, metavar="A-B,C", help="summarise these levels of --levels"
    )
    add_output_file_option(
        parser,
        "FILE.csv",
        "a row for each slice; other tables, .json and .png are written beside it",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Measure a cord mask and write the tables."""
    from ..measurement.measurement_files import measurement_paths, write_measurements
    from ..output import check_output

    paths = measurement_paths(arguments.output, lesions=True)
    check_output(arguments.output.parent, paths, arguments.overwrite)
    report(0.0, "reading the mask")
    from ..images import read_image
    from ..measurement.masks import read_masks
    from ..measurement.report import measure_masks
    from ..result_files import stem_of

    image = None
    if arguments.image is not None:
        image = read_image(arguments.image, volume=arguments.volume)
    masks = read_masks(arguments.mask, image)
    for name in ("gray_matter", "lesion"):
        path = getattr(arguments, name)
        if path is not None:
            masks[name] = read_image(path, allow_constant=True)
    levels = arguments.levels and read_image(arguments.levels, allow_constant=True)
    report(0.3, "measuring")
    found = measure_masks(
        masks,
        stem_of(arguments.mask).removesuffix(".seg"),
        image,
        centerline_from(arguments.centerline),
        levels,
        arguments.landmark,
        arguments.slices,
        arguments.distance,
        arguments.vertebrae,
    )
    report(0.9, "writing the tables")
    return write_measurements(found, arguments.output, arguments.overwrite)
