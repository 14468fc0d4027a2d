# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..contrasts import CONTRASTS
from ..device import DEVICES
from ..levelset import REFINEMENTS
from ..progress import STYLES
from ..segmentation import METHODS
from .values import probability, volume


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the image, and what segments it."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="NIfTI, NRRD, MHA, DICOM folder")
    add_segmentation_options(parser)


def add_segmentation_options(parser: argparse.ArgumentParser) -> None:
    """Add what any network is run with, and where results go."""
    parser.add_argument(
        "--weights",
        nargs="+",
        action="extend",
        metavar="NAME_OR_FILE",
        help="default, sct (published ones for the contrast), or weights by name or file",
    )
    parser.add_argument(
        "--contrast", choices=("auto", *CONTRASTS), default="auto", help="default: auto"
    )
    add_volume_option(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    add_output_options(parser)


def add_structure_options(parser: argparse.ArgumentParser) -> None:
    """Add what is segmented, how, and what is written of it."""
    parser.add_argument(
        "--structures",
        default="cord",
        metavar="LIST",
        help="comma-separated: cord, gm, wm, lesion (default: cord)",
    )
    parser.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="count voxels above this probability (default: that of the weights)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="cascade",
        help="how to outline the cord: cascade, or slice by slice with a level set (csm)",
    )
    parser.add_argument(
        "--refine",
        choices=("none", *REFINEMENTS),
        help="move the cord's outline onto the nearest edge (default: none; csm: grlse)",
    )
    parser.add_argument("--soft", action="store_true", help="write the probabilities too")
    parser.add_argument(
        "--dicom-seg",
        action="store_true",
        help="of a DICOM input, write DICOM SEG too: it bears the patient's name (needs highdicom)",
    )


def add_volume_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice among the volumes of a 4D image."""
    parser.add_argument(
        "--volume",
        type=volume,
        metavar="INDEX|mean",
        help="which volume of a 4D image, counted from 0, or their mean",
    )


def add_output_options(parser: argparse.ArgumentParser, output_default: Path | None = None) -> None:
    """Add where results go, what they may replace, and the progress."""
    add_folder_option(parser, output_default)
    _add_overwrite_option(parser)
    add_progress_option(parser)


def add_output_file_option(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """Add the one file that names the results, what they may replace, and the progress."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=text)
    _add_overwrite_option(parser)
    add_progress_option(parser)


def add_folder_option(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Add the folder for the results."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        default=default,
        required=default is None,
        help="folder for the results" + (" (default: here)" if default else ""),
    )


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Add how a run tells how far it is."""
    parser.add_argument(
        "--progress",
        choices=STYLES,
        default="bar",
        help="a bar, JSON lines on standard output, or nothing (default: bar)",
    )


def _add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
