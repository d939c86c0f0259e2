"""The service's store on SQLite: one transaction at a time on one connection."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from api.service.ports import ALL, Due, Head, KeptAnswer, StoreBusy, StoreFailed
from api.store.mapper import to_recorded
from api.store.rows import RowBatch
from api.store.schema import SCHEMA_VERSION
from api.store.sqlite import Tallyhold, connect, insert_events, stream_key
from domain.job.deadlines import Deadline, DeadlineKind
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.json import text
from projections.read_model import Change
from projections.replay import changes, views_version

P = ParamSpec("P")
R = TypeVar("R")

KEEP_ANSWERS = 8 * DAY
"""A repeat gets its answer for 7 days at least; the eighth is for clocks that differ."""

STUCK = 100
"""Answers that wait for a purchase may lie before those that are too old; so many of them are looked past."""

_KEPT_COLUMNS = "scope, fingerprint, status, body, location, etag, position, purchase_id"


def translated(method: Callable[P, R]) -> Callable[P, R]:
    """SQLite's errors in the words of the port."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreBusy(str(error)) from error
            raise StoreFailed(str(error)) from error
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError):
            raise  # what was asked is wrong, not the store: a bug of ours
        except sqlite3.Error as error:
            raise StoreFailed(str(error)) from error

    return call


