# SPDX-License-Identifier: Apache-2.0
"""The command ``spinalcordseg``: arguments in, exit status out; the library does the work.

Exit status: 0 done; 1 our fault; 2 wrong input or arguments; 3 no cord found; 4 weights missing,
corrupt or not to be fetched; 5 out of memory or disk; 130 cancelled. Other than 0, nothing is
written and one sentence on standard error says what is wrong and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn, TextIO

from ..errors import InvalidArgument, SpinalCordSegError
from ..failures import user_error
from ..progress import Reporter, reporter
from ..streams import own_streams
from ..version import __version__
from .batch import add_batch
from .centerline import add_centerline
from .evaluate import add_evaluate
from .measure import add_measure
from .refine import add_refine
from .report import add_report
from .sample import add_sample
from .segment import add_segment
from .train import add_train
from .weights import add_weights

PROGRAM = "spinalcordseg"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if not given.

    Returns
    -------
    int
        The exit status.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = command_parser().parse_args(argv)
    except InvalidArgument as error:
        report = reporter("json" if _wants_json(argv) else "none", sys.stdout, sys.stderr)
        return _fail(report, error, sys.stderr)
    with own_streams(share=_debugging()) as (stdout, stderr):
        report = reporter(arguments.progress, stdout, stderr)
        try:
            with _terminated_like_interrupted(), _one_line_warnings(report):
                paths = arguments.run(arguments, report)
        except (Exception, KeyboardInterrupt) as exception:
            return _fail(report, user_error(exception), stderr)
        report.result(paths)
        return 0


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; ``run`` of what it parses is the command to run."""
    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Segment the spinal cord in MR images.",
        epilog="Exit status: 0 done, 1 our fault, 2 wrong input or arguments, 3 no cord found, "
        "4 weights missing or corrupt, 5 out of memory or disk, 130 cancelled.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_command in (
        add_segment,
        add_batch,
        add_centerline,
        add_evaluate,
        add_measure,
        add_refine,
        add_report,
        add_sample,
        add_train,
        add_weights,
    ):
        add_command(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument as the library reports any other mistake."""

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(message, f"see `{self.prog} --help`")


def _wants_json(argv: Sequence[str]) -> bool:
    """Tell how to report an error in the arguments themselves."""
    pairs = itertools.pairwise(argv)
    return "--progress=json" in argv or ("--progress", "json") in pairs


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Make a request to terminate clean up as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    previous = {}
    for name in ("SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            # Only the main thread may set handlers; another has its own ways to stop.
            with contextlib.suppress(ValueError):
                previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _one_line_warnings(report: Reporter) -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        report.warning(" ".join(str(message).split()))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _fail(report: Reporter, error: SpinalCordSegError, stderr: TextIO) -> int:
    report.error(error)
    if _debugging():
        traceback.print_exc(file=stderr)
    print(f"{PROGRAM}: {' '.join(str(error).split())}", file=stderr)
    return error.exit_status


def _debugging() -> bool:
    return os.environ.get("SPINALCORDSEG_DEBUG") == "1"
