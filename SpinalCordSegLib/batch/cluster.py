# SPDX-License-Identifier: Apache-2.0
"""Running the tasks of a batch on a Dask cluster: one that is there, or one that Slurm starts.

Dask moves tasks between the user's own machines as pickles: whoever reaches the scheduler can run
code on the workers. Nothing here listens beyond this machine unless an interface is named; with
``tls://`` addresses Dask's own configuration names the certificates.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import InvalidArgument, SpinalCordSegError
from .threads import limit_threads

Given = TypeVar("Given")
Made = TypeVar("Made")

_SECONDS_TO_CONNECT = 30
_threads: int | None = None


class ClusterLost(SpinalCordSegError):
    """The scheduler of a cluster cannot be reached, or no longer."""

    exit_status = 1


@contextmanager
def scheduler_at(address: str) -> Iterator[Any]:
    """Give a client of a scheduler that runs already.

    Parameters
    ----------
    address : str
        ``tcp://127.0.0.1:8786`` or ``tls://...``.

    Raises
    ------
    InvalidArgument
        If Dask is not installed or the address makes no sense.
    ClusterLost
        If nothing answers there.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except ValueError as error:
        raise InvalidArgument(
            f"{address!r} is no address of a scheduler", "give one such as tcp://127.0.0.1:8786"
        ) from error
    except (OSError, TimeoutError, RuntimeError) as error:
        raise ClusterLost(
            f"no Dask scheduler answers at {address}",
            "start one with `dask scheduler --host 127.0.0.1`, and workers for it",
        ) from error
    with client:
        yield client


@contextmanager
def slurm(workers: int, threads: int, interface: str | None) -> Iterator[Any]:
    """Start workers as Slurm jobs and give a client of their scheduler.

    Parameters
    ----------
    workers : int
        How many; a scan at a time each.
    threads : int
        Cores of each.
    interface : str, optional
        Of this machine's network, which the nodes see; by default the one in Dask's configuration
        (``jobqueue.slurm.interface``). Queue, memory, wall time and account come from there too.

    Raises
    ------
    InvalidArgument
        If dask-jobqueue is not installed, or no interface is known: nothing listens on the
        network without being told.
    """
    distributed = _distributed()
    try:
        import dask
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise _missing("dask-jobqueue") from error
    interface = interface or dask.config.get("jobqueue.slurm.interface", None)
    if not interface:
        raise InvalidArgument(
            "it is not said which network the nodes reach this machine by",
            "give it with --interface, such as ib0, or set jobqueue.slurm.interface for Dask",
        )
    memory = dask.config.get("jobqueue.slurm.memory", None) or "4GB"
    cluster = SLURMCluster(
        n_workers=workers,
        cores=threads,
        processes=1,
        memory=memory,
        interface=interface,
        scheduler_options={"dashboard": False, "dashboard_address": None},
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


def run_on_cluster(
    function: Callable[[Given], Made], tasks: Sequence[Given], client: Any
) -> Iterator[tuple[Given, Made | None]]:
    """Run a function on each task, on the workers of a cluster, and yield results as they come.

    Parameters
    ----------
    function : callable
        Of a module that is installed where the workers run.
    tasks : sequence
    client : distributed.Client

    Yields
    ------
    task, result
        None where workers died over the task again and again.

    Raises
    ------
    ClusterLost
        If the scheduler has gone.
    """
    distributed = _distributed()
    # Other names than those of an earlier run: Dask would give the results of that.
    run = uuid.uuid4().hex[:8]
    futures = {
        client.submit(_on_worker, function, task, key=f"spinalcordseg-{run}-{n}", pure=False): task
        for n, task in enumerate(tasks)
    }
    try:
        for future in distributed.as_completed(futures, loop=client.loop):
            try:
                result = future.result()
            except distributed.KilledWorker:
                result = None
            except (distributed.CancelledError, OSError) as error:
                raise ClusterLost(
                    "the connection to the Dask scheduler was lost",
                    "start it again and repeat the command: what is done stays done",
                ) from error
            yield futures.pop(future), result
            future.release()
    finally:
        client.cancel(list(futures))


def _on_worker(function: Callable[[Given], Made], task: Given) -> Made:
    global _threads
    if _threads is None:
        import distributed

        _threads = distributed.get_worker().state.nthreads
        limit_threads(_threads)
    return function(task)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise _missing("Dask") from error
    return distributed


def _missing(name: str) -> InvalidArgument:
    return InvalidArgument(
        f"{name}, which runs a batch on a cluster, is not installed",
        'install it with `pip install "spinalcordseg[cluster]"`, or use --jobs',
    )
