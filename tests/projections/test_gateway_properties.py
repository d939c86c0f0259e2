"""Whatever a gateway tells, and however often it changes its mind: once everything is accepted and taken in, the books
have what it says, to the cent, and no run tells of anything more."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.books import events as books
from domain.books.others import reversal
from domain.credits import events as credits
from domain.credits.decider import CREDITS
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break
from projections.reconcile.gateway import Gateway
from projections.reconcile.settled import Settled
from projections.reconcile.statement import StatementLine
from tests.builders import OWNER
from tests.given import NOW
from tests.projections.taken_in import MONTH, TakingIn, month_of_lines

PURCHASES = {UUID(int=1): 1_000, UUID(int=2): 1_000, UUID(int=3): 700}
NOT_COMPLETED = UUID(int=3)
CATEGORIES = ("charge", "charge", "refund", "dispute", "fee", "other_adjustment", "payout", "payout_reversal")
_SIGNS = {"refund": -1, "dispute": -1, "fee": -1, "payout": -1}


@st.composite
def statements(draw: st.DrawFn) -> list[list[StatementLine]]:
    """Three months of lines; the names of payouts and the amounts meet often."""
    months = []
    for month in range(3):
        lines = []
        for number in range(draw(st.integers(0, 5))):
            category = draw(st.sampled_from(CATEGORIES))
            cents = draw(st.sampled_from((1_000, 700, 300))) * _SIGNS.get(category, 1)
            cents *= draw(st.sampled_from((1, 1, 1, 1, -1)))
            fee = draw(st.sampled_from((0, 0, 30, -5)))
            about_purchase = category in ("charge", "refund", "dispute")
            lines.append(
                StatementLine(
                    f"txn_{month}_{number}",
                    NOW + (month + 1) * MONTH + number * DAY,
                    cents,
                    fee,
                    cents - fee + draw(st.sampled_from((0, 0, 0, 0, 1))),
                    category,
                    draw(st.sampled_from((*PURCHASES, UUID(int=9)))) if about_purchase else None,
                    "a.csv",
                    number + 2,
                    source_id=draw(st.sampled_from(("po_1", "po_2"))) if category.startswith("payout") else "",
                )
            )
        months.append(lines)
    return months


class Life(TakingIn):
    """Of purchases that are charged and taken back, month by month."""

    def __init__(self) -> None:
        super().__init__()
        for purchase_id, cents in PURCHASES.items():
            self.add(credits.PurchaseStarted(purchase_id=purchase_id, amount_cents=cents), OWNER)
            if purchase_id != NOT_COMPLETED:
                self.complete(purchase_id)

    def complete(self, purchase_id: UUID, at: Instant = NOW) -> None:
        cents = PURCHASES[purchase_id]
        self.add(credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=cents, reference="ch"), OWNER, at)

    def look(self, month: int, lines: Sequence[StatementLine]) -> tuple[list[Break], list[books.ToldByStatement]]:
        """What is open in a month, and what could be taken in; all of the log is known, whenever it was written."""
        gateway, settled = Gateway(lines, month_of_lines(month)), Settled()
        for one in self.log:
            gateway.see(one)
            settled.see(one)
        found = list(settled.left(gateway.breaks(NOW + 9 * MONTH, settled)))
        return found, list(gateway.bookings(frozenset(one.key for one in found), {"a.csv": "aa" * 32}))

    def take_in(self, month: int, lines: Sequence[StatementLine]) -> None:
        """Two operators accept what is open, and the rest is booked; once more, and there is nothing left."""
        found, _ = self.look(month, lines)
        self.accept(found, NOW + (month + 2) * MONTH - 1)
        found, told = self.look(month, lines)
        assert found == []
        for event in told:
            (_,) = self.book(event)
            if (asked := reversal(event)) is not None:
                account = CREDITS.fold([one.event for one in self.log if one.stream == OWNER], None)
                for taken in CREDITS.decide(asked, account, NOW):
                    self.add(taken, OWNER)
        assert self.look(month, lines) == ([], [])

    def taken_from_owner(self, purchase_id: UUID) -> int:
        back = (credits.PurchaseRefunded, credits.ChargedBack)
        events = (one.event for one in self.log if isinstance(one.event, back))
        return sum(one.credits_cents + one.receivable_cents for one in events if one.purchase_id == purchase_id)


def net(*months: Sequence[StatementLine]) -> int:
    return sum(line.net_cents for month in months for line in month)


@settings(deadline=None)
@given(statements(), st.booleans())
def test_the_books_have_what_the_gateway_says(months: list[list[StatementLine]], completes_late: bool) -> None:
    life = Life()
    for month, lines in enumerate(months):
        life.take_in(month, lines)
        assert life.balance_cents("gateway:clearing") == net(*months[: month + 1])
        if completes_late and not month:
            life.complete(NOT_COMPLETED, NOW + 2 * MONTH + DAY)
    for purchase_id, cents in PURCHASES.items():
        assert 0 <= life.taken_from_owner(purchase_id) <= cents


@settings(deadline=None)
@given(statements(), st.data())
def test_the_books_follow_a_gateway_that_changes_its_mind(
    months: list[list[StatementLine]], data: st.DataObject
) -> None:
    """The first month is told again: with a line less, with another fee, and as it was.

    What only a payout's line has told has no booking of its own that could be missing: these lines stay.
    """
    first, *_ = months
    life = Life()
    life.take_in(0, first)
    for changed in (data.draw(changes(first)), data.draw(changes(first)), first):
        life.take_in(0, changed)
        assert life.balance_cents("gateway:clearing") == net(changed)


@st.composite
def changes(draw: st.DrawFn, lines: list[StatementLine]) -> list[StatementLine]:
    left = [line for line in lines if line.category.startswith("payout") or draw(st.integers(0, 4))]
    return [
        line._replace(fee_cents=line.fee_cents + more, net_cents=line.net_cents - more)
        for line in left
        for more in (draw(st.sampled_from((0, 0, 7))),)
    ]
