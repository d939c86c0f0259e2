"""How long open holds and disputes have been waiting."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.times import DAY, HOUR, Instant

BUCKETS: tuple[tuple[str, int | None], ...] = (
    ("0-1 h", HOUR),
    ("1-6 h", 6 * HOUR),
    ("6-24 h", 24 * HOUR),
    ("1-30 d", 30 * DAY),
    ("30-60 d", 60 * DAY),
    ("60-90 d", 90 * DAY),
    ("over 90 d", None),
)
"""Each bucket ends before its limit, in milliseconds."""


@dataclass(slots=True)
class Aged:
    """How many are of an age, and their cents."""

    count: int = 0
    cents: int = 0


def aged(items: Iterable[tuple[Instant, int]], now: Instant) -> dict[str, Aged]:
    """Instants and cents, by age at an instant."""
    buckets = {name: Aged() for name, _ in BUCKETS}
    for since, cents in items:
        bucket = buckets[_bucket(now - since)]
        bucket.count += 1
        bucket.cents += cents
    return buckets


def _bucket(age: int) -> str:
    return next(name for name, limit in BUCKETS if limit is None or age < limit)
