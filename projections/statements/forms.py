"""A statement as JSON, as CSV, and as a page to print."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from domain.ledger.journal import EntryType as T
from domain.times import SECOND, Instant
from projections.export.amounts import CURRENCY, decimal
from projections.export.csv_text import csv_line
from projections.export.html import document, table
from projections.json import text
from projections.statements.chart import chart
from projections.statements.months import Month
from projections.statements.statement import Figures, Movement, Statement
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
_COLUMNS: Mapping[bool, tuple[str, ...]] = {True: ("Free credits", "In escrow", "Owed"), False: ("Payable",)}
"""The figures of an owner and of a tester on a page."""
_NOT_WHOLE = "the month is not whole yet"


def as_json(made: Statement) -> Iterator[str]:
    """The whole statement as one document."""
    yield json.dumps(_document(made), indent=2) + "\n"


def _document(made: Statement) -> dict[str, Any]:
    return {
        "ownerId" if made.is_owner else "testerId": text(made.holder),
        "month": made.month.name,
        "timezone": made.month.timezone,
        "currency": CURRENCY,
        "opening": _balance(made, made.opening),
        "totals": {name: made.total_cents(*types) for name, _, types in _TOTALS[made.is_owner]},
        "closesAt": iso(made.closes_at),
        "isFinal": made.is_final,
        "closing": _balance(made, made.closing),
        "movements": [_movement(made, one) for one in made.movements],
    }


def _balance(made: Statement, figures: Figures) -> dict[str, int]:
    names = ("balanceCents", "heldCents", "owedCents") if made.is_owner else ("payableCents",)
    return dict(zip(names, figures, strict=False))


def _movement(made: Statement, one: Movement) -> dict[str, Any]:
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
        **_balance(made, one.moved),
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
    "owed_cents",
    "owed",
)


def as_csv(made: Statement) -> Iterator[str]:
    """One row a movement, between a row of the opening and one of the closing balances."""
    yield csv_line(CSV_COLUMNS)
    yield _balance_line("opening", made.month.begins, made.opening)
    for one in made.movements:
        told = (one.id, iso(one.at), one.type.value, one.description, text(one.job_id), one.job_title)
        yield _line(told, one.moved, one.dated_at, is_prior_period=one.is_prior_period)
    yield _balance_line("closing", made.closes_at, made.closing, None if made.is_final else _NOT_WHOLE)


def _balance_line(what: str, at: Instant, figures: Figures, about: str | None = None) -> str:
    return _line((None, iso(at), what, about, None, None), figures, at, is_prior_period=False)


def _line(told: tuple[str | None, ...], figures: Figures, dated_at: Instant, *, is_prior_period: bool) -> str:
    free, escrow, owed = ((cents, decimal(cents)) for cents in figures)
    dated = (iso(dated_at), "yes" if is_prior_period else "no")
    return csv_line((*told, *free, *escrow, CURRENCY, *dated, *owed))


def as_html(made: Statement) -> Iterator[str]:
    """A page to print, with a chart."""
    whose = "owner" if made.is_owner else "tester"
    lead = f"Of {whose} {made.holder}, month {made.month.name} in {made.month.timezone}, amounts in {CURRENCY}."
    if not made.is_final:
        lead += f" As of {iso(made.closes_at)}: {_NOT_WHOLE}."
    yield document(f"Statement {made.month.name}", lead, _parts(made))


def _parts(made: Statement) -> Iterator[str]:
    yield table("In short", ("", "Amount"), _short(made))
    yield chart(made)
    columns = _COLUMNS[made.is_owner]
    rows = ((*_told(one, made.month), *map(decimal, one.moved[: len(columns)])) for one in made.movements)
    yield table("Movements", ("Time", "What", "Job", "Entry", *columns), rows)


def _short(made: Statement) -> Iterator[tuple[str, str]]:
    yield from _balances("Opening", made, made.opening)
    for _, shown, types in _TOTALS[made.is_owner]:
        yield shown.capitalize(), decimal(made.total_cents(*types))
    yield from _balances("Closing" if made.is_final else "So far", made, made.closing)


def _balances(when: str, made: Statement, figures: Figures) -> Iterator[tuple[str, str]]:
    for column, cents in zip(_COLUMNS[made.is_owner], figures, strict=False):
        yield f"{when}, {column.lower()}", decimal(cents)


def _told(one: Movement, month: Month) -> tuple[str, str, str, str]:
    shown = datetime.fromtimestamp(one.at // SECOND, month.zone).strftime("%Y-%m-%d %H:%M:%S")
    prior = f" (prior period, of {month.day_of(one.dated_at)})" if one.is_prior_period else ""
    return shown, one.description + prior, one.job_title or "", one.id


FORMS: Mapping[str, Callable[[Statement], Iterator[str]]] = {"json": as_json, "csv": as_csv, "html": as_html}
