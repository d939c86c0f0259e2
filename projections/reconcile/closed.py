"""Closed months, and what came into them afterwards: prior-period adjustments."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from domain.books.events import MonthClosed
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.journal import Posted
from projections.reconcile.period import Period

MAX_LISTED = 1_000


class Closing(NamedTuple):
    """A closed month: all that was known of it lies in the log up to ``position``."""

    month: str
    begins: Instant
    ends: Instant
    position: int
    timezone: str


class PriorPeriod(NamedTuple):
    """An entry that is dated in a month that was closed without it."""

    month: str
    posted: Posted


class ClosedMonths:
    """Finds what is dated in closed months. The read model tells which there are; the log must tell the same."""

    def __init__(self, told: Mapping[str, Closing], period: Period) -> None:
        self._told = told
        self._period = period
        self._before = max((one.position for one in told.values() if one.ends == period.begins), default=None)
        """What the log had when the month before the period was closed; null where none was."""
        self._closed: dict[str, tuple[Closing, int, Instant]] = {}
        self.later: list[PriorPeriod] = []
        """The first of them."""
        self.later_count = 0

    def see(self, recorded: Recorded[Any]) -> None:
        event = recorded.event
        if isinstance(event, MonthClosed):
            closing = Closing(event.month, event.begins_at, event.ends_at, event.position, event.timezone)
            self._closed[event.month] = (closing, recorded.position, recorded.occurred_at)

    def post(self, posted: Posted) -> None:
        """An entry that counts by the end of the period: told where it is dated, where it was written, and where an
        opening is not what the month before was closed with."""
        is_of_period = any(map(self._period.contains, (posted.dated_at, posted.occurred_at)))
        if not is_of_period and not self._changes_opening(posted):
            return
        for closing in self._told.values():
            if closing.begins <= posted.dated_at < closing.ends and posted.position > closing.position:
                self.later_count += 1
                if len(self.later) < MAX_LISTED:
                    self.later.append(PriorPeriod(closing.month, posted))

    def _changes_opening(self, posted: Posted) -> bool:
        is_later = self._before is not None and posted.position > self._before
        return is_later and self._period.is_opening(posted.counts_at)

    def breaks(self) -> Iterator[Break]:
        """Months of which the read model tells otherwise than the log."""
        for month in sorted({*self._told, *self._closed}):
            right = self._closed.get(month)
            if right is None:
                yield Break(Category.READ_MODEL_DRIFT, f"month {month}", "told to be closed, and is not by the log")
            elif self._told.get(month) != right[0]:
                category = Category.READ_MODEL_DRIFT if month in self._told else Category.MISSING_IN_READ_MODEL
                detail = "closed by the log, and not told so"
                yield Break(category, f"month {month}", detail, positions=(right[1],), since=right[2])
