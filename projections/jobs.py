"""Jobs: one row a job, for the list and for what changes in the detail. Its terms never change: the log has them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from domain.job import events as e
from domain.job.deadlines import DeadlineKind
from domain.job.slots import eligible_variants
from domain.job.terms import Terms
from domain.recorded import Recorded
from projections.json import text, to_json
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update, Value
from projections.terms_view import posted_view

JOBS = Table(
    name="jobs",
    key="job_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "job_id": "TEXT",
        "owner_id": "TEXT",
        "version": "INTEGER",
        "status": "TEXT",
        "settlement_status": "TEXT",
        "settlement_deadline": "INTEGER",
        "closed_reason": "TEXT",
        "target_testers": "INTEGER",
        "open_slots": "INTEGER",
        "assignments": "INTEGER",
        "completed": "INTEGER",
        "openness": "INTEGER",
        "escrow_hold_cents": "INTEGER",
        "escrow_balance_cents": "INTEGER",
        "starts_at": "INTEGER",
        "due_at": "INTEGER",
        "due_kind": "INTEGER",
        "maxima": "TEXT",
        "posted": "TEXT",
    },
    indexes=(
        Index(("job_id",), unique=True),
        Index(("owner_id", "position")),
        Index(("owner_id", "status", "settlement_status", "position")),
        Index(("due_at", "due_kind"), where="due_at IS NOT NULL"),
        Index(("position",), where="status = 'active' AND open_slots > 0 AND openness > 0"),
    ),
)
"""Times are milliseconds; ``due_at`` and ``due_kind`` are the next deadline of the job itself.

``assignments`` were ever taken, ``completed`` of them handed in. ``maxima`` are JSON, by variant id. ``posted`` is
the part of the list's item that never changes, as JSON. ``openness``: 0 no variant takes a tester of whom nothing is
known, 1 some do, 2 all do. ``escrow_balance_cents`` is the ledger's: the balance of the job's escrow account.
"""


def _created(recorded: Recorded[e.Created]) -> Iterator[Change]:
    event, terms = recorded.event, recorded.event.terms
    job_id = text(recorded.stream)
    yield Insert(
        JOBS,
        job_id,
        {
            "position": recorded.position,
            "job_id": job_id,
            "owner_id": text(event.owner_id),
            "version": recorded.version,
            "status": "active",
            "settlement_status": None,
            "settlement_deadline": None,
            "closed_reason": None,
            "target_testers": terms.target_testers,
            "open_slots": terms.target_testers,
            "assignments": 0,
            "completed": 0,
            "openness": _openness(terms),
            "escrow_hold_cents": event.hold_cents,
            "escrow_balance_cents": 0,
            "starts_at": terms.starts_at,
            "due_at": event.posting_ends_at,
            "due_kind": DeadlineKind.POSTING_END.value,
            "maxima": to_json({text(v.id): v.first_maximum for v in terms.variants}),
            "posted": to_json(posted_view(job_id, terms, recorded.occurred_at)),
        },
    )


def _openness(terms: Terms) -> int:
    open_to_all = len(eligible_variants(terms))
    return 2 if open_to_all == len(terms.variants) else min(open_to_all, 1)


def _update(recorded: Recorded[Any], values: dict[str, Value] | None = None, **added: int) -> Update:
    return Update(JOBS, text(recorded.stream), {"version": recorded.version, **(values or {})}, added)


NO_DEADLINE: dict[str, Value] = {"due_at": None, "due_kind": None}


def _paused(recorded: Recorded[e.Paused]) -> Iterator[Change]:
    yield _update(recorded, {"status": "paused"})


def _resumed(recorded: Recorded[e.Resumed]) -> Iterator[Change]:
    yield _update(recorded, {"status": "active"})


def _stopped(recorded: Recorded[e.Stopped]) -> Iterator[Change]:
    yield _update(recorded, {"status": "closing", **NO_DEADLINE})


def _resized(recorded: Recorded[e.Resized]) -> Iterator[Change]:
    event = recorded.event
    delta = event.held_cents - event.released_cents
    yield _update(
        recorded,
        {"target_testers": event.target, **_maxima(event.maxima)},
        open_slots=event.target - event.previous_target,
        escrow_hold_cents=delta,
    )


def _maxima(maxima: dict[UUID, int]) -> dict[str, Value]:
    return {"maxima": to_json({text(key): value for key, value in maxima.items()})} if maxima else {}


def _cancelled(recorded: Recorded[e.Cancelled]) -> Iterator[Change]:
    event = recorded.event
    yield _update(
        recorded,
        {"status": "cancelled", "closed_reason": event.reason.value, **NO_DEADLINE},
        escrow_hold_cents=-event.released_cents,
    )


def _settled(recorded: Recorded[e.Settled]) -> Iterator[Change]:
    event = recorded.event
    status: dict[str, Value] = {} if event.reason is e.ClosedReason.CANCELLED else {"status": "completed"}
    yield _update(
        recorded,
        {
            **status,
            "settlement_status": "pending_approval",
            "settlement_deadline": event.deadline,
            "closed_reason": event.reason.value,
            "escrow_hold_cents": event.hold_cents,
            "due_at": event.deadline,
            "due_kind": DeadlineKind.AUTO_APPROVAL.value,
        },
    )


def _approved(recorded: Recorded[e.Approved]) -> Iterator[Change]:
    yield _update(recorded, {"settlement_status": "approved", "settlement_deadline": None, **NO_DEADLINE})


def _disputed(recorded: Recorded[e.Disputed]) -> Iterator[Change]:
    yield _update(recorded, {"settlement_status": "disputed", "settlement_deadline": None, **NO_DEADLINE})


def _resolved(recorded: Recorded[e.Resolved]) -> Iterator[Change]:
    yield _update(recorded, {} if recorded.event.remaining else {"settlement_status": "resolved"})


def _refunded(recorded: Recorded[e.Refunded]) -> Iterator[Change]:
    yield _update(recorded, escrow_hold_cents=-recorded.event.refund_cents)


def _slot_taken(recorded: Recorded[e.SlotTaken]) -> Iterator[Change]:
    yield _update(recorded, open_slots=-1, assignments=1)


def _slot_freed(recorded: Recorded[Any]) -> Iterator[Change]:
    yield _update(recorded, open_slots=1)


def _completed(recorded: Recorded[e.TaskCompleted]) -> Iterator[Change]:
    yield _update(recorded, completed=1)


def _version_only(recorded: Recorded[Any]) -> Iterator[Change]:
    yield _update(recorded)


JOB_LIST = ReadModel(
    name="jobs",
    version=2,
    tables=(JOBS,),
    projectors={
        e.Created: _created,
        e.Paused: _paused,
        e.Resumed: _resumed,
        e.Stopped: _stopped,
        e.Resized: _resized,
        e.Cancelled: _cancelled,
        e.Settled: _settled,
        e.Approved: _approved,
        e.Disputed: _disputed,
        e.StatementGiven: _version_only,
        e.Resolved: _resolved,
        e.PayoutGranted: _version_only,
        e.Refunded: _refunded,
        e.SlotTaken: _slot_taken,
        e.TaskStarted: _version_only,
        e.ProofRejected: _version_only,
        e.TaskCompleted: _completed,
        e.SlotReturned: _slot_freed,
        e.ReservationExpired: _slot_freed,
        e.TaskTimedOut: _slot_freed,
        e.AssignmentCancelled: _slot_freed,
    },
)
