"""Transactions and snapshots on PostgreSQL. A lost connection is made anew with the next transaction or read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from time import monotonic
from typing import Any

import psycopg
from psycopg.rows import no_result

from api.service.ports import StoreBusy, StoreFailed
from api.store import postgres
from api.store.postgres import DatabaseClock, connect, with_marks
from api.store.postgres_arrays import Array, arrays, send_arrays
from api.store.row_statements import RowStatement
from api.store.schema import FIRST_TO_BE_MADE_ANEW, in_postgres
from api.store.sessions import OutcomeUnknown
from projections.read_model import Value

FETCHED_AT_ONCE = 50
HURRIED_LOCK_MILLISECONDS = 200
STANDS_STILL_SECONDS = 10.0
"""So long reads fail at once after a server has not taken a connection in time: the event loop waits with them."""
_numbers = count()

_NOW = "SELECT (extract(epoch from clock_timestamp()) * 1000)::bigint"
_OURS = (psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError)
"""What was asked is wrong, not the store: a bug of ours."""

_BEGIN_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    f"LOCK TABLE {', '.join(FIRST_TO_BE_MADE_ANEW)} IN ACCESS SHARE MODE"
)
"""Before the first look, which fixes the snapshot: in tables that are made anew after it there are no rows for it."""

marked = lru_cache(1_024)(with_marks)


class Row(tuple[Any, ...]):
    """A row with its columns by number and by name."""

    places: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self.places[key] if isinstance(key, str) else key)


@lru_cache(1_024)
def _row_type(columns: tuple[str, ...]) -> type[Row]:
    return type("Row", (Row,), {"places": {name: place for place, name in enumerate(columns)}})


def named_rows(cursor: psycopg.Cursor[Any]) -> Any:
    """psycopg's way to make rows."""
    if cursor.description is None:
        return no_result
    return _row_type(tuple(column.name for column in cursor.description))


