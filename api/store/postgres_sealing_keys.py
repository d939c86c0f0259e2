"""Keys of persons on PostgreSQL. See sealing_keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from api.service.ports import StoreFailed
from api.store import postgres
from api.store.sealing_keys import StoredKeys

REWRITE_LOCK_MILLISECONDS = 2_000


class SealingKeysSchema(StoredKeys):
    """Keys in a schema of their own of a PostgreSQL database, for all processes; leave it out of dumps of the log."""

    _SHARED = " FOR SHARE"

    def __init__(self, url: str) -> None:
        super().__init__("tallyhold_keys.keys")
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        with postgres.connect(url) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (postgres.MAKING,))
            connection.execute("CREATE SCHEMA IF NOT EXISTS tallyhold_keys")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS tallyhold_keys.keys "
                "(person_id TEXT PRIMARY KEY, wrapped BYTEA, master TEXT NOT NULL)"
            )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _run(self, sql: str, params: Sequence[Any]) -> list[Any]:
        try:
            cursor = self._connected().execute(postgres.with_marks(sql), params)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if error.sqlstate is None:  # it is the connection that has failed, or nobody answers on it
                self.close()
            raise StoreFailed(str(error)) from error

    def destroy(self, person_id: UUID) -> None:
        """Also in the table's file: it is written anew without what was destroyed.

        VACUUM FULL would carry along what any snapshot of the database may still see; this does not. Nobody reads keys
        meanwhile, for some seconds with a million of them, and nobody waits for long where somebody else holds the
        table: then it fails, to be called again.
        """
        super().destroy(person_id)
        with self._lock, self._transaction():
            self._run(f"SET LOCAL lock_timeout = {REWRITE_LOCK_MILLISECONDS}", ())
            self._run(f"ALTER TABLE {self._table} ALTER wrapped TYPE BYTEA USING wrapped || ''::bytea", ())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connected().transaction():
            yield

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = postgres.connect(self._url, postgres.Impatient)
        return self._connection
