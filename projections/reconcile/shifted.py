"""Entries that are dated in one period and count in another: why an account is not what the statements add up to."""

from collections.abc import Iterable

from projections.reconcile.journal import Posted
from projections.reconcile.period import Period

MAX_LISTED = 1_000


class Shifted:
    """What a statement takes from an owner or gives to a tester is dated there and counts when it is written."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self.listed: list[Posted] = []
        """The first of them."""
        self.count = 0

    def see(self, entries: Iterable[Posted]) -> None:
        """Entries of any time."""
        for posted in entries:
            if self._period.contains(posted.dated_at) is not self._period.contains(posted.counts_at):
                self.count += 1
                if len(self.listed) < MAX_LISTED:
                    self.listed.append(posted)

    def counts_here(self, posted: Posted) -> bool:
        return self._period.contains(posted.counts_at)
