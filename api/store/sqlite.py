"""The embedded store: recorders of the `eventsourcing` library on one SQLite file, WAL, synchronous=FULL.

What differs from the library's own: positions are an explicit column without gaps, several events are inserted with
one statement, writers begin IMMEDIATE, and the hash tree and the head grow in the transaction of the events.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from eventsourcing.persistence import (
    Notification,
    PersistenceError,
    StoredEvent,
    Tracking,
)
from eventsourcing.sqlite import (
    SQLiteAggregateRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteFactory,
    SQLiteProcessRecorder,
    SQLiteTransaction,
)

from api.store.application import NotOurs, Tallyhold
from api.store.schema import INSERT_EVENTS, LOG, SCHEMA_VERSION, create_views, event_rows
from projections.replay import views_version

APPLICATION_ID = 0x54414C59
"""In the file's header, so that no other program's database is taken for ours."""
CACHE_KIB = 64 * 1024
BUSY_SECONDS = 5
CHECKPOINT_PAGES = 8_000
"""A checkpoint copies each changed page once, and the same pages change in every batch: fewer of them do less."""
LAST = 2**63 - 1


def connect(path: str, *, timeout: float = BUSY_SECONDS, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
    """A connection whose commits survive a power cut. Who only reads leaves the file as it is, every byte of it."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def connect_to_write(path: Path, **options: Any) -> sqlite3.Connection:
    """The same for who writes beside others who read."""
    connection = connect(str(path), **options)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


class _Transaction(SQLiteTransaction):
    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        # A deferred transaction that reads and then writes fails at once beside another writer.
        cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        return cursor


class _Connection(SQLiteConnection):
    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        with _Transaction(self, commit=commit) as cursor, cursor:
            yield cursor


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = connect(self.db_name)
        connection.row_factory = sqlite3.Row
        return _Connection(sqlite_conn=connection, max_age=self.max_age)


class Datastore(SQLiteDatastore):
    """The library's datastore with connections of ours."""

    def __init__(self, db_name: str, *, originator_id_type: Literal["uuid", "text"] = "uuid") -> None:
        super().__init__(db_name, originator_id_type=originator_id_type)
        self.pool = _Pool(db_name=db_name)


class LogRecorder(SQLiteProcessRecorder):
    """Events, the head of the log with its hash tree, and the read models' checkpoint."""

    def construct_create_table_statements(self) -> list[str]:
        tracking = super().construct_create_table_statements()[1:]
        return [*LOG, *create_views(), *tracking]

    def _create_table(self, c: SQLiteCursor) -> None:
        c.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        super()._create_table(c)
        c.execute(
            "INSERT INTO head (id, position, peaks, last_time, schema_version, views_version, secret) "
            "VALUES (1, 0, x'', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (time.time_ns() // 1_000_000, SCHEMA_VERSION, views_version(), os.urandom(16)),
        )
        c.execute("INSERT INTO digest (id, position, dropped) VALUES (1, 0, 0) ON CONFLICT DO NOTHING")

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        c.execute("SELECT position, peaks FROM head")
        position, peaks = c.fetchone()
        rows, peaks = event_rows(position, peaks, stored_events)
        c.sqlite_cursor.executemany(INSERT_EVENTS.one, rows)
        end = position + len(stored_events)
        c.execute("UPDATE head SET position = ?, peaks = ?", (end, peaks))
        tracking: Tracking | None = kwargs.get("tracking")
        if tracking is not None:
            self._insert_tracking(c, tracking)
        return list(range(position + 1, end + 1))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events by position, from ``start`` to ``stop``; null means from the first, to the last."""
        first = 0 if start is None else start + (not inclusive_of_start)
        among = f"AND topic IN ({', '.join('?' * len(topics))})" if topics else ""
        statement = (
            "SELECT position, originator_id, originator_version, topic, state FROM stored_events "
            f"WHERE position >= ? AND position <= ? {among} ORDER BY position LIMIT ?"
        )
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, (first, LAST if stop is None else stop, *topics, limit))
            return [
                Notification(
                    id=position, originator_id=UUID(stream), originator_version=version, topic=topic, state=state
                )
                for position, stream, version, topic, state in c.fetchall()
            ]

    def _max_notification_id(self, c: SQLiteCursor) -> int:
        c.execute("SELECT nullif(position, 0) FROM head")
        position: int = c.fetchone()[0]
        return position


class Factory(SQLiteFactory):
    """Makes the recorders of this store."""

    process_recorder_class = LogRecorder
    application_recorder_class = LogRecorder  # type: ignore[assignment]
    tracking_recorder_class = LogRecorder  # type: ignore[assignment]
    aggregate_recorder_class = SQLiteAggregateRecorder

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.datastore.close()
        self.datastore = Datastore(self.env.get(self.SQLITE_DBNAME) or "")


def open_log(path: Path) -> Tallyhold:
    """The log in a file, made if there is none. Raises NotOurs with a sentence for people."""
    if not path.parent.is_dir():
        raise NotOurs(f"The database {path} cannot be made: there is no folder {path.parent}.")
    if path.is_dir():
        raise NotOurs(f"The database {path} cannot be opened: it is a folder.")
    try:
        # Nothing is written where the tables are there: the file may be busy with a server's batches.
        create = "n" if is_made(path) else "y"
        if create == "y":
            connect_to_write(path).close()
        return Tallyhold(Factory, {"SQLITE_DBNAME": str(path), "CREATE_TABLE": create})
    except (sqlite3.Error, PersistenceError, OSError) as error:
        is_read_only = path.exists() and not os.access(path.parent, os.W_OK)
        hint = "; where nothing can be written, only a backup can be read" if is_read_only else ""
        raise NotOurs(f"The database {path} cannot be opened: {error}{hint}.") from error


def is_made(path: Path) -> bool:
    """Whether the tables are there. Raises NotOurs for a file of another program or schema, and leaves it as it was."""
    if not path.exists():
        return False
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application != APPLICATION_ID and tables:
            raise NotOurs(f"The database {path} belongs to another program.")
        made = connection.execute("SELECT schema_version FROM head").fetchone() if "head" in tables else None
    finally:
        connection.close()
    if made is not None and made[0] != SCHEMA_VERSION:
        raise NotOurs(f"The database {path} has schema version {made[0]}; this program's is {SCHEMA_VERSION}.")
    return made is not None


def claim_mode(path: Path, *, sandbox: bool) -> None:
    """Serve a database in one mode for ever. Raises NotOurs if it was served in the other one before."""
    wanted = "sandbox" if sandbox else "real"
    if not os.access(path, os.W_OK):
        raise NotOurs(f"The database {path} cannot be served: the file is read-only.")
    connection = connect_to_write(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        (mode,) = connection.execute("SELECT mode FROM head").fetchone()
        if mode is None:
            # The virtual clock begins where the database did, or at the last thing that happened in it.
            connection.execute(
                "UPDATE head SET mode = ?, sandbox_now = CASE WHEN ? THEN last_time END", (wanted, sandbox)
            )
        elif mode != wanted:
            flag = "with" if mode == "sandbox" else "without"
            raise NotOurs(f"The database {path} is of mode {mode} for ever; serve it {flag} --sandbox.")
        connection.execute("COMMIT")
    finally:
        connection.close()