class SQLiteStore:
    """See Store. Waits for no lock: the committer asks again."""

    def __init__(self, application: Tallyhold, path: Path) -> None:
        self._application = application
        self._connection = connect(str(path), timeout=0)
        self._views_version = views_version()
        self._position = 0
        self._peaks = b""

    def close(self) -> None:
        self._connection.close()

    @translated
    def begin(self) -> Head:
        self._connection.execute("BEGIN IMMEDIATE")
        row = self._connection.execute(
            "SELECT schema_version, views_version, position, peaks, last_time, next_due, sandbox_now FROM head"
        ).fetchone()
        *versions, self._position, self._peaks, last_time, next_due, sandbox_now = row
        if versions != [SCHEMA_VERSION, self._views_version]:
            self.rollback()
            raise StoreFailed("The database has been changed to another version of this program; start that one.")
        return Head(self._position, last_time, next_due, sandbox_now)

    @translated
    def load(self, stream: UUID, after_version: int = 0, limit: int = ALL) -> Sequence[Recorded[Any]]:
        rows = self._connection.execute(
            "SELECT originator_version, position, topic, state FROM stored_events "
            "WHERE originator_id = ? AND originator_version > ? ORDER BY originator_version LIMIT ?",
            (stream_key(stream), after_version, limit),
        )
        return [to_recorded(stream, *row) for row in rows]

    @translated
    def streams_after(self, position: int) -> Sequence[UUID]:
        rows = self._connection.execute("SELECT originator_id FROM stored_events WHERE position > ?", (position,))
        return [UUID(stream) for stream in {row[0] for row in rows}]

    @translated
    def append(self, recorded: Sequence[Recorded[Any]]) -> None:
        stored = [self._application.mapper.to_stored_event(one) for one in recorded]  # type: ignore[arg-type]
        self._peaks = insert_events(self._connection, self._position, self._peaks, stored)
        self._position += len(stored)
        self.apply(changes(recorded))

    @translated
    def apply(self, row_changes: Iterable[Change]) -> None:
        batch = RowBatch()
        batch.take(row_changes)
        for sql, params in batch.statements():
            self._connection.executemany(sql, params)

    @translated
    def due(self, now: Instant, limit: int, without: Sequence[UUID]) -> Sequence[Due]:
        aside = [str(job_id) for job_id in without]
        left_out = f"AND job_id NOT IN ({', '.join('?' * len(aside))})" if aside else ""
        rows = self._connection.execute(
            f"SELECT due_at, due_kind, position, job_id, NULL FROM jobs WHERE due_at <= ? {left_out} UNION ALL "
            f"SELECT due_at, due_kind, position, job_id, assignment_id FROM assignments WHERE due_at <= ? {left_out} "
            "ORDER BY 1, 2, 3 LIMIT ?",
            (now, *aside, now, *aside, limit),
        )
        return [
            Due(UUID(job), Deadline(due_at, DeadlineKind(kind), UUID(assignment) if assignment else None))
            for due_at, kind, _, job, assignment in rows
        ]

    @translated
    def next_due(self, without: Sequence[UUID]) -> Instant | None:
        aside = [str(job_id) for job_id in without]
        left_out = f"AND job_id NOT IN ({', '.join('?' * len(aside))})" if aside else ""
        due = [
            self._connection.execute(
                f"SELECT due_at FROM {table} WHERE due_at IS NOT NULL {left_out} ORDER BY due_at LIMIT 1", aside
            ).fetchone()
            for table in ("jobs", "assignments")
        ]
        return min((row[0] for row in due if row), default=None)

    @translated
    def granted_cents(self, tester_id: UUID) -> int:
        row = self._connection.execute(
            "SELECT granted_cents FROM wallets WHERE tester_id = ?", (str(tester_id),)
        ).fetchone()
        return row[0] if row else 0

    @translated
    def held_cents(self, owner_id: UUID) -> int:
        row = self._connection.execute("SELECT held_cents FROM billing WHERE owner_id = ?", (str(owner_id),)).fetchone()
        return row[0] if row else 0

    @translated
    def kept_answers(self, scopes: Sequence[bytes]) -> Mapping[bytes, KeptAnswer]:
        marks = ", ".join("?" * len(scopes))
        rows = self._connection.execute(f"SELECT {_KEPT_COLUMNS} FROM kept_answers WHERE scope IN ({marks})", scopes)
        return {row[0]: _kept_answer(row) for row in rows}

    @translated
    def keep_answers(self, answers: Sequence[KeptAnswer], now: Instant) -> None:
        self._connection.executemany(
            f"INSERT INTO kept_answers (kept_at, {_KEPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (now, a.scope, a.fingerprint, a.status, a.body, a.location, a.etag, a.position, text(a.purchase_id))
                for a in answers
            ],
        )
        # Of the oldest, about twice as many as came in: the table stays bounded without a long sweep.
        self._connection.execute(
            "DELETE FROM kept_answers WHERE number IN "
            "(SELECT number FROM kept_answers ORDER BY number LIMIT ?) AND kept_at < ? AND status > 0",
            (2 * len(answers) + STUCK, now - KEEP_ANSWERS),
        )

    @translated
    def finish_kept(self, purchase_id: UUID, answer: KeptAnswer | None) -> None:
        if answer is None:
            self._connection.execute(
                "DELETE FROM kept_answers WHERE purchase_id = ? AND status = 0", (str(purchase_id),)
            )
            return
        self._connection.execute(
            "UPDATE kept_answers SET status = ?, body = ?, location = ?, etag = ?, position = ? "
            "WHERE purchase_id = ? AND status = 0",
            (answer.status, answer.body, answer.location, answer.etag, answer.position, str(purchase_id)),
        )

    @translated
    def write_head(self, head: Head) -> None:
        self._connection.execute(
            "UPDATE head SET position = ?, peaks = ?, last_time = ?, next_due = ?, sandbox_now = ?",
            (head.position, self._peaks, head.last_time, head.next_due, head.sandbox_now),
        )
        self._connection.execute(
            "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) "
            "DO UPDATE SET notification_id = excluded.notification_id",
            (self._application.name, head.position),
        )

    @translated
    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _kept_answer(row: tuple[Any, ...]) -> KeptAnswer:
    scope, fingerprint, status, body, location, etag, position, purchase_id = row
    waits = UUID(purchase_id) if purchase_id else None
    return KeptAnswer(scope, fingerprint, status, body, location, etag, position, waits)
