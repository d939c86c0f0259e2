"""Whatever a bank tells: once everything is accepted and taken in, the books have what it says, to the cent, and no run
tells of anything more."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.books import events as books
from domain.books.commands import Book
from domain.books.decider import BOOKINGS
from domain.books.state import Booked
from domain.ids import gateway_payout_stream, sent_payout_stream
from domain.ledger.rules import journal_entries
from domain.recorded import Recorded
from domain.tester.events import Withdrawn
from domain.times import DAY
from projections.reconcile.bank import Bank
from projections.reconcile.breaks import Break
from projections.reconcile.camt import BankLine
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from tests.builders import ALICE, recorded
from tests.given import NOW

MONTH = 30 * DAY
WITHDRAWALS = (UUID(int=0xA1), UUID(int=0xA2))
BOOKS = UUID(int=99)


@st.composite
def movements(draw: st.DrawFn) -> list[list[BankLine]]:
    """Two months of them, about two withdrawals of 500 and a payout of 900, or about nothing."""
    months = []
    for month in range(2):
        lines = []
        for number in range(draw(st.integers(0, 5))):
            about = draw(st.sampled_from((*(one.hex for one in WITHDRAWALS), "po_1", "rent")))
            cents = draw(st.sampled_from((500, -500, -500, 900, 900, 7)))
            at = NOW + (month + 1) * MONTH + number * DAY
            lines.append(BankLine(f"B{month}-{number}", at, cents, (f"to {about}",), "b.xml", number))
        months.append(lines)
    return months


class Life:
    """A log into which a bank's statements are taken."""

    def __init__(self) -> None:
        self.log: list[Recorded[Any]] = []
        self.booked: dict[UUID, Booked | None] = {}
        for withdrawal_id in WITHDRAWALS:
            self.add(Withdrawn(withdrawal_id=withdrawal_id, amount_cents=500), ALICE.id)
        self.book(
            books.GatewayPaidOut(payout_id="po_1", reference="t1", amount_cents=900, dated_at=NOW, statement="aa")
        )

    def add(self, event: Any, stream: UUID) -> None:
        self.log.append(recorded(event, stream, len(self.log) + 1))

    def book(self, told: books.ToldByStatement) -> None:
        """As it is decided; what was told before is not booked again."""
        if isinstance(told, books.PayoutSettled | books.PayoutReturned):
            stream = sent_payout_stream(told.withdrawal_id)
        else:
            assert not isinstance(told, books.GatewayLineBooked)
            stream = gateway_payout_stream(told.payout_id)
        for decided in BOOKINGS.decide(Book(told=told), self.booked.get(stream), NOW):
            self.booked[stream] = BOOKINGS.evolve(self.booked.get(stream), decided)
            self.add(decided, BOOKS)

    def look(self, month: int, lines: Sequence[BankLine]) -> tuple[list[Break], list[books.ToldByStatement]]:
        begins = NOW + (month + 1) * MONTH if month else None
        bank, settled = Bank(lines, Period(begins=begins, as_of=NOW + (month + 2) * MONTH - 1)), Settled()
        for one in self.log:
            bank.see(one)
            settled.see(one)
        found = list(settled.left(bank.breaks(NOW + 9 * MONTH, settled, {})))
        return found, list(bank.bookings(frozenset(one.key for one in found), {"b.xml": "aa" * 32}))

    def take_in(self, month: int, lines: Sequence[BankLine]) -> None:
        found, _ = self.look(month, lines)
        for one in found:
            adjusted = books.Adjusted(
                run_id=UUID(int=3),
                number=1,
                operator_id=UUID(int=4),
                proposed_by=UUID(int=5),
                key=one.key,
                account=one.account,
                difference_cents=one.amount_cents,
                dated_at=NOW,
            )
            self.add(adjusted, BOOKS)
        found, coming = self.look(month, lines)
        assert found == []
        for event in coming:
            self.book(event)
        assert self.look(month, lines)[0] == []

    def bank_cents(self) -> int:
        """What the books say that lies at the bank."""
        total = 0
        for one in self.log:
            for entry in journal_entries(one):
                for account, side, cents in entry.postings:
                    total += account.kind.sign(side) * cents if account.name == "bank" else 0
        return total


@settings(deadline=None)
@given(movements(), st.booleans())
def test_the_books_have_what_the_bank_says(months: list[list[BankLine]], comes_back: bool) -> None:
    life = Life()
    for month, lines in enumerate(months):
        life.take_in(month, lines)
        assert life.bank_cents() == sum(line.cents for told in months[: month + 1] for line in told)
        if comes_back and not month:
            back = books.GatewayPayoutReturned(
                payout_id="po_1", reference="t2", amount_cents=900, dated_at=NOW, statement="aa"
            )
            life.book(back)
