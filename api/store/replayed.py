"""Read models in a database of their own, replayed from events: for looking back, and for comparing."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from api.store.rows import RowBatch
from api.store.schema import create_views
from domain.recorded import Recorded
from projections.replay import changes


@contextmanager
def replayed(
    pages: Iterable[Sequence[Recorded[Any]]], told: Callable[[int], None], where: str = ":memory:"
) -> Iterator[sqlite3.Connection]:
    """All read models after these events; ``told`` how many were taken in. Gone, but for its file, when left."""
    connection = sqlite3.connect(where, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for statement in create_views():
            connection.execute(statement)
        done = 0
        for page in pages:
            batch = RowBatch()
            batch.take(changes(page))
            for write, rows in batch.statements():
                connection.executemany(write.one, rows)
            done += len(page)
            told(done)
        yield connection
    finally:
        connection.close()
