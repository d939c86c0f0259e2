"""Copies of a database, whole or not there, taken beside whatever server there is.

A backup is one SQLite file with this program's tables, whichever store it was taken from. It can be verified and
reconciled as it is, and restored onto either store. Of a person's words it holds ciphertext only: the keys of persons
are copied apart, so that destroying a key and its copies erases the words in every copy of the log.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID

import psycopg

from api.store import postgres, sqlite
from api.store.application import NotOurs, Tallyhold
from api.store.event_log import PAGE
from api.store.schema import LOG, create_views
from api.store.sealing_keys import SealingKeysFile, SealingKeysSchema
from domain.access.events import Forgotten
from domain.catalogue import NAMES
from projections.replay import TABLES, views_version

_BESIDE = ("", "-wal", "-journal", "-shm")
"""What SQLite would take for a part of a new file of the name."""
_POSTGRES_TYPES = {"INTEGER": "int8", "TEXT": "text", "BLOB": "bytea"}
_IDENTITIES = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND is_identity = 'YES'"
)


def copy_sqlite(source: Path, file: Path) -> int:
    """Copy a database file, as it stands at one instant, to a new file; its number of events. Raises NotOurs."""
    with new_database(file) as made, _telling(f"The database {source} cannot be copied"):
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=sqlite.BUSY_SECONDS)) as original:
            original.execute("VACUUM INTO ?", (str(made),))
        return _position(made)


def copy_postgres(url: str, file: Path) -> int:
    """Copy a PostgreSQL database, on one snapshot, to a new file of SQLite; its number of events. Raises NotOurs."""
    with new_database(file) as made, _telling(f"The database {postgres.shown(url)} cannot be copied"):
        sqlite.open_log(made).close()
        with postgres.connect(url) as source, _opened(made) as copy:
            source.execute("SET statement_timeout = 0")
            source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # Before the first look, which fixes the snapshot: no rebuild may swap a table between it and our reading.
            source.execute(f"LOCK TABLE {', '.join(_columns())} IN ACCESS SHARE MODE")
            written = source.execute("SELECT views_version FROM head").fetchone()
            for table, columns in _tables(is_current=written == (views_version(),)):
                _to_file(source, copy, table, columns)
        return _position(made)


def _position(file: Path) -> int:
    with _opened(file, mode="ro") as copy:
        ((position,),) = copy.execute("SELECT position FROM head")
    return int(position)


def _to_file(source: psycopg.Connection[Any], copy: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> None:
    names = ", ".join(columns)
    copy.execute(f"DELETE FROM {table}")
    with source.cursor().copy(f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT BINARY)") as rows:
        rows.set_types(_types(columns))
        marks = ", ".join("?" * len(columns))
        copy.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows.rows())


def restore_sqlite(backup: Path, path: Path) -> int:
    """Make a database file of a backup; its number of events. Raises NotOurs where there is one already."""
    _check(backup)
    return copy_sqlite(backup, path)


def restore_postgres(backup: Path, url: str) -> int:
    """Fill an empty PostgreSQL database with a backup, in one transaction; its number of events. Raises NotOurs."""
    _check(backup)
    with (
        _telling(f"The database {postgres.shown(url)} cannot be made of {backup}"),
        _opened(backup, mode="ro") as copy,
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
    return _position(backup)


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


def _check(backup: Path) -> None:
    """Raises NotOurs for a file that is no backup which this program can read."""
    if not backup.is_file():
        raise NotOurs(f"There is no backup {backup}.")
    with _telling(f"The backup {backup} cannot be read"):
        if not sqlite.is_made(backup):
            raise NotOurs(f"The file {backup} is no backup: it holds no log.")


@contextmanager
def new_database(file: Path) -> Iterator[Path]:
    """A place for a file of SQLite that gets its name when it is whole. Raises NotOurs where there is one already."""
    if taken := next((each for each in _named_like(file) if each.exists()), None):
        raise NotOurs(f"There is already a file {taken}; remove it or name another.")
    if not file.parent.is_dir():
        raise NotOurs(f"The file {file} cannot be made: there is no folder {file.parent}.")
    with _telling(f"The file {file} cannot be made"), TemporaryDirectory(dir=file.parent, prefix=".copy-") as folder:
        made = Path(folder, "copy.sqlite")
        yield made
        _fsync(made)
        os.link(made, file)  # fails where somebody else has made the file meanwhile
        _fsync(file.parent)


def _named_like(file: Path) -> Iterable[Path]:
    return (file.with_name(file.name + suffix) for suffix in _BESIDE)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(file: Path, *, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """One transaction on a file, which is in no other form afterwards than SQLite's plain one."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
        if mode == "rw":
            connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, psycopg.Error, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise NotOurs(f"{what}: {reason}.") from error


# -- the keys of persons -----------------------------------------------------------------------------------------------


def copy_keys(keys: SealingKeysFile | SealingKeysSchema, file: Path) -> int:
    """Copy the keys of persons, still wrapped by the master key, to a new file; how many. Raises NotOurs."""
    if not keys.masters():
        raise NotOurs("The database has no keys of persons that could be copied.")
    with new_database(file) as made, closing(SealingKeysFile(made)) as copy:
        rows = keys.rows()
        copy.fill(rows)
    return _count(rows)


def restore_keys(file: Path, keys: SealingKeysFile | SealingKeysSchema, forgotten: Collection[UUID]) -> int:
    """Keep the keys that were copied to a file, but for those who were forgotten; how many. Raises NotOurs.

    A copy made before somebody was forgotten still has the key, which must not come back.
    """
    if not file.is_file():
        raise NotOurs(f"There is no backup {file}.")
    with _telling(f"The file {file} is no backup of the keys of persons"), _opened(file, mode="ro") as copy:
        rows = copy.execute("SELECT person_id, wrapped, master FROM keys").fetchall()
    gone = {str(person_id) for person_id in forgotten}
    kept = [(person, None, "") if person in gone else (person, *rest) for person, *rest in rows]
    keys.fill(kept)
    return _count(kept)


def _count(rows: Iterable[Sequence[Any]]) -> int:
    return sum(wrapped is not None for _, wrapped, _ in rows)


def forgotten(log: Tallyhold) -> Collection[UUID]:
    """Everybody whose key was destroyed, as the log has it."""
    found: set[UUID] = set()
    after = 0
    while page := log.recorder.select_notifications(after, PAGE, topics=[NAMES[Forgotten]], inclusive_of_start=False):
        found.update(cast(Any, log.mapper.to_domain_event(each)).event.principal_id for each in page)
        after = page[-1].id
    return found
