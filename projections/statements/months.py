"""Months in UTC."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from domain.times import DAY, SECOND, Instant


class Month(NamedTuple):
    """A calendar month: from its first instant up to, without, the first of the next."""

    name: str
    begins: Instant
    ends: Instant

    def days(self) -> list[date]:
        first = datetime.fromtimestamp(self.begins // SECOND, UTC).date()
        return [first + timedelta(days=n) for n in range((self.ends - self.begins) // DAY)]


def month_of(name: str) -> Month:
    """A month by its name, like 2026-10. Raises ValueError."""
    try:
        first = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("must be a month like 2026-10") from None
    following = (first + timedelta(days=31)).replace(day=1)
    return Month(f"{first:%Y-%m}", _instant(first), _instant(following))


def _instant(at: datetime) -> Instant:
    return int(at.timestamp()) * SECOND
