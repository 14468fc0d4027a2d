# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg evaluate``: how well masks agree with references."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter, part_of
from .options import add_output_file_option
from .values import STRUCTURE_NAMES, label


def add_evaluate(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "evaluate", allow_abbrev=False, help="how well masks agree with references"
    )
    parser.add_argument("prediction", type=Path, metavar="PREDICTION", help="a mask, or a folder")
    parser.add_argument(
        "reference", type=Path, metavar="REFERENCE", help="the same, drawn by somebody who knows"
    )
    parser.add_argument(
        "--structure",
        choices=("cord", "lesion", "gm"),
        default="cord",
        help="what the masks show, and so which metrics (default: cord)",
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N",
        help="count this value of the predictions (default: all but 0)",
    )
    parser.add_argument(
        "--reference-label", type=label, metavar="N", help="the same for the references"
    )
    add_output_file_option(
        parser,
        "FILE.json",
        "the result; a table (.csv) and a picture (.png) are written beside it",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Compare masks with references and write what that comes to."""
    from ..evaluation.comparison_files import comparison_paths, write_comparison
    from ..output import check_output

    paths = comparison_paths(arguments.output)
    check_output(arguments.output.parent, paths, arguments.overwrite)
    if not any(path.suffix == ".png" for path in paths):
        report.warning(
            "no picture will be drawn: pip install matplotlib, or spinalcordseg[evaluate]"
        )
    report(0.0, "reading the masks")
    from ..evaluation.comparison import compare

    comparison = compare(
        arguments.prediction,
        arguments.reference,
        STRUCTURE_NAMES[arguments.structure],
        arguments.label,
        arguments.reference_label,
        progress=part_of(report, 0.05, 0.95),
    )
    for warning in comparison.warnings:
        report.warning(warning)
    report(0.95, "writing the results")
    return write_comparison(comparison, arguments.output, arguments.overwrite)
