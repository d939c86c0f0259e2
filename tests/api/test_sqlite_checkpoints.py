"""The write-ahead log of SQLite is copied beside the commits, again and again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.store.sqlite import connect_to_write
from api.store.sqlite_checkpoints import Checkpointer
from api.store.sqlite_session import SQLiteSession

ROW = [(b"x" * 8_000,)]
COMMITS = 600
WAL_BYTES_OF_A_COMMIT = 8_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.sqlite"
    with closing(connect_to_write(path)) as connection:
        connection.execute("CREATE TABLE head (id INTEGER PRIMARY KEY, position INTEGER)")
        connection.execute("CREATE TABLE rows (row BLOB)")
    return path


def wal_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def test_the_log_does_not_grow_with_every_commit(path: Path) -> None:
    with closing(SQLiteSession(path, checkpoint_rows=20)) as session:
        for _ in range(COMMITS):
            session.begin("SELECT position FROM head")
            session.write("INSERT INTO rows VALUES (?)", ROW)
            session.commit()
        assert wal_bytes(path) < COMMITS * WAL_BYTES_OF_A_COMMIT / 3
        session.begin("SELECT position FROM head")
        assert session.read("SELECT count(*) FROM rows") == [(COMMITS,)]
        session.rollback()


def test_a_commit_does_not_fail_with_a_checkpoint(path: Path) -> None:
    def no_connection() -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    committing = connect_to_write(path)
    checkpointer = Checkpointer(committing, no_connection, 1)
    checkpointer.committed(1)
    checkpointer.close()
    committing.close()  # what is left to copy cannot be copied either
    checkpointer.committed(1)
