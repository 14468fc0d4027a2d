# SPDX-License-Identifier: Apache-2.0
"""Keeping standard output and standard error clean while libraries work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def own_streams(share: bool = False) -> Iterator[tuple[TextIO, TextIO]]:
    """Give standard output and error to the caller alone.

    What anybody else prints meanwhile goes nowhere, also what libraries in C print past Python:
    a program reads our output line by line, and a person should read one sentence, not ten.

    Parameters
    ----------
    share : bool
        Let others print on standard error all the same.

    Yields
    ------
    stdout, stderr : TextIO
        The streams to use instead of ``sys.stdout`` and ``sys.stderr``.
    """
    if share or not (_is_descriptor(sys.stdout, 1) and _is_descriptor(sys.stderr, 2)):
        stdout = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield stdout, sys.stderr
        return
    with contextlib.ExitStack() as restore:
        stdout, stderr = (
            restore.enter_context(_moved(stream, number))
            for number, stream in ((1, sys.stdout), (2, sys.stderr))
        )
        yield stdout, stderr


@contextlib.contextmanager
def _moved(stream: TextIO, number: int) -> Iterator[TextIO]:
    """Move a stream to another descriptor; its own leads nowhere meanwhile."""
    stream.flush()
    kept = os.dup(number)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), number)
    try:
        with os.fdopen(
            os.dup(kept), "w", encoding=stream.encoding, errors=stream.errors, buffering=1
        ) as moved:
            yield moved
    finally:
        stream.flush()
        os.dup2(kept, number)
        os.close(kept)


def _is_descriptor(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return False
