"""What the machine itself can do: no figure of ours means anything without these of the same run."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from tests.bench import servers
from tests.bench.commands import stored_states
from tests.bench.load import Load, Target
from tests.bench.rounds import Say, figures, interleaved
from tests.bench.settings import Settings

BATCH = 64
SYNCS = 300
PAGE = 4096


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """A bare hello, raw inserts of a command's bytes, and the disk's own fdatasync."""
    states = stored_states(settings)
    with TemporaryDirectory(dir=settings.folder) as name:
        folder, kind = Path(name), settings.store.name
        insert_rate = INSERT_RATES[kind]
        load = Load(folder, [Target("/hello", "nobody")])
        with servers.bare(folder, {}) as bare:
            contestants = {
                "hello": lambda: load.run(bare, settings.waiting, settings.seconds).per_second,
                f"{kind}_commit_each": lambda: insert_rate(settings, states, 1),
                f"{kind}_{BATCH}_per_commit": lambda: insert_rate(settings, states, BATCH),
            }
            samples = interleaved(contestants, settings.rounds, say)
    units = {"hello": "requests/s"}
    shown = {name: {"unit": units.get(name, "commands/s"), **figures(rates)} for name, rates in samples.items()}
    return {**shown, "fdatasync": fdatasync(settings.folder)}


def _in_sqlite(settings: Settings, states: Sequence[bytes], batch: int) -> float:
    """Commands per second: the bytes of each are rows of one append-only table, some commands to a commit."""
    rows = [(state,) for _ in range(batch) for state in states]
    with TemporaryDirectory(dir=settings.folder) as name, closing(_a_file(Path(name))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, state BLOB NOT NULL)")

        def commit() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events (state) VALUES (?)", rows)
            connection.execute("COMMIT")

        return batch * _rate(commit, settings.seconds / 2)


def _a_file(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "floor.sqlite", isolation_level=None)


def _in_postgres(settings: Settings, states: Sequence[bytes], batch: int) -> float:
    """The same through psycopg, all rows of a commit in one pipeline."""
    rows = [(state,) for _ in range(batch) for state in states]
    with (
        TemporaryDirectory(dir=settings.folder) as name,
        settings.store.new(Path(name)) as db,
        psycopg.connect(db) as connection,
    ):
        connection.execute(
            "CREATE TABLE events (position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state BYTEA NOT NULL)"
        )
        connection.commit()

        def commit() -> None:
            connection.cursor().executemany("INSERT INTO events (state) VALUES (%b)", rows)
            connection.commit()

        return batch * _rate(commit, settings.seconds / 2)


INSERT_RATES = {"sqlite": _in_sqlite, "postgres": _in_postgres}


def _rate(commit: Callable[[], None], seconds: float) -> float:
    """How many commits a second."""
    began, commits = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        commit()
        commits += 1
    return commits / passed


def fdatasync(folder: Path) -> dict[str, Any]:
    """How long the disk takes to keep one more page, in microseconds."""
    with TemporaryDirectory(dir=folder) as name:
        descriptor = os.open(Path(name) / "pages", os.O_WRONLY | os.O_CREAT)
        try:
            times = [_sync_one(descriptor) for _ in range(SYNCS)]
        finally:
            os.close(descriptor)
    tenths = quantiles(times, n=10)
    shown = {"median": median(times), "p10": tenths[0], "p90": tenths[-1]}
    return {"unit": "us", **{name: round(value, 1) for name, value in shown.items()}}


def _sync_one(descriptor: int) -> float:
    os.write(descriptor, bytes(PAGE))
    began = time.perf_counter()
    os.fdatasync(descriptor)
    return (time.perf_counter() - began) * 1e6
