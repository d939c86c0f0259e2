"""Disputes: one row a disputed job, one a claim on an assignment with its verdict, one a tester's statement."""

from collections.abc import Iterator
from dataclasses import asdict

from domain.job import events as e
from domain.recorded import Recorded
from projections.json import text, to_json
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update

DISPUTES = Table(
    name="disputes",
    key="job_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "job_id": "TEXT",
        "owner_id": "TEXT",
        "status": "TEXT",
        "opened_at": "INTEGER",
        "flags": "TEXT",
        "platform_issue_description": "TEXT",
        "billing_discrepancy_description": "TEXT",
    },
    indexes=(Index(("job_id",), unique=True), Index(("status", "position"))),
)

IN_ONE_EVENT = 16_384
"""More claims or verdicts than one event can have: a job has 10,000 slots at most."""

CLAIMS = Table(
    name="claims",
    key="assignment_id",
    primary_key="entry",
    columns={
        "entry": "INTEGER",
        "assignment_id": "TEXT",
        "job_id": "TEXT",
        "owner_id": "TEXT",
        "tester_id": "TEXT",
        "category": "TEXT",
        "description": "TEXT",
        "statements": "INTEGER",
        "verdict": "INTEGER",
        "decided_at": "INTEGER",
        "note": "TEXT",
        "refunded_cents": "INTEGER",
        "refunded_fee_cents": "INTEGER",
    },
    indexes=(
        Index(("assignment_id",), unique=True),
        Index(("job_id", "entry")),
        Index(("job_id", "verdict"), where="verdict IS NOT NULL"),
        Index(("owner_id", "verdict"), where="verdict IS NOT NULL"),
        Index(("tester_id", "verdict"), where="verdict IS NOT NULL"),
    ),
)
"""``entry`` and ``verdict`` are IN_ONE_EVENT x the position of the event + the claim's or verdict's place in it.

``description`` and ``note`` are sealed under the tester's key. What is refunded is of the payout and of the fee.
"""

STATEMENTS = Table(
    name="statements",
    key="position",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "assignment_id": "TEXT",
        "number": "INTEGER",
        "stated_at": "INTEGER",
        "text": "TEXT",
    },
    indexes=(Index(("assignment_id", "number"), unique=True),),
)
"""``text`` is sealed under the tester's key."""


def _disputed(recorded: Recorded[e.Disputed]) -> Iterator[Change]:
    event, job_id, owner_id = recorded.event, text(recorded.stream), text(recorded.event.owner_id)
    yield Insert(
        DISPUTES,
        job_id,
        {
            "position": recorded.position,
            "job_id": job_id,
            "owner_id": owner_id,
            "status": "open",
            "opened_at": recorded.occurred_at,
            "flags": to_json(asdict(event.flags)),
            "platform_issue_description": event.platform_issue_description,
            "billing_discrepancy_description": event.billing_discrepancy_description,
        },
    )
    for number, claim in enumerate(event.claims):
        assignment_id = text(claim.assignment_id)
        yield Insert(
            CLAIMS,
            assignment_id,
            {
                "entry": recorded.position * IN_ONE_EVENT + number,
                "assignment_id": assignment_id,
                "job_id": job_id,
                "owner_id": owner_id,
                "tester_id": text(claim.tester_id),
                "category": claim.category,
                "description": claim.description,
                "statements": 0,
                "verdict": None,
                "decided_at": None,
                "note": None,
                "refunded_cents": 0,
                "refunded_fee_cents": 0,
            },
        )


def _stated(recorded: Recorded[e.StatementGiven]) -> Iterator[Change]:
    event, assignment_id = recorded.event, text(recorded.event.assignment_id)
    yield Insert(
        STATEMENTS,
        recorded.position,
        {
            "position": recorded.position,
            "assignment_id": assignment_id,
            "number": event.number,
            "stated_at": recorded.occurred_at,
            "text": event.text,
        },
    )
    yield Update(CLAIMS, assignment_id, {"statements": event.number})


def _resolved(recorded: Recorded[e.Resolved]) -> Iterator[Change]:
    if not recorded.event.remaining:
        yield Update(DISPUTES, text(recorded.stream), {"status": "resolved"})
    for number, verdict in enumerate(recorded.event.verdicts):
        yield Update(
            CLAIMS,
            text(verdict.assignment_id),
            {
                "verdict": recorded.position * IN_ONE_EVENT + number,
                "decided_at": recorded.occurred_at,
                "note": verdict.note,
            },
        )


def _refunded(recorded: Recorded[e.Refunded]) -> Iterator[Change]:
    event = recorded.event
    yield Update(
        CLAIMS,
        text(event.assignment_id),
        added={"refunded_cents": event.payout_cents, "refunded_fee_cents": event.fee_cents},
    )


DISPUTE_LIST = ReadModel(
    name="disputes",
    version=2,
    tables=(DISPUTES, CLAIMS, STATEMENTS),
    projectors={
        e.Disputed: _disputed,
        e.StatementGiven: _stated,
        e.Resolved: _resolved,
        e.Refunded: _refunded,
    },
)
