"""Months of a time zone; UTC unless another one is asked for."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.times import SECOND, Instant
from projections.times import instant_of

MAX_ZONE = 64


class Month(NamedTuple):
    """A calendar month: from its first instant up to, without, the first of the next. Midnights are its zone's."""

    name: str
    begins: Instant
    ends: Instant
    timezone: str
    zone: tzinfo

    def days(self) -> list[date]:
        """Its days; where clocks change they are not all of one length."""
        first, following = self.day_of(self.begins), self.day_of(self.ends)
        return [first + timedelta(days=n) for n in range((following - first).days)]

    def day_of(self, instant: Instant) -> date:
        return datetime.fromtimestamp(instant // SECOND, self.zone).date()


def zone_of(name: str) -> tzinfo:
    """A time zone by its name in the IANA database, like Europe/Berlin. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name[:MAX_ZONE])
    except (OSError, ValueError, LookupError):
        raise ValueError("must be a time zone like UTC or Europe/Berlin") from None


def day_in(zone: tzinfo, shown: str) -> str:
    """The day in a zone of an instant as users see it."""
    return datetime.fromisoformat(shown).astimezone(zone).date().isoformat()


def midnight(day: date, zone: tzinfo) -> Instant:
    """The first instant of a day in a zone. Raises ValueError where UTC has no year for it."""
    return instant_of(datetime(day.year, day.month, day.day, tzinfo=zone))


def month_of(name: str, timezone: str = "UTC") -> Month:
    """A month by its name, like 2026-10. Raises ValueError."""
    zone = zone_of(timezone)
    try:
        first = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC).date()
        following = (first + timedelta(days=31)).replace(day=1)
        return Month(first.isoformat()[:7], midnight(first, zone), midnight(following, zone), timezone, zone)
    except (ValueError, OverflowError):
        what = "must be a month like 2026-10 that begins and ends in the years 1 to 9999 of UTC"
        raise ValueError(what) from None
