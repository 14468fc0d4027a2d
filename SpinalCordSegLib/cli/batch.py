# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg batch``: many scans."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..progress import Reporter
from .options import add_segmentation_options, add_structure_options
from .values import count, structures_named, weights_named


def add_batch(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "batch", allow_abbrev=False, help="many scans: masks, tables, and what failed"
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image files, patterns, folders (also of DICOM series), or a BIDS dataset",
    )
    add_segmentation_options(parser)
    add_structure_options(parser)
    where = parser.add_mutually_exclusive_group()
    parser.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="scans at a time, each in a process of its own (default: 1)",
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the workers of this Dask scheduler"
    )
    where.add_argument(
        "--slurm", action="store_true", help="run on --jobs Dask workers that Slurm starts"
    )
    parser.add_argument(
        "--threads", type=count, default=1, metavar="N", help="cores of a Slurm job (default: 1)"
    )
    parser.add_argument(
        "--interface", metavar="NAME", help="network by which Slurm's nodes reach this machine"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again what failed in an earlier run"
    )
    parser.add_argument(
        "--qc", type=Path, metavar="FILE", help="the marks that were saved from the QC report"
    )
    marked = parser.add_mutually_exclusive_group()
    marked.add_argument(
        "--only-failed", action="store_true", help="do again what is marked as failed, only that"
    )
    marked.add_argument(
        "--exclude", action="store_true", help="leave out what is marked as failed or artefact"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Segment and measure many scans."""
    from ..batch.run import Engine, Selection, run_batch
    from ..batch.settings import Settings

    given = weights_named(arguments.weights)
    summary = run_batch(
        arguments.inputs,
        arguments.output,
        Settings(
            structures=structures_named(arguments.structures),
            contrast=arguments.contrast,
            method=arguments.method,
            refine=arguments.refine,
            threshold=arguments.threshold,
            weights=given,
            volume=arguments.volume,
            device=arguments.device,
            soft=arguments.soft,
            dicom_seg=arguments.dicom_seg,
        ),
        Engine(
            arguments.jobs,
            arguments.scheduler,
            arguments.slurm,
            arguments.threads,
            arguments.interface,
        ),
        Selection(
            arguments.overwrite,
            arguments.retry_failed,
            arguments.qc,
            arguments.only_failed,
            arguments.exclude,
        ),
        progress=report,
    )
    for line in summary.notes():
        report.warning(line)
    return list(summary.paths)
