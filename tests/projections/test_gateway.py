"""What the gateway's lines lead to: what is booked of them, and what never is."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.books import events as books
from domain.credits import events as credits
from domain.recorded import Recorded
from domain.times import DAY
from projections.reconcile.breaks import Break, Category
from projections.reconcile.gateway import Gateway
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import StatementLine
from tests.builders import OWNER, recorded
from tests.given import NOW

PURCHASE = UUID(int=1)
HASHES = {"a.csv": "aa" * 32}
BOUGHT = (
    credits.PurchaseStarted(purchase_id=PURCHASE, amount_cents=1_000),
    credits.PurchaseCompleted(purchase_id=PURCHASE, amount_cents=1_000, reference="ch_1"),
)


def line(name: str, category: str, gross: int, fee: int = 0, **more: Any) -> StatementLine:
    facts: dict[str, Any] = {"purchase_id": PURCHASE if category in ("charge", "refund", "dispute") else None}
    facts |= {"file": "a.csv", "line": 2, **more}
    return StatementLine(
        name, facts.pop("at", NOW), gross, fee, gross - fee, category, facts.pop("purchase_id"), **facts
    )


CHARGE = line("txn_1", "charge", 1_000, 59)


def matched(
    lines: Sequence[StatementLine], log: Sequence[Any] = BOUGHT, period: Period | None = None
) -> tuple[list[Break], list[books.ToldByStatement]]:
    """The open breaks, and what would be booked."""
    gateway = Gateway(lines, period or Period())
    for number, event in enumerate(log, 1):
        one: Recorded[Any] = recorded(event, OWNER, number)
        gateway.see(one)
    found = list(gateway.breaks(NOW + 30 * DAY, Settled()))
    return found, list(gateway.bookings(frozenset(one.key for one in found), HASHES))


def test_a_charge_brings_its_fee() -> None:
    found, (booked,) = matched([CHARGE])
    assert found == []
    assert isinstance(booked, books.GatewayLineBooked)
    assert (booked.fee_cents, booked.owner_id, booked.statement) == (59, OWNER, "aa" * 32)


def test_what_was_booked_is_not_booked_again() -> None:
    _, booked = matched([CHARGE])
    assert matched([CHARGE], [*BOUGHT, *booked]) == ([], [])


def test_a_line_of_fees_is_all_fee_and_a_fee_can_come_back() -> None:
    _, (_, taken, back) = matched([CHARGE, line("txn_2", "fee", -500), line("txn_3", "refund", -100, -3)])
    assert isinstance(taken, books.GatewayLineBooked) and isinstance(back, books.GatewayLineBooked)
    assert (taken.gross_cents, taken.fee_cents) == (0, 500)
    assert (back.fee_cents, back.fee_returned_cents) == (0, 3)


def test_a_payout_is_told_by_a_line_of_its_own() -> None:
    found, booked = matched([CHARGE, line("txn_2", "payout", -941, source_id="po_1")])
    assert found == []
    assert booked[-1] == books.GatewayPaidOut(payout_id="po_1", amount_cents=941, dated_at=NOW, statement="aa" * 32)
    assert matched([line("txn_2", "payout", -941, source_id="po_1")], booked[-1:]) == ([], [])
    (differs,), _ = matched([line("txn_2", "payout", -940, source_id="po_1")], booked[-1:])
    assert (differs.category, differs.amount_cents) == (Category.AMOUNT, 1)


def test_a_payout_is_told_by_the_lines_that_went_into_it() -> None:
    paid: dict[str, Any] = {"payout_id": "po_1", "payout_at": NOW + 2 * DAY}
    lines = [CHARGE._replace(**paid), line("txn_2", "fee", -41, **paid)]
    _, booked = matched(lines)
    assert booked[-1] == books.GatewayPaidOut(
        payout_id="po_1", amount_cents=900, dated_at=NOW + 2 * DAY, statement="aa" * 32
    )
    _, before = matched(lines[:1], BOUGHT, Period(as_of=NOW))
    assert [type(one) for one in before] == [books.GatewayLineBooked], "it is paid out after the period"
    _, later = matched(lines[1:], [*BOUGHT, *before])
    assert later[-1] == booked[-1], "with what was booked from the statement before"


def test_a_payout_that_came_back_is_booked_back() -> None:
    sent = books.GatewayPaidOut(payout_id="po_1", amount_cents=941, dated_at=NOW, statement="aa")
    found, (back,) = matched([line("txn_3", "payout_reversal", 941, source_id="po_1")], [sent], Period(begins=NOW + 1))
    assert found == []
    assert isinstance(back, books.GatewayPayoutReturned)
    (unknown,), nothing = matched([line("txn_3", "payout_reversal", 941, source_id="po_2")], [])
    assert (unknown.category, nothing) == (Category.UNKNOWN_AT_GATEWAY, [])


def test_what_is_in_doubt_is_not_booked() -> None:
    for lines in (
        [line("txn_1", "charge", 1_001)],
        [line("txn_1", "charge", 1_000, purchase_id=UUID(int=2))],
        [CHARGE._replace(net_cents=1)],
        [CHARGE, line("txn_2", "other_adjustment", 7)],
        [CHARGE, line("txn_2", "refund", 7)],
        [CHARGE, line("txn_2", "dispute", -7, purchase_id=UUID(int=2))],
    ):
        found, booked = matched(lines, BOUGHT)
        open_lines = {one.subject.split()[0] for one in found}
        assert found
        assert not open_lines & {one.reference for one in booked if isinstance(one, books.GatewayLineBooked)}


def test_what_was_told_too_late_for_one_period_is_looked_for_in_the_next() -> None:
    """Once statements were taken in: a charge on its way at the end of a month must come."""
    other = books.GatewayLineBooked(
        reference="txn_0",
        category="charge",
        gross_cents=5,
        fee_cents=0,
        fee_returned_cents=0,
        purchase_id=UUID(int=9),
        owner_id=OWNER,
        payout_id="",
        dated_at=NOW - 9 * DAY,
        statement="aa",
    )
    (missing,), _ = matched([], [*BOUGHT, other], Period(begins=NOW + DAY))
    assert (missing.category, missing.named) == (Category.MISSING_AT_GATEWAY, f"purchase:{PURCHASE}")
    assert matched([], BOUGHT, Period(begins=NOW + DAY))[0] == []
    assert matched([], [*BOUGHT, other], Period(begins=NOW + 3 * DAY))[0] == []
