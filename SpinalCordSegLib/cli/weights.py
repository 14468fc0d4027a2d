# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg weights``: which weights there are, and getting them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..progress import Reporter
from .options import add_progress_option


def add_weights(commands: Any) -> None:
    """Add the command, and what it can do, to the program's."""
    parser = commands.add_parser(
        "weights", allow_abbrev=False, help="the weights that exist, and getting them"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("list", allow_abbrev=False, help="all weights, with their licence")
    action.set_defaults(run=_list, progress="none")
    action = actions.add_parser(
        "fetch", allow_abbrev=False, help="download published weights, by pinned hash"
    )
    action.add_argument(
        "name", metavar="NAME", help="from `weights list`, or sct for all published ones"
    )
    _add_consent_option(action)
    add_progress_option(action)
    action.set_defaults(run=_fetch)
    action = actions.add_parser(
        "import", allow_abbrev=False, help="install published weights that you have"
    )
    action.add_argument(
        "path", type=Path, metavar="PATH", help="Keras file, folder of them, or zip archive"
    )
    action.add_argument(
        "--like",
        metavar="NAME",
        help="trust a Keras file that was not published, and use it as this set is used",
    )
    _add_consent_option(action)
    add_progress_option(action)
    action.set_defaults(run=_import)
    action = actions.add_parser(
        "verify", allow_abbrev=False, help="check all weights on this computer by their hash"
    )
    add_progress_option(action)
    action.set_defaults(run=_verify)


def _list(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Print which weights there are."""
    from ..weights.listing import list_weights, table

    report.answer(table(list_weights()))
    return []


def _fetch(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Download published weights."""
    from ..weights.fetch import fetch_weights

    return fetch_weights(arguments.name, _consent(arguments, report), report)


def _import(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Install weights from files that are on this computer."""
    from ..weights.import_files import import_published, import_trusted

    if arguments.like is not None:
        return import_trusted(arguments.path, arguments.like, report)
    return import_published(arguments.path, _consent(arguments, report), report)


def _verify(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Check the hash of all weights on this computer."""
    from ..weights.listing import verify_weights

    return verify_weights()


def _add_consent_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--yes", action="store_true", help="agree to their licence instead of being asked"
    )


def _consent(arguments: argparse.Namespace, report: Reporter) -> Callable[[str], bool]:
    def consent(text: str) -> bool:
        if arguments.yes:
            report.notice(text)
            return True
        answer = report.ask(text, "Do you want them?")
        if answer is None:
            raise InvalidArgument(
                "weights of others are installed only with your consent, and there is no "
                "terminal to ask on",
                "see `spinalcordseg weights list` for their licence, then run again with --yes",
            )
        return answer

    return consent
