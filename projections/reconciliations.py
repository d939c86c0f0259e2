"""Reconciliations that were kept, their breaks, and what operators decided about them."""

from collections.abc import Iterator

from domain.books import events as e
from domain.ids import case_stream
from domain.recorded import Recorded
from projections.json import text, to_json
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update, Value
from projections.reconcile.breaks import MAX_KEPT, Category
from projections.times import iso, iso_or_none

RECONCILIATIONS = Table(
    name="reconciliations",
    key="run_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "run_id": "TEXT",
        "item": "TEXT",
        "evidence": "TEXT",
        "breaks": "INTEGER",
        "begins_at": "INTEGER",
        "ends_at": "INTEGER",
        "of_gateway": "INTEGER",
        "of_bank": "INTEGER",
    },
    indexes=(Index(("run_id",), unique=True),),
)
"""``item`` is the run as lists show it, as JSON; ``breaks`` are those that are kept; ``of_gateway`` and ``of_bank``
are 1 where such a statement was held against all that is known."""

BREAKS = Table(
    name="reconciliation_breaks",
    key="entry",
    primary_key="entry",
    columns={
        "entry": "INTEGER",
        "case_id": "TEXT",
        "category": "TEXT",
        "remedy": "TEXT",
        "since": "INTEGER",
        "told_by": "TEXT",
        "item": "TEXT",
    },
)
"""``told_by`` is whose statement tells of it, the gateway's or the bank's; null where the log alone does.
``entry`` is BREAKS_PER_RUN x the position of the run + the number of the break."""

BREAKS_PER_RUN = MAX_KEPT + 1
_AT_BANK = frozenset({Category.MISSING_AT_BANK, Category.UNKNOWN_AT_BANK})

CASES = Table(
    name="reconciliation_cases",
    key="case_id",
    primary_key="case_id",
    columns={
        "case_id": "TEXT",
        "status": "TEXT",
        "reason": "TEXT",
        "proposed_by": "TEXT",
        "proposed_at": "INTEGER",
        "confirmed_by": "TEXT",
        "confirmed_at": "INTEGER",
    },
)
"""What became of a break, in whichever run it was found."""


def _reconciled(recorded: Recorded[e.Reconciled]) -> Iterator[Change]:
    event, run_id = recorded.event, text(recorded.stream)
    item = run_item(recorded)
    yield Insert(
        RECONCILIATIONS,
        run_id,
        {
            "position": recorded.position,
            "run_id": run_id,
            "item": to_json(item),
            "evidence": event.evidence,
            "breaks": len(event.breaks),
            "begins_at": event.begins,
            "ends_at": event.ends_at,
            "of_gateway": int(event.known_at is None and any(not file.of_bank for file in event.statements)),
            "of_bank": int(event.known_at is None and any(file.of_bank for file in event.statements)),
        },
    )
    for number, found in enumerate(event.breaks, 1):
        entry = recorded.position * BREAKS_PER_RUN + number
        row: dict[str, Value] = {
            "entry": entry,
            "case_id": text(case_stream(found.key, found.ordinal)),
            "category": found.category,
            "remedy": found.remedy.value,
            "since": found.since,
            "told_by": _told_by(found),
            "item": to_json(break_item(number, found)),
        }
        yield Insert(BREAKS, entry, row)


def _told_by(found: e.FoundBreak) -> str | None:
    if found.account is e.AdjustedAccount.BANK or found.category in _AT_BANK:
        return "bank"
    return None if found.account is None else "gateway"


def run_item(recorded: Recorded[e.Reconciled]) -> dict[str, object]:
    """A run as lists show it."""
    event = recorded.event
    return {
        "id": text(recorded.stream),
        "createdAt": iso(recorded.occurred_at),
        "createdBy": {"kind": recorded.actor.kind.value, "id": text(recorded.actor.id)},
        "clean": event.is_clean,
        "breaks": event.breaks_total,
        "from": iso_or_none(event.begins),
        "asOf": iso_or_none(event.as_of),
        "knownAt": iso_or_none(event.known_at),
        "timezone": event.timezone,
        "endsAt": iso(event.ends_at),
        "position": event.position,
        "treeRoot": event.tree_root,
        "statements": [{"name": one.name, "sha256": one.sha256, "lines": one.lines} for one in event.statements],
    }


def break_item(number: int, found: e.FoundBreak) -> dict[str, object]:
    """A break as its run has found it."""
    return {
        "number": number,
        "category": found.category,
        "remedy": found.remedy.value,
        "subject": found.subject,
        "detail": found.detail,
        "amountCents": found.difference_cents,
        "account": found.account,
        "positions": list(found.positions),
        "since": iso_or_none(found.since),
    }


def _proposed(recorded: Recorded[e.AdjustmentProposed]) -> Iterator[Change]:
    event, case_id = recorded.event, text(recorded.stream)
    yield Insert(
        CASES,
        case_id,
        {
            "case_id": case_id,
            "status": "proposed",
            "reason": event.reason,
            "proposed_by": text(event.operator_id),
            "proposed_at": recorded.occurred_at,
            "confirmed_by": None,
            "confirmed_at": None,
        },
    )


def _adjusted(recorded: Recorded[e.Adjusted]) -> Iterator[Change]:
    values: dict[str, Value] = {
        "status": "adjusted",
        "confirmed_by": text(recorded.event.operator_id),
        "confirmed_at": recorded.occurred_at,
    }
    yield Update(CASES, text(recorded.stream), values)


RECONCILIATION_LIST = ReadModel(
    name="reconciliations",
    version=3,
    tables=(RECONCILIATIONS, BREAKS, CASES),
    projectors={e.Reconciled: _reconciled, e.AdjustmentProposed: _proposed, e.Adjusted: _adjusted},
)
