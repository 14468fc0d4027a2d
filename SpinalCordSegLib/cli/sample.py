# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg sample``: a scan to try this on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter
from .options import add_output_options


def add_sample(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("sample", allow_abbrev=False, help="a scan to try this on")
    parser.add_argument(
        "--real", action="store_true", help="fetch a real T2w scan (MIT licence) by its hash"
    )
    add_output_options(parser, output_default=Path("."))
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Put a sample scan into a folder."""
    from ..sample import write_sample

    report(0.0, "getting the sample scan")
    return [write_sample(arguments.output, arguments.real, arguments.overwrite)]
