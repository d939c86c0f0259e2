"""Journal entries in their place: the very posting rules of the service, folded over the log."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from domain.ledger.journal import JournalEntry
from domain.ledger.rules import journal_entries
from domain.recorded import Recorded
from domain.times import Instant
from projections.ledger import ENTRIES_PER_EVENT, entry_id
from projections.reconcile.dates import counts_at, dated_at


class Posted(NamedTuple):
    """A journal entry, and the event that caused it."""

    key: int
    """Its key in the ledger's read model; it grows with the log."""
    stream: UUID
    version: int
    position: int
    occurred_at: Instant
    dated_at: Instant
    """When it happened at the gateway or the bank; else when it occurred."""
    counts_at: Instant
    """To which period it belongs."""
    entry: JournalEntry

    @property
    def id(self) -> str:
        """Its id as users see it."""
        return entry_id(self.key)


def posted_by(recorded: Recorded[Any]) -> Iterator[Posted]:
    """The entries of one event."""
    for number, entry in enumerate(journal_entries(recorded)):
        key = recorded.position * ENTRIES_PER_EVENT + number
        at, dated, counts = recorded.occurred_at, dated_at(recorded), counts_at(recorded)
        yield Posted(key, recorded.stream, recorded.version, recorded.position, at, dated, counts, entry)


def posted(log: Iterable[Recorded[Any]]) -> Iterator[Posted]:
    """The entries of all events, in the order of the log."""
    for recorded in log:
        yield from posted_by(recorded)
