"""Times as clients write and read them: RFC 3339 text outside, whole milliseconds UTC inside."""

import re
from datetime import datetime, timedelta

from domain.times import SECOND, Instant

# RFC 3339, section 5.6: seconds and an offset are mandatory, "T" and "Z" may be small.
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all arithmetic here is in UTC, and naive is twice as fast
_SECOND = timedelta(seconds=1)
_SENTENCE = "must be an ISO 8601 time with an offset or Z, such as 2025-01-15T09:00:00Z"


def parse_instant(text: str) -> Instant:
    """The instant that an RFC 3339 date-time names, truncated to the millisecond; a ValueError if it names none."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(_SENTENCE)
    date, time, fraction, sign, hours, minutes = match.groups()
    try:
        utc = datetime.fromisoformat(f"{date}T{time}") - _ahead(sign, hours, minutes)
    except (ValueError, OverflowError):
        raise ValueError(_SENTENCE) from None
    milliseconds = int((fraction or "")[:3].ljust(3, "0"))
    return (utc - _EPOCH) // _SECOND * SECOND + milliseconds


def _ahead(sign: str | None, hours: str, minutes: str) -> timedelta:
    """How far local time is ahead of UTC."""
    if sign is None:
        return timedelta()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
