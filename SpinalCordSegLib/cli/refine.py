# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg refine``: a cord mask's outline moved onto the edges of its image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..device import DEVICES
from ..levelset import REFINEMENTS
from ..progress import Reporter, part_of
from .options import add_progress_option, add_volume_option
from .values import slices


def add_refine(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "refine", allow_abbrev=False, help="move a cord mask's outline onto the nearest edge"
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="NIfTI, NRRD, MHA, DICOM folder")
    parser.add_argument("mask", type=Path, metavar="MASK", help="cord mask on the image's grid")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help="the new mask: .nii.gz, .nii, .nrrd or .mha",
    )
    parser.add_argument(
        "--method", choices=REFINEMENTS, default="grlse", help="level set (default: grlse)"
    )
    parser.add_argument(
        "--slices",
        type=slices,
        metavar="A-B,C",
        help="axial slices of the image as it is stored, counted from 0 (default: all with cord)",
    )
    add_volume_option(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add_progress_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Move the outline of a mask onto the edges of its image and write the new mask."""
    from ..result_files import check_mask_path, write_mask

    check_mask_path(arguments.output, arguments.overwrite)
    report(0.0, "reading the image")
    from ..images import read_image
    from ..levelset.refine import refine

    refined = refine(
        read_image(arguments.image, volume=arguments.volume),
        read_image(arguments.mask, allow_constant=True),
        arguments.method,
        arguments.slices,
        device=arguments.device,
        progress=part_of(report, 0.05, 0.95),
    )
    report(0.95, "writing the mask")
    for item in refined.review:
        report.warning(f"slice {item.slice_index} {item.reason}")
    return [write_mask(refined.mask, arguments.output, arguments.overwrite)]
