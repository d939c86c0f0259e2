"""What the read models tell of a log, folded in memory, so that a test can make them tell otherwise."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.recorded import Recorded
from domain.times import Instant
from projections.jobs import JOBS
from projections.ledger import BALANCES, BILLING, JOURNAL
from projections.months import MONTHS
from projections.read_model import Add, Insert, Update
from projections.reconcile.closed import Closing
from projections.reconcile.told import JournalRow, WalletRow
from projections.replay import changes
from projections.wallets import WALLETS


@dataclass
class Told:
    """A snapshot of read models that may be changed."""

    position: int
    last_time: Instant
    rows: dict[int, JournalRow] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    testers: dict[str, WalletRow] = field(default_factory=dict)
    months: dict[str, Closing] = field(default_factory=dict)
    root: str = "00"

    def journal(self) -> Generator[JournalRow]:
        return (self.rows[entry] for entry in sorted(self.rows))

    def balances(self) -> Mapping[str, int]:
        return self.sums

    def billing(self) -> Mapping[str, tuple[int, int]]:
        return self.owners

    def closings(self) -> Mapping[str, Closing]:
        return self.months

    def wallets(self) -> Mapping[str, WalletRow]:
        return self.testers


def told_of(log: Sequence[Recorded[Any]], ends: Instant) -> Told:
    """The read models as the projections make them."""
    told = Told(log[-1].position, ends)
    escrow: dict[Any, str] = {}
    for change in changes(log):
        match change:
            case Insert(table, _, row) if table is JOURNAL:
                told.rows[int(str(row["entry"]))] = JournalRow(**row)  # type: ignore[arg-type]
            case Insert(table, key, row) if table is JOBS:
                escrow[key] = f"owner:{row['owner_id']!s}:escrow:{row['job_id']!s}"
                told.sums[escrow[key]] = 0
            case Update(table, key, _, added) if table is JOBS and "escrow_balance_cents" in added:
                told.sums[escrow[key]] += added["escrow_balance_cents"]
            case Insert(table, _, row) if table is MONTHS:
                told.months[str(row["month"])] = Closing(
                    *(row[name] for name in ("month", "begins_at", "ends_at", "position", "timezone"))  # type: ignore[arg-type]
                )
            case Add():
                _add(told, change)
            case _:
                pass
    return told


def _add(told: Told, change: Add) -> None:
    key, added = str(change.key), change.added
    if change.table is BALANCES:
        told.sums[key] = told.sums.get(key, 0) + added["balance_cents"]
    elif change.table is BILLING:
        free, held = told.owners.get(key, (0, 0))
        told.owners[key] = (free + added["balance_cents"], held + added["held_cents"])
    elif change.table is WALLETS:
        has = told.testers.get(key, WalletRow())
        told.testers[key] = WalletRow(*(one + added[name] for one, name in zip(has, WalletRow._fields, strict=True)))
