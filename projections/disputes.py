"""Disputes: one row a disputed job, for the operators' list."""

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


def _disputed(recorded: Recorded[e.Disputed]) -> Iterator[Change]:
    event, job_id = recorded.event, text(recorded.stream)
    yield Insert(
        DISPUTES,
        job_id,
        {
            "position": recorded.position,
            "job_id": job_id,
            "owner_id": text(event.owner_id),
            "status": "open",
            "opened_at": recorded.occurred_at,
            "flags": to_json(asdict(event.flags)),
            "platform_issue_description": event.platform_issue_description,
            "billing_discrepancy_description": event.billing_discrepancy_description,
        },
    )


def _resolved(recorded: Recorded[e.Resolved]) -> Iterator[Change]:
    if not recorded.event.remaining:
        yield Update(DISPUTES, text(recorded.stream), {"status": "resolved"})


DISPUTE_LIST = ReadModel(
    name="disputes",
    version=1,
    tables=(DISPUTES,),
    projectors={e.Disputed: _disputed, e.Resolved: _resolved},
)
