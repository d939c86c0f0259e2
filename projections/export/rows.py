"""The journal as rows, one an entry, with the same stable columns in CSV and in Parquet."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from projections.export.amounts import CURRENCY, decimal
from projections.export.csv_text import csv_line
from projections.export.days import day_of
from projections.json import text
from projections.reconcile.journal import Posted
from projections.times import iso

Cell: TypeAlias = int | str | None

COLUMNS: dict[str, type] = {
    "entry": str,
    "date": str,
    "occurred_at": str,
    "type": str,
    "description": str,
    "debit_account": str,
    "credit_account": str,
    "amount_cents": int,
    "amount": str,
    "currency": str,
    "owner_id": str,
    "job_id": str,
    "tester_id": str,
    "stream": str,
    "version": int,
    "position": int,
    "dated_at": str,
}
"""In this order, for ever; a new column comes at the end."""


def row(posted: Posted) -> tuple[Cell, ...]:
    """An entry by its columns: ISO dates, cents and the same in units of currency."""
    entry = posted.entry
    debit, credit = entry.postings
    return (
        posted.id,
        day_of(posted.occurred_at).isoformat(),
        iso(posted.occurred_at),
        entry.type.value,
        entry.description,
        debit.account.name,
        credit.account.name,
        entry.amount_cents,
        decimal(entry.amount_cents),
        CURRENCY,
        text(entry.owner_id),
        text(entry.job_id),
        text(entry.tester_id),
        text(posted.stream),
        posted.version,
        posted.position,
        iso(posted.dated_at),
    )


def journal_csv(entries: Iterable[Posted]) -> Iterator[str]:
    """The journal as CSV (RFC 4180, UTF-8), with a header."""
    yield csv_line(COLUMNS)
    for posted in entries:
        yield csv_line(row(posted))
