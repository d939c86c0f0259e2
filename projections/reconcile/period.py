"""Which part of the log is looked at: what was true, and known, up to an instant; and where movement begins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.dates import counts_at
from projections.times import iso


@dataclass(frozen=True, slots=True)
class Period:
    """``begins``: movement counts from there, what lies before is opening. ``as_of`` and ``known_at``: only what had
    occurred, and what had been recorded, by then. Null: from the first event, to the last."""

    begins: Instant | None = None
    as_of: Instant | None = None
    known_at: Instant | None = None

    def problems(self, now: Instant) -> Iterator[tuple[str, str]]:
        """Which of its instants cannot be looked at, by name, and why: what is told would look whole, and not be."""
        ends = {"asOf": self.as_of, "knownAt": self.known_at}
        for name, instant in {"from": self.begins, **ends}.items():
            if instant is not None and instant > now:
                yield name, f"must not be in the future; it is {iso(now)}"
        end = min((now, *(instant for instant in ends.values() if instant is not None)))
        if self.begins is not None and end < self.begins <= now:
            yield "from", f"must not be later than {iso(end)}, where the period ends"

    def holds(self, recorded: Recorded[Any]) -> bool:
        """Whether an event belongs to what was before the end, and was known by then."""
        return (self.as_of is None or counts_at(recorded) <= self.as_of) and (
            self.known_at is None or recorded.recorded_at <= self.known_at
        )

    def reaches(self, recorded: Recorded[Any]) -> bool:
        """Whether an event had been written by the end: such events are the beginning of the log."""
        return (self.as_of is None or recorded.occurred_at <= self.as_of) and (
            self.known_at is None or recorded.recorded_at <= self.known_at
        )

    def is_opening(self, counts_at: Instant) -> bool:
        return self.begins is not None and counts_at < self.begins

    def contains(self, instant: Instant) -> bool:
        """Whether an instant lies between its beginning and its end."""
        return not self.is_opening(instant) and (self.as_of is None or instant <= self.as_of)

    def of(self, log: Iterable[Recorded[Any]]) -> Iterator[Recorded[Any]]:
        """The events of a log that count."""
        return (recorded for recorded in log if self.holds(recorded))
