"""Where buckets are folded: a pool of processes on this machine, or workers of a Dask cluster. Both call the same
function with the same buckets, and no bucket's answer hangs on where, when or how often it was folded.
"""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib import import_module
from typing import Any

from api.columns.reading import Bucket
from api.columns.wrong import WrongPartitions
from projections.columns.totals import Totals

FoldBucket = Callable[[Bucket], Totals]
Engine = Callable[[FoldBucket, Sequence[Bucket]], Iterator[tuple[Bucket, Totals]]]
"""Buckets with their totals, in the order in which they are done. Raises WrongPartitions."""

ALONE_ROWS = 50_000
"""Processes are not worth their while for fewer."""
LOST_AT_MOST = 3
"""So many times workers may be lost, before it is taken for the work's own fault."""
CONNECT_SECONDS = 10


def pool(processes: int | None = None) -> Engine:
    """A pool of processes, one a core unless told."""
    count = processes or len(os.sched_getaffinity(0))

    def run(fold: FoldBucket, buckets: Sequence[Bucket]) -> Iterator[tuple[Bucket, Totals]]:
        if sum(bucket.rows for bucket in buckets) <= ALONE_ROWS:
            yield from ((bucket, fold(bucket)) for bucket in buckets)
            return
        left = list(buckets)
        for _ in range(1 + LOST_AT_MOST):
            try:
                for bucket, totals in _pooled(fold, left, count):
                    left.remove(bucket)
                    yield bucket, totals
                return
            except BrokenProcessPool:
                continue  # a process was killed: what it had not finished is folded again
        raise WrongPartitions(
            f"Processes were ended from outside {1 + LOST_AT_MOST} times, the last time at bucket {left[0].number} "
            f"of {left[0].url}: is there enough memory?"
        )

    return run


def _pooled(fold: FoldBucket, buckets: Sequence[Bucket], count: int) -> Iterator[tuple[Bucket, Totals]]:
    """Raises BrokenProcessPool."""
    # Not forked: the libraries at work here have threads of their own.
    with ProcessPoolExecutor(min(count, len(buckets)), multiprocessing.get_context("spawn")) as processes:
        futures = {processes.submit(fold, bucket): bucket for bucket in buckets}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            processes.shutdown(cancel_futures=True)


def _pickled(fold: FoldBucket, bucket: Bucket) -> bytes:
    # Dask hands small values on in a form that has neither named tuples nor large integers.
    return pickle.dumps(fold(bucket))


def _client(distributed: Any, scheduler: str) -> Any:
    """A client that is connected. Raises WrongPartitions."""
    # Made in two steps: one that cannot connect has a thread by then, and must be closed or complains at the very end.
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        client.close()
        raise WrongPartitions(f"There is no Dask scheduler at {scheduler}: {error}.") from error
    return client


def dask(scheduler: str) -> Engine:
    """The workers of a Dask scheduler at an address like tcp://host:8786; each must have this program installed, and
    reach the partitions under the same name."""
    try:
        distributed: Any = import_module("distributed")  # a large library, for this engine alone
    except ModuleNotFoundError as error:
        raise WrongPartitions("This engine needs the library distributed; install tallyhold[dask].") from error

    def run(fold: FoldBucket, buckets: Sequence[Bucket]) -> Iterator[tuple[Bucket, Totals]]:
        with _client(distributed, scheduler) as client:
            futures = dict(zip(client.map(partial(_pickled, fold), buckets, pure=False), buckets, strict=True))
            try:
                for future in distributed.as_completed(futures, loop=client.loop):
                    yield futures[future], pickle.loads(future.result())
            except distributed.KilledWorker as error:
                raise WrongPartitions(f"Dask lost too many workers: {error}.") from error
            except (OSError, distributed.client.FutureCancelledError) as error:
                raise WrongPartitions(f"The Dask scheduler at {scheduler} was lost: {error}.") from error

    return run
