"""The service's store in SQL, of either dialect: one transaction at a time over log, read models and kept answers."""

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from eventsourcing.persistence import Mapper

from api.service.ports import ALL, Begun, Due, Head, KeptAnswer, KeptState, StoreBusy, StoreFailed, TakenOver, Written
from api.store.mapper import to_recorded
from api.store.row_statements import Columns, insert
from api.store.rows import RowBatch
from api.store.schema import APPLICATION, INSERT_EVENTS, SCHEMA_VERSION, event_rows, stream_key
from api.store.sessions import OutcomeUnknown, Session, first
from domain.job.deadlines import Deadline, DeadlineKind
from domain.job.state import Assignment, AssignmentStatus
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.audit import read_sketch
from projections.json import text, uuid
from projections.read_model import Change
from projections.replay import changes, views_version

KEEP_ANSWERS = 8 * DAY
"""A repeat gets its answer for 7 days at least; the eighth is for clocks that differ."""

SWEEPS = 64
"""Batches that sweep before it is asked again whether any answer is too old."""
STUCK = 100
"""Answers that wait for a purchase may lie before those that are too old; so many of them are looked past."""

ASK_SECONDS = 10.0
"""How long a database that was lost while it committed is asked for what it did."""
ASK_PAUSE_SECONDS = 0.1

_KEPT_COLUMNS: Columns = {
    "scope": "BLOB",
    "fingerprint": "BLOB",
    "status": "INTEGER",
    "body": "BLOB",
    "location": "TEXT",
    "etag": "TEXT",
    "position": "INTEGER",
    "purchase_id": "TEXT",
}
_SELECT_KEPT = f"SELECT {', '.join(_KEPT_COLUMNS)} FROM kept_answers"
_KEEP = insert("kept_answers", {"kept_at": "INTEGER", **_KEPT_COLUMNS})
_ASSIGNMENT = (
    "assignment_id, tester_id, tester_public_id, variant_id, reserved_until, status, started_at, hard_deadline, "
    "completed_at, duration_minutes, earned_cents, earned_fee_cents, wrong_proofs"
)
_WRITTEN = (
    "SELECT originator_id, originator_version, position, topic, CASE WHEN substr(topic, 1, 8) = 'credits.' "
    "THEN state END FROM stored_events WHERE position > ? ORDER BY position LIMIT ?"
)
_HEAD = (
    "SELECT schema_version, views_version, position, peaks, last_time, next_due, sandbox_now, views_generation "
    "FROM head"
)


