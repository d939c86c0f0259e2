"""Instants as users see them."""

from datetime import UTC, datetime
from functools import lru_cache

from domain.times import SECOND, Instant

RECENT = 4_096


@lru_cache(RECENT)
def iso(instant: Instant) -> str:
    """ISO 8601 in UTC with Z; the milliseconds only where there are some."""
    seconds, fraction = divmod(instant, SECOND)
    return f"{_second(seconds)}.{fraction:03d}Z" if fraction else f"{_second(seconds)}Z"


@lru_cache(RECENT)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def instant_of(time: datetime) -> Instant:
    """The instant of a time that has a zone, to the second. Raises ValueError where UTC has no year for it."""
    try:
        return int(time.astimezone(UTC).timestamp()) * SECOND
    except OverflowError:
        raise ValueError("must be a time in the years 1 to 9999 of UTC") from None


def iso_or_none(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)
