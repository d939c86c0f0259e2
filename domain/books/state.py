"""What the streams of the books add up to. Each is small: one line, payout, withdrawal, break or run a stream."""

from dataclasses import dataclass
from typing import TypeAlias

from domain.books.events import AdjustmentProposed, GatewayLineBooked


@dataclass(frozen=True, slots=True)
class GatewayPayout:
    """``arrived_as`` is the bank's reference once the bank told of it."""

    amount_cents: int
    arrived_as: str | None = None
    is_returned: bool = False


@dataclass(frozen=True, slots=True)
class SentPayout:
    """A withdrawal that the bank paid, by the bank's reference; ``returned_as`` once it came back."""

    amount_cents: int
    settled_as: str
    returned_as: str | None = None


Booked: TypeAlias = GatewayLineBooked | GatewayPayout | SentPayout
"""What was told by statements of one line, payout or withdrawal."""


@dataclass(frozen=True, slots=True)
class Case:
    """A break that somebody works on."""

    proposal: AdjustmentProposed
    is_adjusted: bool = False


@dataclass(frozen=True, slots=True)
class Months:
    """The names of the months that are closed."""

    closed: frozenset[str] = frozenset()