class SQLStore:
    """See Store."""

    def __init__(self, session: Session, mapper: Mapper[UUID]) -> None:
        self._session = session
        self._mapper = mapper
        self._views_version = views_version()
        self._position = 0
        self._peaks = b""
        self._last: Recorded[Any] | None = None
        """The last event that this transaction has written."""
        self._sweep_at: Instant = 0
        """No answer had to go before, when the oldest was looked at last."""
        self._sweeps = 0

    @property
    def waits(self) -> bool:
        return self._session.waits

    def close(self) -> None:
        self._session.close()

    def begin(self, known: int = 0, limit: int = 0) -> Begun:
        self._last = None
        row, written = self._session.begin(_HEAD, _WRITTEN, (known, limit))
        *versions, self._position, peaks, last_time, next_due, sandbox_now, generation = row
        self._peaks = bytes(peaks)
        if versions != [SCHEMA_VERSION, self._views_version]:
            self.rollback()
            raise TakenOver
        head = Head(self._position, last_time, next_due, sandbox_now, generation)
        return Begun(head, [_written(*each) for each in written])

    def load(self, stream: UUID, after_version: int = 0, limit: int = ALL) -> Sequence[Recorded[Any]]:
        rows = self._session.read(
            "SELECT originator_version, position, topic, state FROM stored_events "
            "WHERE originator_id = ? AND originator_version > ? ORDER BY originator_version LIMIT ?",
            (stream_key(stream), after_version, limit),
        )
        return [to_recorded(stream, *row) for row in rows]

    def snapshot(self, stream: UUID, form: str) -> KeptState | None:
        sql = "SELECT version, state FROM snapshots WHERE stream = ? AND form = ?"
        row = first(self._session.read(sql, (stream_key(stream), form)))
        return KeptState(stream, row[0], form, bytes(row[1])) if row else None

    def keep_snapshots(self, snapshots: Iterable[KeptState]) -> None:
        kept = [(stream_key(each.stream), *each[1:]) for each in snapshots]
        if kept:
            self._session.write("DELETE FROM snapshots WHERE stream = ?", [row[:1] for row in kept])
            self._session.write(
                "INSERT INTO snapshots (stream, version, form, state) VALUES (?, ?, ?, ?)",
                [row for row in kept if row[-1] is not None],
            )

    def assignment(self, job_id: UUID, assignment_id: UUID) -> Assignment | None:
        return self._assignment(job_id, "assignment_id", assignment_id)

    def assignment_of(self, job_id: UUID, tester_id: UUID) -> Assignment | None:
        return self._assignment(job_id, "tester_id", tester_id)

    def _assignment(self, job_id: UUID, column: str, value: UUID) -> Assignment | None:
        sql = f"SELECT {_ASSIGNMENT} FROM assignments WHERE job_id = ? AND {column} = ?"
        row = first(self._session.read(sql, (str(job_id), str(value))))
        return _assignment(*row) if row else None

    def is_key_good(self, key_id: UUID) -> bool:
        sql = "SELECT 1 FROM keys WHERE key_id = ? AND revoked_at IS NULL"
        return bool(self._session.read(sql, (str(key_id),)))

    def append(self, recorded: Sequence[Recorded[Any]]) -> None:
        stored = [self._mapper.to_stored_event(one) for one in recorded]  # type: ignore[arg-type]
        rows, self._peaks = event_rows(self._position, self._peaks, stored)
        self._session.put(INSERT_EVENTS, rows)
        self._position += len(stored)
        self._last = recorded[-1]
        self.apply(changes(recorded))

    def apply(self, row_changes: Iterable[Change]) -> None:
        batch = RowBatch()
        batch.take(row_changes)
        for statement, rows in batch.statements():
            self._session.put(statement, rows)

    def send(self) -> None:
        self._session.send()

    def due(self, now: Instant, limit: int, without: Sequence[UUID]) -> Sequence[Due]:
        aside = [str(job_id) for job_id in without]
        left_out = _left_out(aside)
        rows = self._session.read(
            f"SELECT due_at, due_kind, position, job_id, NULL FROM jobs WHERE due_at <= ? {left_out} UNION ALL "
            f"SELECT due_at, due_kind, position, job_id, assignment_id FROM assignments WHERE due_at <= ? {left_out} "
            "ORDER BY 1, 2, 3 LIMIT ?",
            (now, *aside, now, *aside, limit),
        )
        return [
            Due(UUID(job), Deadline(due_at, DeadlineKind(kind), UUID(assignment) if assignment else None))
            for due_at, kind, _, job, assignment in rows
        ]

    def next_due(self, without: Sequence[UUID]) -> Instant | None:
        aside = [str(job_id) for job_id in without]
        due_at: Instant | None = self._session.read(f"SELECT {_earliest(aside)}", aside * 2)[0][0]
        return due_at

    def last_occurred(self) -> Instant:
        ((state,),) = self._session.read("SELECT state FROM stored_events WHERE position = ?", (self._position,))
        return read_sketch(state).occurred_at

    def granted_cents(self, tester_id: UUID) -> int:
        row = first(self._session.read("SELECT granted_cents FROM wallets WHERE tester_id = ?", (str(tester_id),)))
        return row[0] if row else 0

    def held_cents(self, owner_id: UUID) -> int:
        row = first(self._session.read("SELECT held_cents FROM billing WHERE owner_id = ?", (str(owner_id),)))
        return row[0] if row else 0

    def kept_answers(self, scopes: Sequence[bytes]) -> Mapping[bytes, KeptAnswer]:
        marks = ", ".join("?" * len(scopes))
        rows = self._session.read(f"{_SELECT_KEPT} WHERE scope IN ({marks})", scopes)
        return {row[0]: _kept_answer(row) for row in rows}

    def keep_answers(self, answers: Sequence[KeptAnswer], now: Instant) -> None:
        self._session.put(
            _KEEP,
            [
                (now, a.scope, a.fingerprint, a.status, a.body, a.location, a.etag, a.position, text(a.purchase_id))
                for a in answers
            ],
        )
        if now > self._sweep_at:
            self._sweep(len(answers), now)

    def _sweep(self, kept: int, now: Instant) -> None:
        """Drop answers that are too old, if there are any: of the oldest, about twice as many as came in, so that the
        table stays bounded without a long sweep."""
        if self._sweeps % SWEEPS == 0:
            oldest = "SELECT kept_at FROM kept_answers WHERE status > 0 ORDER BY number LIMIT 1"
            row = first(self._session.read(oldest))
            self._sweep_at = (row[0] if row else now) + KEEP_ANSWERS
            if now <= self._sweep_at:
                return
        self._sweeps += 1
        self._session.write(
            "DELETE FROM kept_answers WHERE number IN "
            "(SELECT number FROM kept_answers ORDER BY number LIMIT ?) AND kept_at < ? AND status > 0",
            [(2 * kept + STUCK, now - KEEP_ANSWERS)],
        )

    def finish_kept(self, purchase_id: UUID, answer: KeptAnswer | None) -> None:
        if answer is None:
            self._session.write("DELETE FROM kept_answers WHERE purchase_id = ? AND status = 0", [(str(purchase_id),)])
            return
        self._session.write(
            "UPDATE kept_answers SET status = ?, body = ?, location = ?, etag = ?, position = ? "
            "WHERE purchase_id = ? AND status = 0",
            [(answer.status, answer.body, answer.location, answer.etag, answer.position, str(purchase_id))],
        )

    def write_head(self, head: Head, without: Sequence[UUID]) -> None:
        self._session.write(
            "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name) "
            "DO UPDATE SET notification_id = excluded.notification_id",
            [(APPLICATION, head.position)],
        )
        aside = [str(job_id) for job_id in without]
        self._session.write_last(
            f"UPDATE head SET position = ?, peaks = ?, last_time = ?, sandbox_now = ?, next_due = {_earliest(aside)} "
            "RETURNING next_due",
            (head.position, self._peaks, head.last_time, head.sandbox_now, *aside * 2),
        )

    def commit(self) -> Instant | None:
        try:
            (next_due,) = self._session.commit()
        except OutcomeUnknown:
            if self._last is None:
                raise
            is_written, next_due = self._look_for(self._last)
            if not is_written:
                raise
        due_at: Instant | None = next_due
        return due_at

    def _look_for(self, ours: Recorded[Any]) -> tuple[bool, Instant | None]:
        """Whether the log has this event where it was to be, and the next deadline. Raises StoreFailed if the database
        cannot be asked.

        Asked under the lock of the head, which a commit that is still under way holds: its outcome is final.
        """
        until = monotonic() + ASK_SECONDS
        while True:
            try:
                next_due = self.begin().head.next_due
                found = self.load(ours.stream, ours.version - 1, 1)
                self.rollback()
                return bool(found) and found[0].event_id == ours.event_id, next_due
            except (StoreBusy, StoreFailed):
                if monotonic() > until:
                    raise
                sleep(ASK_PAUSE_SECONDS)

    def rollback(self) -> None:
        self._session.rollback()


