# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg report``: the QC report of a folder of results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter
from .options import add_progress_option


def add_report(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "report", allow_abbrev=False, help="one HTML page to look at every scan of a folder"
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="what batch, or segment, has written"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.html",
        help="the page (default: report.html in DIR)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it exists")
    add_progress_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Write the QC report of a folder of results."""
    from ..batch.records import REPORT_NAME
    from ..batch.report import write_report
    from ..output import check_output

    path = arguments.output or arguments.folder / REPORT_NAME
    if arguments.folder.is_dir():
        check_output(path.parent, [path], arguments.overwrite)
    return [write_report(arguments.folder, path, arguments.overwrite, report)]
