"""Backups of a PostgreSQL database: to a file of SQLite, and back. See backup."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from api.store import postgres, sqlite
from api.store.application import NotOurs
from api.store.backup import check_backup, new_database, opened, position_of, telling
from api.store.schema import LOG, create_views
from projections.replay import TABLES, views_version

_POSTGRES_TYPES = {"INTEGER": "int8", "TEXT": "text", "BLOB": "bytea"}
_IDENTITIES = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND is_identity = 'YES'"
)


def copy_postgres(url: str, file: Path) -> int:
    """Copy a PostgreSQL database, on one snapshot, to a new file of SQLite; its number of events. Raises NotOurs."""
    with new_database(file) as made, telling(f"The database {postgres.shown(url)} cannot be copied", psycopg.Error):
        sqlite.open_log(made).close()
        with postgres.connect(url) as source, opened(made) as copy:
            source.execute("SET statement_timeout = 0")
            source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # Before the first look, which fixes the snapshot: no rebuild may swap a table between it and our reading.
            source.execute(f"LOCK TABLE {', '.join(_columns())} IN ACCESS SHARE MODE")
            written = source.execute("SELECT views_version FROM head").fetchone()
            for table, columns in _tables(is_current=written == (views_version(),)):
                _to_file(source, copy, table, columns)
        return position_of(made)


def _to_file(source: psycopg.Connection[Any], copy: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> None:
    names = ", ".join(columns)
    copy.execute(f"DELETE FROM {table}")
    with source.cursor().copy(f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT BINARY)") as rows:
        rows.set_types(_types(columns))
        marks = ", ".join("?" * len(columns))
        copy.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows.rows())


def restore_postgres(backup: Path, url: str) -> int:
    """Fill an empty PostgreSQL database with a backup, in one transaction; its number of events. Raises NotOurs."""
    check_backup(backup)
    with (
        telling(f"The database {postgres.shown(url)} cannot be made of {backup}", psycopg.Error),
        opened(backup, mode="ro") as copy,
        postgres.connect(url) as target,
        target.transaction(),
    ):
        target.execute("SET LOCAL statement_timeout = 0")
        if not postgres.make_tables(target, url):
            raise NotOurs(f"There is already a database {postgres.shown(url)}; name an empty one.")
        ((written,),) = copy.execute("SELECT views_version FROM head")
        for table, columns in _tables(is_current=written == views_version()):
            _to_postgres(copy, target, table, columns)
        for table, column in target.execute(_IDENTITIES).fetchall():
            target.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "
                f"(SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
            )
    return position_of(backup)


def _to_postgres(
    copy: sqlite3.Connection, target: psycopg.Connection[Any], table: str, columns: Mapping[str, str]
) -> None:
    names = ", ".join(columns)
    target.execute(f"DELETE FROM {table}")
    with target.cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as rows:
        rows.set_types(_types(columns))
        for row in copy.execute(f"SELECT {names} FROM {table}"):
            rows.write_row(row)


def _types(columns: Mapping[str, str]) -> list[str]:
    return [_POSTGRES_TYPES[kind] for kind in columns.values()]


def _tables(*, is_current: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
    """What is copied, with its columns: read models of another version of this program have to be made anew."""
    views = {table.name for table in TABLES}
    for table, columns in _columns().items():
        if is_current or table not in views:
            yield table, columns


@cache
def _columns() -> Mapping[str, Mapping[str, str]]:
    """The tables of this program, each with the types of its columns by name."""
    with closing(sqlite3.connect(":memory:")) as empty:
        for statement in (*LOG, *create_views(), postgres.TRACKING):
            empty.execute(statement)
        tables = [name for (name,) in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: {column: kind for _, column, kind, *_ in empty.execute(f"PRAGMA table_info({table})")}
            for table in tables
        }