def _earliest(aside: Sequence[str]) -> str:
    """When the next deadline passes, as SQL; it takes the jobs that were set aside twice."""
    of_each = (
        f"SELECT due_at FROM (SELECT due_at FROM {table} WHERE due_at IS NOT NULL {_left_out(aside)} "
        f"ORDER BY due_at LIMIT 1) AS of_{table}"
        for table in ("jobs", "assignments")
    )
    return f"(SELECT min(due_at) FROM ({' UNION ALL '.join(of_each)}) AS due)"


def _left_out(job_ids: Sequence[str]) -> str:
    return f"AND job_id NOT IN ({', '.join('?' * len(job_ids))})" if job_ids else ""


def _written(stream: str, version: int, position: int, topic: str, state: bytes | None) -> Written:
    stream_id = uuid(stream)
    credits = None if state is None else to_recorded(stream_id, version, position, topic, state)
    return Written(stream_id, topic.startswith("access."), credits)


def _assignment(
    assignment_id: str, tester_id: str, public_id: int, variant_id: str, until: int, status: str, *rest: Any
) -> Assignment:
    started_at, hard_deadline, completed_at, minutes, payout_cents, fee_cents, wrong_proofs = rest
    return Assignment(
        id=UUID(assignment_id),
        tester_id=UUID(tester_id),
        tester_public_id=public_id,
        variant_id=UUID(variant_id),
        reserved_until=until,
        status=AssignmentStatus(status),
        started_at=started_at,
        hard_deadline=hard_deadline,
        completed_at=completed_at,
        duration_minutes=minutes,
        payout_cents=payout_cents or 0,
        fee_cents=fee_cents or 0,
        wrong_proofs=wrong_proofs,
    )


def _kept_answer(row: tuple[Any, ...]) -> KeptAnswer:
    scope, fingerprint, status, body, location, etag, position, purchase_id = row
    waits = UUID(purchase_id) if purchase_id else None
    return KeptAnswer(scope, fingerprint, status, body, location, etag, position, waits)
