"""A pool of processes and a Dask cluster fold the same buckets; a killed worker costs time and nothing else."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from api.columns import engines
from api.columns.engines import Engine, dask, pool
from api.columns.folding import fold_bucket
from api.columns.manifest import Folder, read_manifest
from api.columns.reading import Bucket, buckets_of
from api.columns.wrong import WrongPartitions
from projections.columns.totals import Totals, merged
from tests.columns.dying import die, die_once
from tests.program import environment, failed, in_a_process_of_its_own, tallyhold

T = TypeVar("T")

PATIENCE_SECONDS = 30


@pytest.fixture
def buckets(partitions: Path) -> list[Bucket]:
    """Some of them."""
    folder = Folder(str(partitions))
    return buckets_of(folder, read_manifest(folder))[:12]


@pytest.fixture
def right(buckets: list[Bucket]) -> Totals:
    return merged(map(fold_bucket, buckets))


@pytest.fixture(autouse=True)
def _always_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "ALONE_ROWS", 0)


def totals_of(engine: Engine, buckets: list[Bucket], fold: engines.FoldBucket = fold_bucket) -> Totals:
    found = dict(engine(fold, buckets))
    assert set(found) == set(buckets)
    return merged(found.values())


# A pool of processes


def test_a_pool_of_processes(buckets: list[Bucket], right: Totals) -> None:
    assert totals_of(pool(2), buckets) == right


def test_a_killed_process_changes_nothing(buckets: list[Bucket], right: Totals, partitions: Path) -> None:
    assert totals_of(pool(2), buckets, die_once) == right
    assert (partitions / "died").exists()


def test_processes_that_are_killed_again_and_again_are_told_of(
    buckets: list[Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOST_AT_MOST", 1)
    with pytest.raises(WrongPartitions, match="ended from outside 2 times"):
        totals_of(pool(2), buckets[:2], die)


def test_a_spoiled_file_is_named_from_within_a_process(buckets: list[Bucket], partitions: Path) -> None:
    file = partitions / buckets[5].files[0].path
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WrongPartitions, match="is cut short"):
        totals_of(pool(2), buckets)


# A Dask cluster


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self._begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        self.address: str = self._when(lambda: json.loads(file.read_text())["address"])
        for name in ("ada", "ben"):
            self._begin("worker", self.address, "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self._when(self._check_workers)

    def _begin(self, what: str, *arguments: str) -> None:
        with (self._folder / "cluster.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments],
                cwd=self._folder,
                env=environment(),
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)

    def _check_workers(self) -> None:
        log = (self._folder / "cluster.log").read_text()
        if log.count("Register worker") < 2:
            raise LookupError(log)

    def _when(self, ask: Callable[[], T]) -> T:
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except (OSError, LookupError, ValueError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def a_cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()


def test_dask(buckets: list[Bucket], right: Totals, partitions: Path, tmp_path: Path) -> None:
    with a_cluster(tmp_path) as cluster:
        assert totals_of(dask(cluster.address), buckets) == right
        options = ("--engine", "dask", "--scheduler", cluster.address, "--json")
        told = tallyhold("reconcile-partitions", str(partitions), *options)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["agrees"]
        # One worker hangs, so that what it was given is not done when it is killed.
        worker = cluster.processes[1]
        worker.send_signal(signal.SIGSTOP)
        found: dict[Bucket, Totals] = {}
        for bucket, totals in dask(cluster.address)(fold_bucket, buckets):
            if not found:
                worker.kill()
            found[bucket] = totals
        assert set(found) == set(buckets)
        assert merged(found.values()) == right
        file = partitions / buckets[5].files[0].path
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(WrongPartitions, match="is cut short"):
            totals_of(dask(cluster.address), buckets)


def test_no_scheduler(buckets: list[Bucket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.5)
    with pytest.raises(WrongPartitions, match="There is no Dask scheduler at tcp://127"):
        totals_of(dask("tcp://127.0.0.1:1"), buckets)


def test_a_scheduler_that_is_none_is_told_in_one_sentence(partitions: Path) -> None:
    options = ("--engine", "dask", "--scheduler", "nonsense")
    outcome = in_a_process_of_its_own("reconcile-partitions", str(partitions), *options)
    failed(outcome, 1, "There is no Dask scheduler at nonsense")
    assert len(outcome.stderr.splitlines()) == 1
