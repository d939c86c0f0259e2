"""Read models made anew from the log, beside whoever serves it.

The new rows lie in tables of their own until they have caught up with the log; then, under the lock of the head,
they take the place of the old ones. Readers see the old rows until then, and the new ones whole.

What a long log says is worked out page by page on all cores, outside any lock; only the writing waits for the head.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from api.service.garbage import rarely_collected
from api.service.ports import StoreBusy, StoreFailed
from api.store.databases import Database
from api.store.schema import DIGEST, create_indexes, create_table
from api.store.sessions import Session
from api.store.sql_digest import DIGEST_POSITION
from api.store.working_out import NEW, Statements, statements, work_out
from projections.replay import TABLES, views_version

PAGE = 1_000
"""Events that are worked out while the head is locked."""
LARGE_PAGE = 10_000
"""Events that are worked out outside: most streams begin and end within, and each row is written once."""
LONG = 20_000
"""Events in a log for which it pays to start processes."""
PAGES_AHEAD = 2
"""Pages for each process that are worked out before they can be written."""
BUSY_PAUSE_SECONDS = 0.005
BUSY_SECONDS = 60.0
SWAP_SECONDS = 300.0
"""How long it is tried to put the new rows in the place of the old ones, while somebody reads these at each try."""
SWAP_PAUSE_SECONDS = 1.0

Progress = Callable[[int, int], None]
"""Told after each page: events done, and all there are."""


def is_outdated(database: Database) -> bool:
    """Whether the rows were written by another version of the read models."""
    with closing(database.reader()) as reader:
        written: str = reader.rows("SELECT views_version FROM head")[0][0]
    return written != views_version()


@rarely_collected()
def rebuild(database: Database, progress: Progress) -> int:
    """Rebuild all read models; the number of events that were replayed. If it fails, they are as they were.

    Raises NotOurs while somebody else rebuilds them: each would take the other's rows for its own.
    """
    with database.rebuilt_alone(), closing(database.background_session()) as session:
        try:
            return _fill(session, database, _make(session), progress)
        except BaseException:
            session.rollback()
            with suppress(StoreBusy, StoreFailed):  # what stays is dropped by the next rebuild
                _head(session)
                _drop(session)
                session.commit()
            raise


def digest_anew(database: Database) -> None:
    """Forget the index of the audit trail and the tiles: whoever serves works them out again, from the first event."""
    until = monotonic() + SWAP_SECONDS
    with closing(database.background_session()) as session:
        try:
            while True:
                _begin(session, DIGEST_POSITION)
                if _exchanged(session, _empty_digest, until):
                    session.commit()
                    return
        except BaseException:
            session.rollback()
            raise


def _empty_digest(session: Session) -> None:
    for table, create in DIGEST.items():
        session.define(f"DROP TABLE IF EXISTS {table}")
        session.define(create)
    session.write(
        "INSERT INTO digest (id, position, dropped) VALUES (1, 0, 0) "
        "ON CONFLICT (id) DO UPDATE SET position = excluded.position",
        [()],
    )


def _make(session: Session) -> int:
    """Empty tables; how long the log is."""
    end = _head(session)
    _drop(session)
    for new in (replace(table, name=NEW + table.name) for table in TABLES):
        session.define(create_table(new))
        for statement in create_indexes(new, uuid4().hex):
            session.define(statement)
    session.commit()
    return end


def _drop(session: Session) -> None:
    for table in TABLES:
        session.define(f"DROP TABLE IF EXISTS {NEW}{table.name}")


def _fill(session: Session, database: Database, end: int, progress: Progress) -> int:
    done = 0
    if end > LONG:
        for done, worked_out in _worked_out(database, end):
            _head(session)
            _write(session, worked_out)
            session.commit()
            progress(done, end)
    until = monotonic() + SWAP_SECONDS
    while True:
        end = _head(session)
        upto = min(done + PAGE, end)
        _write(session, statements(session.read, done, upto))
        is_last = upto == end
        if is_last and not _exchanged(session, _swap, until):
            continue
        done = upto
        progress(done, end)
        session.commit()
        if is_last:
            return done


def _worked_out(database: Database, end: int) -> Iterator[tuple[int, Statements]]:
    """Page by page up to a position: up to where, and what is to be written for it. Made by processes of their own."""
    processes = os.cpu_count() or 1
    pages = iter([(after, min(after + LARGE_PAGE, end)) for after in range(0, end, LARGE_PAGE)])
    # Spawned: whoever calls may have threads, which a fork would not take along.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        ahead: deque[tuple[int, Future[Statements]]] = deque()
        try:
            while True:
                while len(ahead) < processes * PAGES_AHEAD and (page := next(pages, None)):
                    ahead.append((page[1], pool.submit(work_out, database.reader_elsewhere, *page)))
                if not ahead:
                    return
                until, worked_out = ahead.popleft()
                yield until, worked_out.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _head(session: Session) -> int:
    """Lock the head; where it is."""
    position: int = _begin(session, "SELECT position FROM head")[0]
    return position


def _begin(session: Session, sql: str) -> Any:
    """Lock a row, once others have let it go; what it says, null if it is not there."""
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            return session.begin(sql)[0]
        except StoreBusy:
            if monotonic() > until:
                raise
            sleep(BUSY_PAUSE_SECONDS)


def _write(session: Session, worked_out: Statements) -> None:
    for statement, rows in worked_out:
        session.put(statement, rows)


def _exchanged(session: Session, exchange: Callable[[Session], None], until: float) -> bool:
    """Exchange tables; false if somebody reads them for long: then nothing of the transaction is kept, and others have
    had a turn. Raises StoreBusy if that is so still at the end of the time."""
    session.hurry()
    try:
        exchange(session)
    except StoreBusy as error:
        session.rollback()
        if monotonic() > until:
            raise StoreBusy(
                "somebody reads the old rows all the while; end long reads, backups and dumps, and call again"
            ) from error
        sleep(SWAP_PAUSE_SECONDS)
        return False
    return True


def _swap(session: Session) -> None:
    for table in TABLES:
        session.define(f"DROP TABLE IF EXISTS {table.name}")
        session.define(f"ALTER TABLE {NEW}{table.name} RENAME TO {table.name}")
    session.write("DELETE FROM snapshots", [()])  # they go with rows that are gone
    session.write(
        "UPDATE head SET views_version = ?, views_generation = views_generation + 1, "
        "next_due = (SELECT min(due_at) FROM (SELECT due_at FROM jobs WHERE due_at IS NOT NULL UNION ALL "
        "SELECT due_at FROM assignments WHERE due_at IS NOT NULL) AS deadlines)",
        [(views_version(),)],
    )
