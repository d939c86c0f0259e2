"""Instants and spans: whole milliseconds, UTC."""

from typing import TypeAlias

Instant: TypeAlias = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def started_minutes(start: Instant, end: Instant) -> int:
    """The minutes from start to end, every started minute counting; 0 if no time passed."""
    return -(-(end - start) // MINUTE)
