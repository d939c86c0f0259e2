"""Whatever a bank tells: once everything is accepted and taken in, the books have what it says, to the cent, and no run
tells of anything more."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.books import events as books
from domain.tester.events import Withdrawn
from domain.times import DAY
from projections.reconcile.bank import Bank
from projections.reconcile.breaks import Break
from projections.reconcile.camt import BankLine
from projections.reconcile.settled import Settled
from tests.builders import ALICE
from tests.given import NOW
from tests.projections.taken_in import MONTH, TakingIn, month_of_lines

WITHDRAWALS = (UUID(int=0xA1), UUID(int=0xA2))


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


class Life(TakingIn):
    """Of withdrawals and a payout that the bank tells of."""

    def __init__(self) -> None:
        super().__init__()
        for withdrawal_id in WITHDRAWALS:
            self.add(Withdrawn(withdrawal_id=withdrawal_id, amount_cents=500), ALICE.id)
        self.book(
            books.GatewayPaidOut(payout_id="po_1", reference="t1", amount_cents=900, dated_at=NOW, statement="aa")
        )

    def look(self, month: int, lines: Sequence[BankLine]) -> tuple[list[Break], list[books.ToldByStatement]]:
        bank, settled = Bank(lines, month_of_lines(month)), Settled()
        for one in self.log:
            bank.see(one)
            settled.see(one)
        found = list(settled.left(bank.breaks(NOW + 9 * MONTH, settled, {})))
        return found, list(bank.bookings(frozenset(one.key for one in found), {"b.xml": "aa" * 32}))

    def take_in(self, month: int, lines: Sequence[BankLine]) -> None:
        found, _ = self.look(month, lines)
        self.accept(found)
        found, coming = self.look(month, lines)
        assert found == []
        for event in coming:
            self.book(event)
        assert self.look(month, lines)[0] == []


@settings(deadline=None)
@given(movements(), st.booleans())
def test_the_books_have_what_the_bank_says(months: list[list[BankLine]], comes_back: bool) -> None:
    life = Life()
    for month, lines in enumerate(months):
        life.take_in(month, lines)
        assert life.balance_cents("bank") == sum(line.cents for told in months[: month + 1] for line in told)
        if comes_back and not month:
            back = books.GatewayPayoutReturned(
                payout_id="po_1", reference="t2", amount_cents=900, dated_at=NOW, statement="aa"
            )
            life.book(back)
