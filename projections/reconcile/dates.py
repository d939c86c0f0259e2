"""When what a statement tells has happened, and to which period it belongs.

The log is in the order in which things were written. What a statement of October tells is written in November and
belongs to October; but what it takes from an owner or gives to a tester changes what they have when it is written.
"""

from typing import Any

from domain.books import events as books
from domain.recorded import Recorded
from domain.times import Instant

_BY_DATE = frozenset(
    {
        books.GatewayLineBooked,
        books.GatewayPaidOut,
        books.GatewayPayoutReturned,
        books.GatewayPayoutArrived,
        books.PayoutSettled,
        books.Adjusted,
    }
)
"""Money between the platform, its gateway and its bank: it belongs to the day at which it moved there."""


def dated_at(recorded: Recorded[Any]) -> Instant:
    """When it happened outside; for all else, when it occurred."""
    dated: Instant = getattr(recorded.event, "dated_at", recorded.occurred_at)
    return dated


def counts_at(recorded: Recorded[Any]) -> Instant:
    """The instant by which an event belongs to a period."""
    return counted_at(recorded.event, recorded.occurred_at)


def counted_at(event: Any, occurred_at: Instant) -> Instant:
    """The same of an event without its envelope."""
    dated: Instant = event.dated_at if type(event) in _BY_DATE else occurred_at
    return dated
