"""The stock `eventsourcing` library on the databases of a run, as durable as ours."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
from psycopg.sql import SQL

from api.settings import sqlite_path
from api.store.postgres import with_marks
from api.store.row_statements import RowStatement
from api.store.rows import RowBatch
from api.store.schema import create_views, in_postgres
from domain.recorded import Recorded
from projections.replay import changes
from tests.bench.settings import BenchFailed

FULL = "2"
PLACE = ("DBNAME", "HOST", "PORT", "USER", "PASSWORD")


def environment(db: str) -> dict[str, str]:
    """The settings of an application on a database."""
    path = sqlite_path(db)
    if path is not None:
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": urlsplit(db).path[1:],
        "POSTGRES_HOST": urlsplit(db).hostname or "",
        "POSTGRES_PORT": str(urlsplit(db).port),
        "POSTGRES_USER": urlsplit(db).username or "",
        "POSTGRES_PASSWORD": urlsplit(db).password or "",
    }


def check_durable(db: str) -> None:
    """Raises BenchFailed where the library would not survive a power cut: it leaves all as the database has it."""
    path = sqlite_path(db)
    if path is not None:
        with closing(sqlite3.connect(path)) as file:
            journal = file.execute("PRAGMA journal_mode").fetchone()[0]
            synchronous = file.execute("PRAGMA synchronous").fetchone()[0]
        found = {"journal_mode": journal, "synchronous": str(synchronous)}
        wanted = {"journal_mode": "wal", "synchronous": FULL}
    else:
        wanted = {"fsync": "on", "synchronous_commit": "on"}
        with psycopg.connect(db) as connection:
            found = {name: _shown(connection, name) for name in wanted}
    if found != wanted:
        raise BenchFailed(f"The stock library ran with {found}.")


def _shown(connection: psycopg.Connection[Any], setting: str) -> str:
    row = connection.execute(f"SHOW {setting}".encode()).fetchone()
    assert row is not None
    return str(row[0])


# -- a materialised view, as the library keeps one ---------------------------------------------------------------------


class StockViews(Protocol):
    """Our read models, kept as the library keeps a view: an event's changes and its position in one transaction."""

    def apply(self, recorded: Recorded[Any], tracking: Tracking) -> None: ...


class SQLiteViews(SQLiteTrackingRecorder):
    """See StockViews."""

    def construct_create_table_statements(self) -> list[str]:
        return [*super().construct_create_table_statements(), *create_views()]

    def apply(self, recorded: Recorded[Any], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for statement, rows in _statements(recorded):
                cursor.executemany(statement.one, rows)


class PostgresViews(PostgresTrackingRecorder):
    """See StockViews."""

    def apply(self, recorded: Recorded[Any], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for statement, rows in _statements(recorded):
                cursor.executemany(with_marks(statement.one).encode(), rows)


def _statements(recorded: Recorded[Any]) -> Iterator[tuple[RowStatement, Sequence[Any]]]:
    batch = RowBatch()
    batch.take(changes([recorded]))
    return batch.statements()


@contextmanager
def stock_views(db: str) -> Iterator[StockViews]:
    """Empty views in a database of their own."""
    path = sqlite_path(db)
    if path is not None:
        with _sqlite_views(path) as files:
            yield files
        return
    place = environment(db)
    dbname, host, port, user, password = (place[f"POSTGRES_{name}"] for name in PLACE)
    datastore = PostgresDatastore(dbname, host, port, user, password)
    try:
        views = PostgresViews(datastore)
        views.sql_create_statements.extend(SQL(in_postgres(statement)).format() for statement in create_views())
        views.create_table()
        yield views
    finally:
        datastore.close()


@contextmanager
def _sqlite_views(path: Path) -> Iterator[SQLiteViews]:
    datastore = SQLiteDatastore(str(path))
    try:
        views = SQLiteViews(datastore)
        views.create_table()
        yield views
    finally:
        datastore.close()
