"""The journal day by day, with what every account that moved holds at the end of its day."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from domain.ledger.accounts import Account, Side
from domain.times import DAY, Instant
from projections.reconcile.journal import Posted

_EPOCH = date(1970, 1, 1)


class DayEnd(NamedTuple):
    """The end of a day in UTC: the accounts that moved in it, and their balances, debits positive."""

    day: date
    balances: dict[Account, int]


def day_of(instant: Instant) -> date:
    return _EPOCH + timedelta(days=instant // DAY)


def clock_of(instant: Instant) -> str:
    """The time of day, to the millisecond."""
    return datetime.fromtimestamp(instant // 1_000, UTC).strftime("%H:%M:%S") + f".{instant % 1_000:03d}"


def by_day(entries: Iterable[Posted]) -> Iterator[Posted | DayEnd]:
    """All entries, and after the last one of each day its end."""
    balances: dict[Account, int] = {}
    for day, of_day in groupby(entries, key=lambda posted: day_of(posted.occurred_at)):
        moved: dict[Account, None] = {}
        for posted in of_day:
            yield posted
            for account, side, cents in posted.entry.postings:
                balances[account] = balances.get(account, 0) + (cents if side is Side.DEBIT else -cents)
                moved[account] = None
        yield DayEnd(day, {account: balances[account] for account in moved})
