"""The book of the sandbox's payment gateway on PostgreSQL."""

from typing import Any

import psycopg

from api.store import postgres
from api.store.sandbox_gateway import BOOK, CHARGE, CHARGED, SandboxGateway
from api.store.schema import in_postgres


class PostgresGateway(SandboxGateway):
    """Its book is a schema of its own, which all processes share."""

    _errors = psycopg.Error

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        with postgres.connect(url) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (postgres.MAKING,))
            connection.execute("CREATE SCHEMA IF NOT EXISTS sandbox_gateway")
            connection.execute(in_postgres(BOOK.format("sandbox_gateway.charges")))

    def _rows(self, sql: str, params: tuple[Any, ...]) -> list[Any]:
        with postgres.connect(self._url) as connection:
            return connection.execute(postgres.with_marks(sql.format("sandbox_gateway.charges")), params).fetchall()

    def _entry(self, *charge: Any) -> tuple[int, bool]:
        with postgres.connect(self._url) as connection:
            connection.execute(postgres.with_marks(CHARGE.format("sandbox_gateway.charges")), charge)
            found = connection.execute(postgres.with_marks(CHARGED.format("sandbox_gateway.charges")), charge[:1])
            ((number, taken),) = found.fetchall()
        return number, bool(taken)
