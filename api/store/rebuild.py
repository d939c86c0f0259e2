"""Read models made anew from the log, in one transaction: readers see the old rows until the new ones are whole."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from api.store.mapper import to_recorded
from api.store.rows import RowBatch
from api.store.schema import create_views, drop_views
from api.store.sqlite import BUSY_SECONDS, connect
from domain.recorded import Recorded
from projections.replay import changes, views_version

PAGE = 1_000

Progress = Callable[[int, int], None]
"""Told after each page: events done, and all there are."""


def is_outdated(path: Path) -> bool:
    """Whether the rows were written by another version of the read models."""
    connection = connect(str(path))
    try:
        written: str = connection.execute("SELECT views_version FROM head").fetchone()[0]
    finally:
        connection.close()
    return written != views_version()


def rebuild(path: Path, progress: Progress) -> int:
    """Rebuild all read models; the number of events that were replayed."""
    connection = connect(str(path), timeout=BUSY_SECONDS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        count = _replay(connection, progress)
        connection.execute("COMMIT")
    finally:
        connection.close()
    return count


def _replay(connection: sqlite3.Connection, progress: Progress) -> int:
    for statement in (*drop_views(), *create_views()):
        connection.execute(statement)
    (total,) = connection.execute("SELECT position FROM head").fetchone()
    done = 0
    for page in _pages(connection):
        batch = RowBatch()
        batch.take(changes(page))
        for sql, params in batch.statements():
            connection.executemany(sql, params)
        done += len(page)
        progress(done, total)
    connection.execute(
        "UPDATE head SET views_version = ?, next_due = (SELECT min(due_at) FROM "
        "(SELECT due_at FROM jobs WHERE due_at IS NOT NULL UNION ALL "
        "SELECT due_at FROM assignments WHERE due_at IS NOT NULL))",
        (views_version(),),
    )
    return done


def _pages(connection: sqlite3.Connection) -> Iterator[list[Recorded[Any]]]:
    rows = connection.execute(
        "SELECT originator_id, originator_version, position, topic, state FROM stored_events ORDER BY position"
    )
    while page := rows.fetchmany(PAGE):
        yield [to_recorded(UUID(stream), *rest) for stream, *rest in page]
