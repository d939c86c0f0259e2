"""What the gateway's lines lead to: what is booked of them, and what never is."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.books import events as books
from domain.credits import events as credits
from domain.recorded import Recorded
from domain.times import DAY, HOUR, Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.gateway import Gateway
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import StatementLine
from tests.builders import OWNER, recorded
from tests.given import NOW
from tests.projections.taken_in import accepted

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


def all_accepted(found: Sequence[Break]) -> list[books.Adjusted]:
    """Two operators have decided that each is so."""
    return [accepted(one) for one in found]


def reversed_by(booked: Sequence[books.ToldByStatement]) -> dict[str, int]:
    """What each line would take from the owner."""
    return {one.reference: one.reversed_cents for one in booked if isinstance(one, books.GatewayLineBooked)}


def matched(
    lines: Sequence[StatementLine], log: Sequence[Any] = BOUGHT, period: Period | None = None
) -> tuple[list[Break], list[books.ToldByStatement]]:
    """The open breaks, and what would be booked."""
    gateway, settled = Gateway(lines, period or Period()), Settled()
    for number, event in enumerate(log, 1):
        one: Recorded[Any] = recorded(event, OWNER, number)
        gateway.see(one)
        gateway.see_run(one)
        settled.see(one)
    found = list(settled.left(gateway.breaks(NOW + 30 * DAY, settled)))
    return found, list(gateway.bookings(frozenset(one.key for one in found), HASHES))


def run_of(sha256: str | None, as_of: Instant) -> books.Reconciled:
    """A run that was kept, with a statement or without."""
    files = () if sha256 is None else (books.StatementFile(name="a.csv", sha256=sha256, lines=1, of_bank=False),)
    return books.Reconciled(
        begins=None,
        as_of=as_of,
        known_at=None,
        timezone="UTC",
        statements=files,
        position=1,
        tree_root="",
        ends_at=as_of,
        is_clean=True,
        breaks=(),
        breaks_total=0,
        evidence="{}",
    )


def closing(ends_at: Instant) -> books.MonthClosed:
    return books.MonthClosed(month="2026-01", timezone="UTC", begins_at=0, ends_at=ends_at, position=1, tree_root="")


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
    assert booked[-1] == books.GatewayPaidOut(
        payout_id="po_1", reference="txn_2", amount_cents=941, dated_at=NOW, statement="aa" * 32
    )
    assert matched([line("txn_2", "payout", -941, source_id="po_1")], booked[-1:]) == ([], [])
    (differs,), _ = matched([line("txn_2", "payout", -940, source_id="po_1")], booked[-1:])
    assert (differs.category, differs.amount_cents) == (Category.AMOUNT, 1)


def test_a_payout_is_told_by_the_lines_that_went_into_it() -> None:
    paid: dict[str, Any] = {"payout_id": "po_1", "payout_at": NOW + 2 * DAY}
    lines = [CHARGE._replace(**paid), line("txn_2", "fee", -41, **paid)]
    _, booked = matched(lines)
    assert booked[-1] == books.GatewayPaidOut(
        payout_id="po_1", reference="", amount_cents=900, dated_at=NOW + 2 * DAY, statement="aa" * 32
    )
    _, before = matched(lines[:1], BOUGHT, Period(as_of=NOW))
    assert [type(one) for one in before] == [books.GatewayLineBooked], "it is paid out after the period"
    _, later = matched(lines[1:], [*BOUGHT, *before])
    assert later[-1] == booked[-1], "with what was booked from the statement before"


def test_a_payout_that_came_back_is_booked_back() -> None:
    sent = books.GatewayPaidOut(payout_id="po_1", reference="txn_2", amount_cents=941, dated_at=NOW, statement="aa")
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
    """Once the statement of the month before was taken in: a charge on its way at its end must come."""
    end = NOW + DAY
    closed = (run_of("aa", end - 1), closing(end))
    (missing,), _ = matched([], [*BOUGHT, *closed], Period(begins=end))
    assert (missing.category, missing.named) == (Category.MISSING_AT_GATEWAY, f"purchase:{PURCHASE}")
    for offset in (-10 * HOUR, HOUR):
        (still,), _ = matched([], [*BOUGHT, *closed], Period(begins=end + offset))
        assert still.named == missing.named, "the month before was closed with the midnights of another zone"
    assert matched([], [*BOUGHT, *closed], Period(begins=end + 2 * DAY))[0] == [], "of another month"
    assert matched([], BOUGHT, Period(begins=end))[0] == [], "no statement was taken in before"
    assert matched([], [*BOUGHT, run_of(None, end - 1), closing(end)], Period(begins=end))[0] == []


# What adjustments have booked


@pytest.mark.parametrize(
    ("lines", "log"),
    [
        ([CHARGE, line("txn_2", "refund", -1_000)], BOUGHT[:1]),
        ([CHARGE, line("txn_2", "refund", 700)], BOUGHT),
        ([CHARGE, line("txn_2", "charge", 1_000), line("txn_3", "refund", -1_000)], BOUGHT),
        ([CHARGE, line("txn_2", "refund_failure", 700)], BOUGHT),
        ([CHARGE, line("txn_2", "payout_reversal", 700, source_id="po_9")], BOUGHT),
    ],
)
def test_what_an_adjustment_has_booked_is_booked_once(lines: Sequence[StatementLine], log: Sequence[Any]) -> None:
    """Nothing of it is taken from the owner as well, and no later run tells of it."""
    found, _ = matched(lines, log)
    assert found
    decided = [*log, *all_accepted(found)]
    none, booked = matched(lines, decided)
    assert none == []
    assert not any(reversed_by(booked).values())
    assert not any(isinstance(one, books.GatewayPayoutReturned) for one in booked)
    assert matched(lines, [*decided, *booked]) == ([], [])


def test_a_refund_that_comes_in_is_told_as_what_it_is() -> None:
    (found,), _ = matched([CHARGE, line("txn_2", "refund", 700)])
    assert found.detail == "a refund of 700 cents that does not go with a purchase"


def test_no_more_is_taken_from_an_owner_than_the_purchase_has_credited() -> None:
    lines = [CHARGE, line("txn_2", "refund", -600), line("txn_3", "dispute", -1_000), line("txn_4", "refund", -1_000)]
    found, _ = matched(lines)
    assert [(one.subject.split()[0], one.category, one.amount_cents) for one in found] == [
        ("txn_3", Category.DUPLICATE, -600),
        ("txn_4", Category.DUPLICATE, -1_000),
    ]
    decided = [*BOUGHT, *all_accepted(found)]
    _, booked = matched(lines, decided)
    assert reversed_by(booked) == {"txn_1": 0, "txn_2": 600, "txn_3": 400, "txn_4": 0}
    (again,), _ = matched([line("txn_5", "refund", -1, at=NOW + DAY)], [*decided, *booked], Period(begins=NOW + DAY))
    assert again.amount_cents == -1, "also in a statement of its own"


def test_what_was_charged_again_goes_back_before_anything_is_the_owners() -> None:
    twice = [CHARGE, line("txn_2", "charge", 1_000)]
    found, _ = matched(twice)
    log = [*BOUGHT, *all_accepted(found)]
    log += matched(twice, log)[1]
    later = Period(begins=NOW + DAY)
    (back,), nothing = matched([line("txn_3", "refund", -1_000, at=NOW + DAY)], log, later)
    assert (back.category, back.amount_cents, nothing) == (Category.DUPLICATE, -1_000, [])
    log += all_accepted([back])
    log += matched([line("txn_3", "refund", -1_000, at=NOW + DAY)], log, later)[1]
    found, booked = matched([line("txn_4", "refund", -1_000, at=NOW + 2 * DAY)], log, Period(begins=NOW + 2 * DAY))
    assert (found, reversed_by(booked)) == ([], {"txn_4": 1_000}), "the next one is of the purchase"


def test_what_was_accepted_as_a_difference_and_is_none_any_more_is_told() -> None:
    """An adjustment stays in the books, and would be one too many."""
    _, booked = matched([CHARGE])
    payout = line("txn_2", "payout", -941, source_id="po_1")
    sent = books.GatewayPaidOut(
        payout_id="po_1", reference="txn_2", amount_cents=941, dated_at=NOW, statement="aa" * 32
    )
    for lines, log, before in (
        ([CHARGE], [*BOUGHT, *booked], []),
        ([payout], [sent], []),
        ([CHARGE], BOUGHT, [CHARGE._replace(net_cents=940)]),
        ([CHARGE], BOUGHT, []),
    ):
        found, _ = matched(before, log)
        decided = [*log, *all_accepted(found)]
        (undone,), _ = matched(lines, decided)
        assert (undone.category, undone.amount_cents) == (Category.AMOUNT, -found[0].amount_cents)
        assert undone.positions == (len(log) + 1,), "it names the adjustment"
        assert matched(lines, [*decided, *all_accepted([undone])])[0] == []


def test_a_charge_that_was_accepted_and_whose_purchase_is_completed_later_is_told() -> None:
    early = CHARGE._replace(created_at=NOW - 5 * DAY)
    found, _ = matched([early], BOUGHT[:1])
    log = [*BOUGHT[:1], *all_accepted(found)]
    log += matched([early], log)[1]
    for lines, period in (([early], Period()), ([], Period(begins=NOW))):
        (undone,), _ = matched(lines, [*log, BOUGHT[1]], period)
        assert (undone.key, undone.amount_cents) == ("gateway:txn_1", -1_000)


def test_a_payout_that_came_back_in_the_same_statement_never_arrives() -> None:
    lines = [line("txn_2", "payout", -941, source_id="po_1"), line("txn_3", "payout_reversal", 941, source_id="po_1")]
    gateway = Gateway(lines, Period())
    assert list(gateway.breaks(NOW, Settled())) == []
    assert gateway.payouts()["po_1"].returned_as == "txn_3"
    (again,), _ = matched([*lines, line("txn_4", "payout_reversal", 941, source_id="po_1")], ())
    assert again.category is Category.DUPLICATE


def test_a_line_that_came_with_the_statement_of_a_later_month_is_not_missing_in_that_of_its_own() -> None:
    _, booked = matched([CHARGE])
    log = [*BOUGHT, *booked]
    own = Period(as_of=NOW + DAY)
    assert matched([], [*log, run_of("aa" * 32, NOW + 31 * DAY)], own)[0] == []
    (missing,), _ = matched([], [*log, run_of("aa" * 32, NOW + DAY)], own)
    assert missing.category is Category.MISSING_AT_GATEWAY
