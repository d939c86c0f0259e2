"""A statement as JSON, as CSV, and as a page to print."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain.ledger.journal import EntryType as T
from domain.times import Instant
from projections.export.amounts import CURRENCY, decimal
from projections.export.csv_text import csv_line
from projections.export.html import document, table
from projections.json import text
from projections.statements.chart import chart
from projections.statements.statement import Movement, Statement
from projections.times import iso

_TOTALS: Mapping[bool, tuple[tuple[str, str, tuple[T, ...]], ...]] = {
    True: (
        ("purchasedCents", "credits bought", (T.CREDIT_PURCHASE,)),
        ("heldCents", "moved into escrow", (T.ESCROW_HOLD, T.ESCROW_HOLD_INCREASE)),
        ("releasedCents", "released from escrow", (T.ESCROW_RELEASE_UNUSED, T.ESCROW_RELEASE_CANCELLED)),
        ("refundedCents", "refunded after disputes", (T.DISPUTE_REFUND,)),
        ("reversedCents", "purchases refunded or charged back", (T.CREDIT_REFUND, T.CHARGEBACK)),
        ("payoutCents", "paid to testers", (T.SETTLEMENT_PAYOUT,)),
        ("feeCents", "platform fees", (T.SETTLEMENT_FEE,)),
    ),
    False: (
        ("earnedCents", "earned", (T.SETTLEMENT_PAYOUT,)),
        ("withdrawnCents", "withdrawn", (T.WITHDRAWAL,)),
        ("returnedCents", "came back from the bank", (T.PAYOUT_RETURNED,)),
    ),
}
"""What is summed for an owner and for a tester; fees stand by themselves."""
_NOT_OVER = "the month is not over"


def as_json(made: Statement) -> Iterator[str]:
    """The whole statement as one document."""
    yield json.dumps(_document(made), indent=2) + "\n"


def _document(made: Statement) -> dict[str, Any]:
    return {
        "ownerId" if made.is_owner else "testerId": text(made.holder),
        "month": made.month.name,
        "timezone": made.month.timezone,
        "currency": CURRENCY,
        "opening": _balance(made, made.opening_free_cents, made.opening_escrow_cents),
        "totals": {name: made.total_cents(*types) for name, _, types in _TOTALS[made.is_owner]},
        "closesAt": iso(made.closes_at),
        "isFinal": made.is_final,
        "closing": _balance(made, made.closing_free_cents, made.closing_escrow_cents),
        "movements": [_movement(made, one) for one in made.movements],
    }


def _balance(made: Statement, free: int, escrow: int) -> dict[str, int]:
    return {"balanceCents": free, "heldCents": escrow} if made.is_owner else {"payableCents": free}


def _movement(made: Statement, one: Movement) -> dict[str, Any]:
    moved = {"balanceCents": one.free_cents, "heldCents": one.escrow_cents}
    return {
        "id": one.id,
        "position": one.position,
        "occurredAt": iso(one.at),
        "type": one.type.value,
        "description": one.description,
        "jobId": text(one.job_id),
        "jobTitle": one.job_title,
        "datedAt": iso(one.dated_at),
        "priorPeriod": one.is_prior_period,
        **(moved if made.is_owner else {"payableCents": one.free_cents}),
    }


CSV_COLUMNS = (
    "entry",
    "occurred_at",
    "type",
    "description",
    "job_id",
    "job_title",
    "balance_cents",
    "balance",
    "held_cents",
    "held",
    "currency",
    "dated_at",
    "prior_period",
)


def as_csv(made: Statement) -> Iterator[str]:
    """One row a movement, between a row of the opening and one of the closing balances."""
    yield csv_line(CSV_COLUMNS)
    yield _balance_line("opening", made.month.begins, made.opening_free_cents, made.opening_escrow_cents)
    for one in made.movements:
        free, escrow = one.free_cents, one.escrow_cents
        told = (one.id, iso(one.at), one.type.value, one.description, text(one.job_id), one.job_title)
        dated = (iso(one.dated_at), "yes" if one.is_prior_period else "no")
        yield csv_line((*told, free, decimal(free), escrow, decimal(escrow), CURRENCY, *dated))
    about = None if made.is_final else _NOT_OVER
    yield _balance_line("closing", made.closes_at, made.closing_free_cents, made.closing_escrow_cents, about)


def _balance_line(what: str, at: Instant, free: int, escrow: int, about: str | None = None) -> str:
    cents = (free, decimal(free), escrow, decimal(escrow))
    return csv_line((None, iso(at), what, about, None, None, *cents, CURRENCY, iso(at), "no"))


def as_html(made: Statement) -> Iterator[str]:
    """A page to print, with a chart."""
    whose = "owner" if made.is_owner else "tester"
    lead = f"Of {whose} {made.holder}, month {made.month.name} in {made.month.timezone}, amounts in {CURRENCY}."
    if not made.is_final:
        lead += f" As of {iso(made.closes_at)}: {_NOT_OVER}."
    yield document(f"Statement {made.month.name}", lead, _parts(made))


def _parts(made: Statement) -> Iterator[str]:
    yield table("In short", ("", "Amount"), _short(made))
    yield chart(made)
    columns = ("Free credits", "In escrow") if made.is_owner else ("Payable",)
    rows = ((*_told(one), *_moved(one)[: len(columns)]) for one in made.movements)
    yield table("Movements", ("Time", "What", "Job", "Entry", *columns), rows)


def _short(made: Statement) -> Iterator[tuple[str, str]]:
    free = "free credits" if made.is_owner else "payable"
    closing = "Closing" if made.is_final else "So far"
    yield f"Opening, {free}", decimal(made.opening_free_cents)
    if made.is_owner:
        yield "Opening, in escrow", decimal(made.opening_escrow_cents)
    for _, shown, types in _TOTALS[made.is_owner]:
        yield shown.capitalize(), decimal(made.total_cents(*types))
    yield f"{closing}, {free}", decimal(made.closing_free_cents)
    if made.is_owner:
        yield f"{closing}, in escrow", decimal(made.closing_escrow_cents)


def _told(one: Movement) -> tuple[str, str, str, str]:
    shown = iso(one.at)[:19].replace("T", " ").removesuffix("Z")
    prior = f" (prior period, of {iso(one.dated_at)[:10]})" if one.is_prior_period else ""
    return shown, one.description + prior, one.job_title or "", one.id


def _moved(one: Movement) -> tuple[str, str]:
    return decimal(one.free_cents), decimal(one.escrow_cents)


FORMS: Mapping[str, Callable[[Statement], Iterator[str]]] = {"json": as_json, "csv": as_csv, "html": as_html}
