"""A log into which statements are taken, as operators and `tallyhold close` do."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.books import events as books
from domain.books.commands import Book
from domain.books.decider import BOOKINGS
from domain.books.state import Booked
from domain.ids import gateway_line_stream, gateway_payout_stream, sent_payout_stream
from domain.ledger.rules import journal_entries
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break
from projections.reconcile.period import Period
from tests.builders import recorded
from tests.given import NOW

MONTH = 30 * DAY
BOOKS = UUID(int=99)


def accepted(one: Break, dated_at: Instant = NOW) -> books.Adjusted:
    """Two operators have decided that a break is so."""
    return books.Adjusted(
        run_id=UUID(int=3),
        number=1,
        operator_id=UUID(int=4),
        proposed_by=UUID(int=5),
        key=one.key,
        account=one.account,
        difference_cents=one.amount_cents,
        dated_at=dated_at,
    )


def month_of_lines(month: int) -> Period:
    """The period of a month of statements, counted from 0; the first one begins with the log."""
    return Period(begins=NOW + (month + 1) * MONTH if month else None, as_of=NOW + (month + 2) * MONTH - 1)


class TakingIn:
    """The log, and what was booked in it."""

    def __init__(self) -> None:
        self.log: list[Recorded[Any]] = []
        self._booked: dict[UUID, Booked | None] = {}

    def add(self, event: Any, stream: UUID, at: Instant = NOW) -> None:
        self.log.append(recorded(event, stream, len(self.log) + 1, at))

    def accept(self, found: Sequence[Break], dated_at: Instant = NOW) -> None:
        for one in found:
            self.add(accepted(one, dated_at), BOOKS)

    def book(self, told: books.ToldByStatement) -> Sequence[books.ToldByStatement]:
        """What is decided of it: what was told before is not booked again."""
        stream = _stream_of(told)
        events = BOOKINGS.decide(Book(told=told), self._booked.get(stream), NOW)
        for event in events:
            self._booked[stream] = BOOKINGS.evolve(self._booked.get(stream), event)
            self.add(event, BOOKS)
        return events

    def balance_cents(self, name: str) -> int:
        """What the books say that lies in an account."""
        postings = (posting for one in self.log for entry in journal_entries(one) for posting in entry.postings)
        return sum(account.kind.sign(side) * cents for account, side, cents in postings if account.name == name)


def _stream_of(told: books.ToldByStatement) -> UUID:
    match told:
        case books.GatewayLineBooked():
            return gateway_line_stream(told.reference)
        case books.PayoutSettled() | books.PayoutReturned():
            return sent_payout_stream(told.withdrawal_id)
        case _:
            return gateway_payout_stream(told.payout_id)
