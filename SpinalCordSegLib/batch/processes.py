# SPDX-License-Identifier: Apache-2.0
"""Running the tasks of a batch on processes of this machine; a process that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from .threads import limit_threads, threads_each

Given = TypeVar("Given")
Made = TypeVar("Made")


def run_on_processes(
    function: Callable[[Given], Made], tasks: Sequence[Given], jobs: int
) -> Iterator[tuple[Given, Made | None]]:
    """Run a function on each task, on some processes, and yield results as they come.

    Parameters
    ----------
    function : callable
        Of a module, so that another process finds it.
    tasks : sequence
    jobs : int
        How many processes; the cores are divided among them.

    Yields
    ------
    task, result
        None where the process died over the task twice, the second time with nothing beside it.

    Raises
    ------
    Exception
        What `function` raises. Closing the iterator ends the processes at once, and so does the
        end of this process, however it comes.
    """
    waiting, suspects = deque(tasks), deque[Given]()
    threads = threads_each(jobs)
    while waiting or suspects:
        # One of those that ran when a process died has killed it: each tries again alone.
        alone = bool(suspects)
        source = suspects if alone else waiting
        running: dict[Future[Made], Given] = {}
        try:
            with _pool(1 if alone else jobs, threads) as pool:
                while source or running:
                    while source and len(running) < (1 if alone else jobs):
                        running[pool.submit(function, source[0])] = source[0]
                        source.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield running.pop(future), result
        except BrokenProcessPool:
            for future, task in running.items():
                if future.done() and future.exception() is None:
                    yield task, future.result()
                elif alone:
                    yield task, None
                else:
                    suspects.append(task)


@contextmanager
def _pool(size: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: a fork would take over the locks of this process's threads.
    context = multiprocessing.get_context("spawn")
    ear, mouth = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(size, context, _start, (threads, ear))
    try:
        yield pool
    except BaseException:
        mouth.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        mouth.close()
        ear.close()


def _start(threads: int, ear: Connection) -> None:
    """Prepare a process for tasks."""
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(ear,), daemon=True).start()
    limit_threads(threads)


def _end_with_parent(ear: Connection) -> None:
    """End this process when the other end of the pipe closes, killed or not."""
    try:
        ear.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
