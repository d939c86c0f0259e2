"""The journal day by day: each account before its first entry, and what all that moved hold at the end of the day."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from domain.ledger.accounts import Account, Side
from domain.times import DAY, Instant
from projections.reconcile.journal import Posted

_EPOCH = date(1970, 1, 1)


class Opening(NamedTuple):
    """An account that the next entry is the first to move."""

    account: Account
    day: date


class DayEnd(NamedTuple):
    """The end of a day in UTC: the accounts that moved in it, and their balances, debits positive."""

    day: date
    balances: dict[Account, int]


def day_of(instant: Instant) -> date:
    return _EPOCH + timedelta(days=instant // DAY)


def clock_of(instant: Instant) -> str:
    """The time of day, to the millisecond."""
    return datetime.fromtimestamp(instant // 1_000, UTC).strftime("%H:%M:%S") + f".{instant % 1_000:03d}"


def by_day(entries: Iterable[Posted]) -> Iterator[Opening | Posted | DayEnd]:
    """All entries, each after the openings of its accounts, and after the last one of each day its end."""
    balances: dict[Account, int] = {}
    for day, of_day in groupby(entries, key=lambda posted: day_of(posted.occurred_at)):
        moved: dict[Account, None] = {}
        for posted in of_day:
            for account, side, cents in posted.entry.postings:
                if account not in balances:
                    balances[account] = 0
                    yield Opening(account, day)
                balances[account] += cents if side is Side.DEBIT else -cents
                moved[account] = None
            yield posted
        yield DayEnd(day, {account: balances[account] for account in moved})