class PostgresSession:
    """See Session. What is written is gathered, and sent at once before the next read or with the commit."""

    waits = True

    def __init__(self, url: str, clock: DatabaseClock | None = None, *, is_durable: bool = True) -> None:
        self._url = url
        self._is_durable = is_durable
        self._clock = clock
        self._connection: psycopg.Connection[Any] | None = None
        self._gathered: list[tuple[str, Sequence[Sequence[Value | Array]]]] = []
        self._last: tuple[str, Sequence[Any]] | None = None

    def begin(self, sql: str, then: str = "", params: Sequence[int] = ()) -> tuple[Any, list[Any]]:
        self._forget()
        # One round trip, and no pipeline: after one the server does not notice that its client is idle.
        # The time is asked for once the lock is there: before it others were still deciding.
        message = f"BEGIN; {sql} FOR UPDATE; {_NOW}; {then.replace('?', '{:d}').format(*params)}"
        with self._translated():
            if self._connection is not None:
                try:
                    return self._begin(self._connection, message)
                except psycopg.OperationalError as error:
                    if not is_lost(error):
                        raise
                    self._drop()  # lost since the last transaction: nothing has happened in this one
            self._connection = self._connect()
            return self._begin(self._connection, message)

    def _connect(self) -> psycopg.Connection[Any]:
        # What is worked out behind the commands may take its time, and is waited for by nobody.
        connection = connect(self._url, postgres.Impatient if self._is_durable else psycopg.Connection)
        send_arrays(connection)
        # Rows are found by their index, however few the tables had when a statement was planned.
        connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off")
        if not self._is_durable:
            connection.execute("SET synchronous_commit = off")
        if connection.info.server_version >= 17_00_00:
            # The limit of idleness does not see a client that stalls amid the messages of a pipeline; this one does.
            connection.execute(f"SET transaction_timeout = {2 * postgres.STALLED_MILLISECONDS}")
        return connection

    def _begin(self, connection: psycopg.Connection[Any], message: str) -> tuple[Any, list[Any]]:
        cursor = connection.execute(message)
        cursor.nextset()
        row = cursor.fetchone()
        cursor.nextset()
        said = cursor.fetchone()
        assert said is not None
        if self._clock is not None:
            self._clock.set(said[0])
        return row, cursor.fetchall() if cursor.nextset() else []

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        self.send()
        with self._translated():
            return self._live().execute(marked(sql), params).fetchall()

    def write(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        if rows:
            self._gathered.append((marked(sql), rows))

    def put(self, statement: RowStatement, rows: Sequence[Sequence[Value]]) -> None:
        if rows:
            self._gathered.append((marked(statement.many), [arrays(statement.types, rows)]))

    def write_last(self, sql: str, params: Sequence[Any]) -> None:
        self._last = marked(sql), params

    def define(self, statement: str) -> None:
        self.send()
        with self._translated():
            self._live().execute(in_postgres(statement))

    def hurry(self) -> None:
        with self._translated():
            self._live().execute(f"SET LOCAL lock_timeout = {HURRIED_LOCK_MILLISECONDS}")

    def send(self) -> None:
        if self._gathered:
            with self._translated():
                connection = self._live()
                with connection.pipeline():
                    self._run_gathered(connection)

    def _run_gathered(self, connection: psycopg.Connection[Any]) -> None:
        gathered, self._gathered = self._gathered, []
        with connection.cursor() as cursor:
            for sql, rows in gathered:
                for row in rows:
                    cursor.execute(sql, row)

    def commit(self) -> Any:
        with self._translated():
            connection, last = self._live(), self._last
            cursor = connection.cursor()
            try:
                with connection.pipeline():  # all of it in one round trip
                    self._run_gathered(connection)
                    if last is not None:
                        cursor.execute(*last)
                    connection.execute("COMMIT")
            except psycopg.OperationalError as error:
                self._drop()
                raise OutcomeUnknown(_sentence(error)) from error
            return None if last is None else cursor.fetchone()

    def _live(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise StoreFailed("The connection was lost in the middle of a transaction.")
        return self._connection

    def rollback(self) -> None:
        self._forget()
        connection = self._connection
        if connection is None or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self._drop()

    def close(self) -> None:
        self._drop()

    def _forget(self) -> None:
        self._gathered.clear()
        self._last = None

    def _drop(self) -> None:
        """Let go of the connection: the database then forgets what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """PostgreSQL's errors in the words of the port."""
        try:
            yield
        except _OURS:
            raise
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            self._drop()
            raise StoreBusy(_sentence(error)) from error
        except psycopg.Error as error:
            self._drop()
            raise StoreFailed(_sentence(error)) from error


class PostgresReader:
    """See Reader. The network is waited for on the event loop: a thread would cost more than a round trip."""

    def __init__(self, url: str, *, serves: bool = False) -> None:
        """With ``serves``, each connection holds the lock of who serves: also the one after the database was away."""
        self._url = url
        self._serves = serves
        self._connection: psycopg.Connection[Any] | None = None
        self._in_snapshot = False
        self._asked_again_at = 0.0
        """Real time before which nobody is made to wait once more for a server that stands still."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        was_lost = self._connection is None
        try:
            return self._execute(marked(sql), params)
        except psycopg.OperationalError as error:
            self.close()
            if was_lost or self._in_snapshot or not is_lost(error):
                raise StoreFailed(_sentence(error)) from error
        try:
            return self._execute(marked(sql), params)  # once more: the connection may have been lost long ago
        except psycopg.OperationalError as error:
            self.close()
            raise StoreFailed(_sentence(error)) from error

    def _execute(self, sql: str, params: Sequence[Any]) -> list[Any]:
        return self._open().execute(sql, params).fetchall()

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            if monotonic() < self._asked_again_at:
                raise StoreFailed("The database stands still; it is asked again in some seconds.")
            try:
                self._connection = connect(self._url, postgres.Impatient)
            except psycopg.errors.ConnectionTimeout:
                self._asked_again_at = monotonic() + STANDS_STILL_SECONDS
                raise
            if self._serves and not postgres.is_served_by(self._connection):
                self.close()
                raise StoreFailed("Somebody must be alone with the database; try again in some seconds.")
            self._connection.row_factory = named_rows
            self._connection.execute("SET default_transaction_read_only = on")
        return self._connection

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Iterator[Any]]:
        try:
            with self._open().cursor(f"rows_{next(_numbers)}") as cursor:
                cursor.itersize = FETCHED_AT_ONCE
                cursor.execute(marked(sql), params)
                yield iter(cursor)
        except psycopg.OperationalError as error:
            self.close()
            raise StoreFailed(_sentence(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.rows("SELECT 1")  # so that a connection which was lost meanwhile is made anew
        self._in_snapshot = True
        connection = self._open()
        try:
            connection.execute(_BEGIN_SNAPSHOT)
            yield
            connection.execute("COMMIT")
        except psycopg.OperationalError as error:
            raise StoreFailed(_sentence(error)) from error
        finally:
            self._in_snapshot = False
            if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self.close()

    def another(self) -> "PostgresReader":
        return PostgresReader(self._url)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()


def is_lost(error: psycopg.Error) -> bool:
    """Whether it is the connection that has failed, not the statement."""
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "25") or error.sqlstate[:3] == "57P"


def _sentence(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
