"""Assignments: one row each, for the job's detail, the tester's own list, disputes and deadlines."""

from collections.abc import Callable, Iterator
from typing import Any

from domain.job import events as e
from domain.job.deadlines import DeadlineKind
from domain.recorded import Recorded
from projections.json import text
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update, Value

ASSIGNMENTS = Table(
    name="assignments",
    key="assignment_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "assignment_id": "TEXT",
        "job_id": "TEXT",
        "variant_id": "TEXT",
        "tester_id": "TEXT",
        "tester_public_id": "INTEGER",
        "status": "TEXT",
        "settlement_status": "TEXT",
        "reserved_until": "INTEGER",
        "wrong_proofs": "INTEGER",
        "started_at": "INTEGER",
        "hard_deadline": "INTEGER",
        "completed_at": "INTEGER",
        "duration_minutes": "INTEGER",
        "payout_cents": "INTEGER",
        "earned_cents": "INTEGER",
        "earned_fee_cents": "INTEGER",
        "answers": "TEXT",
        "due_at": "INTEGER",
        "due_kind": "INTEGER",
    },
    indexes=(
        Index(("assignment_id",), unique=True),
        Index(("job_id", "position")),
        Index(("tester_id", "position")),
        Index(("tester_id", "job_id"), unique=True),
        Index(("due_at", "due_kind"), where="due_at IS NOT NULL"),
    ),
)
"""``settlement_status`` is set only where an assignment differs from what its job's settlement says of all.

``answers`` are sealed under the tester's key. ``payout_cents`` is what was earned until a dispute is resolved, and what
was granted after it.
"""

NOT_WAITING: dict[str, Value] = {"due_at": None, "due_kind": None}


_NOTHING_YET: dict[str, Value] = dict.fromkeys(ASSIGNMENTS.columns)


def _taken(recorded: Recorded[e.SlotTaken]) -> Iterator[Change]:
    event = recorded.event
    assignment_id = text(event.assignment_id)
    row: dict[str, Value] = {
        **_NOTHING_YET,
        "position": recorded.position,
        "assignment_id": assignment_id,
        "job_id": text(recorded.stream),
        "variant_id": text(event.variant_id),
        "tester_id": text(event.tester_id),
        "tester_public_id": event.tester_public_id,
        "status": "pending",
        "reserved_until": event.reserved_until,
        "wrong_proofs": 0,
        "due_at": event.reserved_until,
        "due_kind": DeadlineKind.RESERVATION.value,
    }
    yield Insert(ASSIGNMENTS, assignment_id, row)


def _started(recorded: Recorded[e.TaskStarted]) -> Iterator[Change]:
    event = recorded.event
    yield Update(
        ASSIGNMENTS,
        text(event.assignment_id),
        {
            "status": "started",
            "started_at": event.started_at,
            "hard_deadline": event.hard_deadline,
            "due_at": event.hard_deadline,
            "due_kind": DeadlineKind.HARD_LIMIT.value,
        },
    )


def _proof_rejected(recorded: Recorded[e.ProofRejected]) -> Iterator[Change]:
    yield Update(ASSIGNMENTS, text(recorded.event.assignment_id), added={"wrong_proofs": 1})


def _completed(recorded: Recorded[e.TaskCompleted]) -> Iterator[Change]:
    event = recorded.event
    yield Update(
        ASSIGNMENTS,
        text(event.assignment_id),
        {
            "status": "completed",
            "completed_at": event.completed_at,
            "duration_minutes": event.duration_minutes,
            "payout_cents": event.payout_cents,
            "earned_cents": event.payout_cents,
            "earned_fee_cents": event.fee_cents,
            "answers": event.answers,
            **NOT_WAITING,
        },
    )


def _ended(status: str) -> Callable[[Recorded[Any]], Iterator[Change]]:
    def changes(recorded: Recorded[Any]) -> Iterator[Change]:
        yield Update(ASSIGNMENTS, text(recorded.event.assignment_id), {"status": status, **NOT_WAITING})

    return changes


def _disputed(recorded: Recorded[e.Disputed]) -> Iterator[Change]:
    for claim in recorded.event.claims:
        yield Update(ASSIGNMENTS, text(claim.assignment_id), {"settlement_status": "disputed"})


def _resolved(recorded: Recorded[e.Resolved]) -> Iterator[Change]:
    for verdict in recorded.event.verdicts:
        yield Update(ASSIGNMENTS, text(verdict.assignment_id), {"settlement_status": "resolved"})


def _refunded(recorded: Recorded[e.Refunded]) -> Iterator[Change]:
    event = recorded.event
    yield Update(ASSIGNMENTS, text(event.assignment_id), added={"payout_cents": -event.payout_cents})


ASSIGNMENT_LIST = ReadModel(
    name="assignments",
    version=3,
    tables=(ASSIGNMENTS,),
    projectors={
        e.SlotTaken: _taken,
        e.TaskStarted: _started,
        e.ProofRejected: _proof_rejected,
        e.TaskCompleted: _completed,
        e.SlotReturned: _ended("returned"),
        e.ReservationExpired: _ended("expired"),
        e.TaskTimedOut: _ended("timed_out"),
        e.AssignmentCancelled: _ended("cancelled"),
        e.Disputed: _disputed,
        e.Resolved: _resolved,
        e.Refunded: _refunded,
    },
)
