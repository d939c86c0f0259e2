"""The books: journal entries, the balance of every account, and each owner's billing."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from domain.ledger.accounts import AccountKind, Side, account_name
from domain.ledger.rules import POSTING_RULES, Movement, Rule, movements
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
    columns={"account": "TEXT", "balance_cents": "INTEGER"},
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
        row = _journal_row(recorded, number, movement)
        yield Insert(JOURNAL, row["entry"], row)
        cents, effect = movement.amount_cents, _effect(movement.rule)
        for column, sign in effect.balances:
            name = row[column]
            yield Add(BALANCES, name, {"account": name}, {"balance_cents": sign * cents})
        if effect.held:
            yield Update(JOBS, row["job_id"], {}, {"escrow_balance_cents": effect.held * cents})
        if effect.credits or effect.held:
            billed = {"balance_cents": effect.credits * cents, "held_cents": effect.held * cents}
            yield Add(BILLING, row["owner_id"], {"owner_id": row["owner_id"]}, billed)


class _Effect(NamedTuple):
    """What each cent that moves by a rule does: 1 where a balance grows by it, -1 where it shrinks.

    ``balances`` has the column with the account's name, and which of both. ``credits`` and ``held`` are of
    the owner's billing.
    """

    balances: tuple[tuple[str, int], ...]
    credits: int
    held: int


@cache
def _effect(rule: Rule) -> _Effect:
    sides = (("debit_account", rule.debit, Side.DEBIT), ("credit_account", rule.credit, Side.CREDIT))
    signs = [(column, kind, kind.sign(side)) for column, kind, side in sides]
    return _Effect(
        tuple((column, sign) for column, kind, sign in signs if kind is not AccountKind.ESCROW),
        sum(sign for _, kind, sign in signs if kind is AccountKind.OWNER_CREDITS),
        sum(sign for _, kind, sign in signs if kind is AccountKind.ESCROW),
    )


def journal_rows(recorded: Recorded[Any]) -> list[dict[str, Value]]:
    """The journal's rows of an event."""
    return [change.row for change in _changes(recorded) if isinstance(change, Insert)]


def _journal_row(recorded: Recorded[Any], number: int, movement: Movement) -> dict[str, Value]:
    rule, cents, *ids = movement
    owner_id, job_id, tester_id = map(text, ids)
    return {
        "entry": recorded.position * ENTRIES_PER_EVENT + number,
        "type": rule.type.value,
        "description": rule.describe(recorded.event),
        "debit_account": account_name(rule.debit, owner_id, job_id, tester_id),
        "credit_account": account_name(rule.credit, owner_id, job_id, tester_id),
        "amount_cents": cents,
        "owner_id": owner_id,
        "job_id": job_id,
        "tester_id": tester_id,
        "stream": text(recorded.stream),
        "version": recorded.version,
        "occurred_at": recorded.occurred_at,
    }


LEDGER = ReadModel(
    name="ledger",
    version=2,
    tables=(JOURNAL, BALANCES, BILLING),
    projectors=dict.fromkeys(POSTING_RULES, _changes),
)
