"""Transactions and snapshots on SQLite."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from api.service.ports import StoreBusy, StoreFailed
from api.store.row_statements import RowStatement
from api.store.sqlite import CACHE_KIB, connect, connect_to_write
from api.store.sqlite_checkpoints import Checkpointer
from projections.read_model import Value

P = ParamSpec("P")
R = TypeVar("R")

SMALL_CACHE_KIB = 2_048
LATEST_CHECKPOINT_PAGES = 64_000
"""A connection that serves makes a checkpoint itself once the log is as long as this: the thread has not kept up."""
_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What was asked is wrong, not the store: a bug of ours."""


def _told(error: sqlite3.Error) -> StoreBusy | StoreFailed:
    """SQLite's error in the words of the port."""
    code: int = getattr(error, "sqlite_errorcode", 0)  # what Python itself cannot read has none
    is_busy = code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return StoreBusy(str(error)) if is_busy else StoreFailed(str(error))


def translated(method: Callable[P, R]) -> Callable[P, R]:
    """A method that raises StoreBusy and StoreFailed for SQLite's errors."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except _OURS:
            raise
        except sqlite3.Error as error:
            raise _told(error) from error

    return call


@contextmanager
def _translating() -> Iterator[None]:
    """The same for what is done within."""
    try:
        yield
    except _OURS:
        raise
    except sqlite3.Error as error:
        raise _told(error) from error


class SQLiteSession:
    """See Session. Without ``wait_seconds`` it waits for no lock: who serves asks again."""

    waits = False

    def __init__(
        self, path: Path, *, wait_seconds: float = 0, is_durable: bool = True, checkpoint_rows: int | None = None
    ) -> None:
        """``checkpoint_rows`` are written before a checkpoint is made beside the commits; null: a commit makes it."""
        self._connection = connect_to_write(path, timeout=wait_seconds)
        self._written = 0
        self._last_row: Any = None
        self._checkpointer: Checkpointer | None = None
        if not is_durable:
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if checkpoint_rows is not None:
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {LATEST_CHECKPOINT_PAGES}")
            another = partial(connect, str(path), cache_kib=SMALL_CACHE_KIB)
            self._checkpointer = Checkpointer(self._connection, another, checkpoint_rows)

    @translated
    def begin(self, sql: str, then: str = "", params: Sequence[int] = ()) -> tuple[Any, list[Any]]:
        self._connection.execute("BEGIN IMMEDIATE")
        row = self._connection.execute(sql).fetchone()
        return row, self.read(then, params) if then else []

    @translated
    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, params).fetchall()

    @translated
    def write(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        self._connection.executemany(sql, rows)
        self._written += len(rows)

    def put(self, statement: RowStatement, rows: Sequence[Sequence[Value]]) -> None:
        self.write(statement.one, rows)

    @translated
    def write_last(self, sql: str, params: Sequence[Any]) -> None:
        (self._last_row,) = self._connection.execute(sql, params).fetchall()

    @translated
    def define(self, statement: str) -> None:
        self._connection.execute(statement)

    def hurry(self) -> None:
        """Nobody who reads is waited for."""

    def send(self) -> None:
        """Whatever was written was written at once."""

    @translated
    def commit(self) -> Any:
        self._connection.execute("COMMIT")
        if self._checkpointer is not None:
            self._checkpointer.committed(self._written)
        self._written = 0
        row, self._last_row = self._last_row, None
        return row

    def rollback(self) -> None:
        self._written, self._last_row = 0, None
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._connection.close()


class SQLiteReader:
    """See Reader. Point reads take some microseconds and run on the event loop: a thread would cost ten times that."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self._path = path
        self._connection = connection
        self._connection.row_factory = sqlite3.Row

    @classmethod
    def of(cls, path: Path, *, broken_text: bool = False, cache_kib: int = CACHE_KIB) -> "SQLiteReader":
        """A reader of a file."""
        connection = connect(str(path), cache_kib=cache_kib)
        connection.execute("PRAGMA query_only = 1")
        if broken_text:
            connection.text_factory = lambda text: text.decode(errors="replace")
        return cls(connection, path)

    @translated
    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, params).fetchall()

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Iterator[Any]]:
        with _translating():
            cursor = self._connection.execute(sql, params)
            try:
                yield cursor
            finally:
                with suppress(sqlite3.ProgrammingError):  # an iterator that was left may be ended after the connection
                    cursor.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:  # some errors have ended it
                self._connection.execute("ROLLBACK")  # to commit fails once something damaged was read

    def another(self) -> "SQLiteReader":
        assert self._path is not None, "a database in memory has one connection"
        return SQLiteReader.of(self._path, cache_kib=SMALL_CACHE_KIB)

    def close(self) -> None:
        self._connection.close()
