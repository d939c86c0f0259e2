"""Read models made anew from the log, beside whoever serves it.

The new rows lie in tables of their own until they have caught up with the log; then, under the lock of the head,
they take the place of the old ones. Readers see the old rows until then, and the new ones whole.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

from api.service.ports import StoreBusy, StoreFailed
from api.store.databases import Database
from api.store.mapper import to_recorded
from api.store.rows import RowBatch
from api.store.schema import create_indexes, create_table
from api.store.sessions import Session
from domain.recorded import Recorded
from projections.read_model import Change, Table
from projections.replay import TABLES, changes, views_version

PAGE = 1_000
NEW = "rebuilt_"
BUSY_PAUSE_SECONDS = 0.005
BUSY_SECONDS = 60.0

Progress = Callable[[int, int], None]
"""Told after each page: events done, and all there are."""

_HEAD = "SELECT position FROM head"


def is_outdated(database: Database) -> bool:
    """Whether the rows were written by another version of the read models."""
    with closing(database.reader()) as reader:
        written: str = reader.rows("SELECT views_version FROM head")[0][0]
    return written != views_version()


def rebuild(database: Database, progress: Progress) -> int:
    """Rebuild all read models; the number of events that were replayed. If it fails, they are as they were."""
    tables = {table.name: replace(table, name=NEW + table.name) for table in TABLES}
    with closing(database.session()) as session:
        try:
            _make(session, tables)
            return _fill(session, tables, progress)
        except BaseException:
            session.rollback()
            with suppress(StoreBusy, StoreFailed):  # what stays is dropped by the next rebuild
                _begin(session)
                _drop(session, tables)
                session.commit()
            raise


def _make(session: Session, tables: dict[str, Table]) -> None:
    _begin(session)
    _drop(session, tables)
    for new in tables.values():
        session.define(create_table(new))
        for statement in create_indexes(new, uuid4().hex):
            session.define(statement)
    session.commit()


def _drop(session: Session, tables: dict[str, Table]) -> None:
    for new in tables.values():
        session.define(f"DROP TABLE IF EXISTS {new.name}")


def _fill(session: Session, tables: dict[str, Table], progress: Progress) -> int:
    done = 0
    while True:
        end = _begin(session)
        page = _page(session, done)
        _write(session, page, tables)
        done += len(page)
        if done == end:
            _swap(session, tables)
        progress(done, end)
        session.commit()
        if done == end:
            return done


def _begin(session: Session) -> int:
    """Lock the head; where it is."""
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            position: int = session.begin(_HEAD)[0]
            return position
        except StoreBusy:
            if monotonic() > until:
                raise
            sleep(BUSY_PAUSE_SECONDS)


def _page(session: Session, after: int) -> list[Recorded[Any]]:
    rows = session.read(
        "SELECT originator_id, originator_version, position, topic, state FROM stored_events "
        "WHERE position > ? ORDER BY position LIMIT ?",
        (after, PAGE),
    )
    return [to_recorded(UUID(stream), *rest) for stream, *rest in rows]


def _write(session: Session, page: Sequence[Recorded[Any]], tables: dict[str, Table]) -> None:
    batch = RowBatch()
    batch.take(_renamed(changes(page), tables))
    for sql, params in batch.statements():
        session.write(sql, params)


def _renamed(found: Iterator[Change], tables: dict[str, Table]) -> Iterator[Change]:
    for change in found:
        yield replace(change, table=tables[change.table.name])


def _swap(session: Session, tables: dict[str, Table]) -> None:
    for name, new in tables.items():
        session.define(f"DROP TABLE IF EXISTS {name}")
        session.define(f"ALTER TABLE {new.name} RENAME TO {name}")
    session.write(
        "UPDATE head SET views_version = ?, next_due = (SELECT min(due_at) FROM "
        "(SELECT due_at FROM jobs WHERE due_at IS NOT NULL UNION ALL "
        "SELECT due_at FROM assignments WHERE due_at IS NOT NULL) AS deadlines)",
        [(views_version(),)],
    )
