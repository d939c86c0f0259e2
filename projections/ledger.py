"""The books: journal entries, the balance of every account, and each owner's billing."""

import re
from collections.abc import Iterator
from typing import Any

from domain.ledger.accounts import AccountKind, Side
from domain.ledger.rules import POSTING_RULES, Movement, movements
from domain.recorded import Recorded
from projections.jobs import JOBS
from projections.json import text
from projections.read_model import Add, Change, Index, Insert, ReadModel, Table, Update, Value

JOURNAL = Table(
    name="journal",
    key="entry",
    primary_key="entry",
    columns={
        "entry": "INTEGER",
        "type": "TEXT",
        "description": "TEXT",
        "debit_account": "TEXT",
        "credit_account": "TEXT",
        "amount_cents": "INTEGER",
        "owner_id": "TEXT",
        "job_id": "TEXT",
        "tester_id": "TEXT",
        "stream": "TEXT",
        "version": "INTEGER",
        "occurred_at": "INTEGER",
    },
    indexes=(Index(("owner_id", "entry")), Index(("job_id", "entry"), where="job_id IS NOT NULL")),
)
"""``entry`` is ENTRIES_PER_EVENT x the event's position + the number of the entry within its event."""

ENTRIES_PER_EVENT = 4
_ENTRY = re.compile("([1-9][0-9]{0,15})-([0-3])")

BALANCES = Table(
    name="balances",
    key="account",
    primary_key="account",
    columns={"account": "TEXT", "kind": "TEXT", "balance_cents": "INTEGER"},
)
"""The balance of each account on its normal side, in cents; a job's escrow account has its balance in the job's row."""

BILLING = Table(
    name="billing",
    key="owner_id",
    primary_key="owner_id",
    columns={"owner_id": "TEXT", "balance_cents": "INTEGER", "held_cents": "INTEGER"},
)


def entry_id(entry: int) -> str:
    """The id of an entry as users see it: the event's position and the entry's number in it."""
    return f"{entry // ENTRIES_PER_EVENT}-{entry % ENTRIES_PER_EVENT}"


def entry_number(shown: str) -> int | None:
    """The number of an entry by its id; null for what is none."""
    match = _ENTRY.fullmatch(shown)
    return int(match[1]) * ENTRIES_PER_EVENT + int(match[2]) if match else None


def _changes(recorded: Recorded[Any]) -> Iterator[Change]:
    for number, movement in enumerate(movements(recorded.stream, recorded.event)):
        debit, credit = movement.accounts()
        row = _journal_row(recorded, number, movement, debit.name, credit.name)
        yield Insert(JOURNAL, row["entry"], row)
        cents = movement.amount_cents
        billed = {"balance_cents": 0, "held_cents": 0}
        for (kind, name), side in ((debit, Side.DEBIT), (credit, Side.CREDIT)):
            amount = cents if side is kind.normal_side else -cents
            if kind is AccountKind.ESCROW:
                billed["held_cents"] += amount
                yield Update(JOBS, row["job_id"], {}, {"escrow_balance_cents": amount})
                continue
            if kind is AccountKind.OWNER_CREDITS:
                billed["balance_cents"] += amount
            yield Add(BALANCES, name, {"account": name, "kind": kind.value}, {"balance_cents": amount})
        if any(billed.values()):
            yield Add(BILLING, row["owner_id"], {"owner_id": row["owner_id"]}, billed)


def journal_rows(recorded: Recorded[Any]) -> list[dict[str, Value]]:
    """The journal's rows of an event."""
    return [change.row for change in _changes(recorded) if isinstance(change, Insert)]


def _journal_row(recorded: Recorded[Any], number: int, movement: Movement, debit: str, credit: str) -> dict[str, Value]:
    return {
        "entry": recorded.position * ENTRIES_PER_EVENT + number,
        "type": movement.rule.type.value,
        "description": movement.rule.describe(recorded.event),
        "debit_account": debit,
        "credit_account": credit,
        "amount_cents": movement.amount_cents,
        "owner_id": text(movement.owner_id),
        "job_id": text(movement.job_id),
        "tester_id": text(movement.tester_id),
        "stream": text(recorded.stream),
        "version": recorded.version,
        "occurred_at": recorded.occurred_at,
    }


LEDGER = ReadModel(
    name="ledger",
    version=1,
    tables=(JOURNAL, BALANCES, BILLING),
    projectors=dict.fromkeys(POSTING_RULES, _changes),
)
