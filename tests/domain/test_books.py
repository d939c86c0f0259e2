"""The books: what statements tell is taken in once, two people adjust, and a month is closed once."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.books import events as e
from domain.books.commands import Book, CloseMonth, ConfirmAdjustment, KeepRun, ProposeAdjustment
from domain.books.decider import BOOKINGS, CASES, MONTHS, RUNS
from domain.books.others import reversal, take_back
from domain.books.state import Months
from domain.credits.commands import Reversal, ReversePurchase
from domain.decider import Decider
from domain.errors import AlreadyResolved, Forbidden, InvalidState, InvariantBroken
from domain.ids import case_stream, gateway_line_stream, gateway_payout_stream, sent_payout_stream
from domain.tester.commands import TakeBack
from domain.times import DAY
from tests.builders import ALICE, OWNER
from tests.given import BOOKINGS_SPEC, CASES_SPEC, MONTHS_SPEC, NOW, RUNS_SPEC

FILE, PURCHASE, WITHDRAWAL, RUN = "aa" * 32, UUID(int=1), UUID(int=2), UUID(int=3)
PAT, PIA = UUID(int=4), UUID(int=5)

LINE = e.GatewayLineBooked(
    reference="txn_1",
    category=e.CHARGE,
    gross_cents=1_000,
    fee_cents=59,
    fee_returned_cents=0,
    reversed_cents=0,
    purchase_id=PURCHASE,
    owner_id=OWNER,
    payout_id="po_1",
    dated_at=NOW,
    statement=FILE,
)
PAID_OUT = e.GatewayPaidOut(payout_id="po_1", reference="txn_2", amount_cents=941, dated_at=NOW, statement=FILE)
CAME_BACK = e.GatewayPayoutReturned(payout_id="po_1", reference="txn_3", amount_cents=941, dated_at=NOW, statement=FILE)
ARRIVED = e.GatewayPayoutArrived(payout_id="po_1", amount_cents=941, bank_reference="B1", dated_at=NOW, statement=FILE)
SETTLED = e.PayoutSettled(
    withdrawal_id=WITHDRAWAL, tester_id=ALICE.id, amount_cents=300, bank_reference="B2", dated_at=NOW, statement=FILE
)
RETURNED = e.PayoutReturned(
    withdrawal_id=WITHDRAWAL, tester_id=ALICE.id, amount_cents=300, bank_reference="B3", dated_at=NOW, statement=FILE
)


@pytest.mark.parametrize("told", [LINE, PAID_OUT, SETTLED], ids=lambda told: type(told).__name__)
def test_what_is_told_first_is_taken_in(told: Any) -> None:
    BOOKINGS_SPEC.given().when(Book(told=told)).then(told)


@pytest.mark.parametrize(
    "history",
    [(LINE,), (PAID_OUT,), (PAID_OUT, ARRIVED), (PAID_OUT, CAME_BACK), (SETTLED,), (SETTLED, RETURNED)],
    ids=lambda history: type(history[-1]).__name__,
)
def test_what_another_file_tells_again_changes_nothing(history: tuple[Any, ...]) -> None:
    again = replace(history[-1], statement="bb" * 32, dated_at=NOW + DAY)
    BOOKINGS_SPEC.given(*history).when(Book(told=again)).then_nothing()


def test_a_line_that_was_told_before_it_was_paid_out_is_the_same_line_once_it_was() -> None:
    BOOKINGS_SPEC.given(replace(LINE, payout_id="")).when(Book(told=LINE)).then_nothing()


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ((LINE,), replace(LINE, gross_cents=1_001)),
        ((LINE,), replace(LINE, fee_cents=58)),
        ((PAID_OUT,), replace(PAID_OUT, amount_cents=940)),
        ((PAID_OUT,), replace(CAME_BACK, amount_cents=940)),
        ((PAID_OUT, CAME_BACK), replace(CAME_BACK, amount_cents=940)),
        ((PAID_OUT, CAME_BACK), ARRIVED),
        ((PAID_OUT, ARRIVED), replace(ARRIVED, bank_reference="B9")),
        ((SETTLED,), replace(SETTLED, bank_reference="B9")),
        ((SETTLED,), replace(SETTLED, amount_cents=301)),
        ((SETTLED,), replace(RETURNED, amount_cents=301)),
        ((SETTLED, RETURNED), replace(RETURNED, bank_reference="B9")),
        ((), CAME_BACK),
        ((), ARRIVED),
        ((), RETURNED),
    ],
)
def test_what_does_not_go_with_what_was_told_is_refused(history: tuple[Any, ...], told: Any) -> None:
    refusal = BOOKINGS_SPEC.given(*history).when(Book(told=told)).then_refused(InvalidState)
    assert any(name in refusal.detail for name in ("txn_1", "po_1", str(WITHDRAWAL)))


def test_a_payout_arrives_and_comes_back_after_it_was_told() -> None:
    sent = BOOKINGS_SPEC.given(PAID_OUT)
    sent.when(Book(told=ARRIVED)).then(ARRIVED).when(Book(told=CAME_BACK)).then(CAME_BACK)
    BOOKINGS_SPEC.given(SETTLED).when(Book(told=RETURNED)).then(RETURNED)


@pytest.mark.parametrize("history", [(ARRIVED,), (LINE, PAID_OUT), (SETTLED, CAME_BACK)])
def test_impossible_history_of_a_booking_is_told(history: tuple[Any, ...]) -> None:
    with pytest.raises(InvariantBroken):
        BOOKINGS.fold(history)


# The other half


def test_a_refund_and_a_dispute_take_a_purchase_back() -> None:
    for category, kind in ((e.REFUND, Reversal.REFUND), (e.DISPUTE, Reversal.CHARGEBACK)):
        assert reversal(replace(LINE, category=category, gross_cents=-500, reversed_cents=400)) == ReversePurchase(
            purchase_id=PURCHASE, kind=kind, reference="txn_1", amount_cents=400, dated_at=NOW
        )


@pytest.mark.parametrize("told", [LINE, PAID_OUT, SETTLED, replace(LINE, category=e.REFUND, gross_cents=-400)])
def test_other_lines_take_nothing_back(told: Any) -> None:
    assert reversal(told) is None
    assert take_back(told) is None


def test_a_payout_that_came_back_goes_into_the_wallet() -> None:
    assert take_back(RETURNED) == TakeBack(withdrawal_id=WITHDRAWAL, amount_cents=300)


# Adjustments

FOUND = e.FoundBreak(
    category="unknown_at_bank",
    remedy=e.Remedy.ADJUST,
    key="bank:B7",
    ordinal=0,
    subject="B7 (bank.xml, line 40)",
    detail="12 cents that nobody knows of",
    difference_cents=-12,
    account=e.AdjustedAccount.BANK,
    positions=(),
    since=NOW,
)
PROPOSED = e.AdjustmentProposed(
    run_id=RUN,
    number=2,
    operator_id=PAT,
    reason="the bank's own fee",
    key="bank:B7",
    account=e.AdjustedAccount.BANK,
    difference_cents=-12,
)
ADJUSTED = e.Adjusted(
    run_id=RUN,
    number=2,
    operator_id=PIA,
    proposed_by=PAT,
    key="bank:B7",
    account=e.AdjustedAccount.BANK,
    difference_cents=-12,
    dated_at=NOW,
)


def propose(found: e.FoundBreak = FOUND, by: UUID = PAT, reason: str = "the bank's own fee") -> ProposeAdjustment:
    return ProposeAdjustment(run_id=RUN, number=2, found=found, operator_id=by, reason=reason)


def confirm(by: UUID = PIA, found: e.FoundBreak = FOUND) -> ConfirmAdjustment:
    return ConfirmAdjustment(run_id=RUN, number=2, found=found, operator_id=by, dated_at=NOW)


def test_one_operator_proposes_and_another_confirms() -> None:
    proposed = CASES_SPEC.given().when(propose()).then(PROPOSED)
    adjusted = proposed.when(confirm()).then(ADJUSTED)
    assert adjusted.state.is_adjusted
    adjusted.when(confirm()).then_nothing()
    adjusted.when(propose()).then_refused(AlreadyResolved)


def test_nobody_confirms_what_they_have_proposed() -> None:
    refusal = CASES_SPEC.given(PROPOSED).when(confirm(by=PAT)).then_refused(Forbidden)
    assert "another operator" in refusal.detail


def test_what_nobody_has_proposed_cannot_be_confirmed() -> None:
    CASES_SPEC.given().when(confirm()).then_refused(InvalidState)


def test_a_proposal_stands() -> None:
    proposed = CASES_SPEC.given(PROPOSED)
    proposed.when(propose()).then_nothing()
    proposed.when(propose(by=PIA)).then_refused(InvalidState)
    proposed.when(propose(reason="another")).then_refused(InvalidState)


def test_only_the_amount_that_was_proposed_is_confirmed() -> None:
    refusal = CASES_SPEC.given(PROPOSED).when(confirm(found=replace(FOUND, difference_cents=-13)))
    assert str(RUN) in refusal.then_refused(InvalidState).detail


def test_only_the_account_that_was_proposed_is_adjusted() -> None:
    elsewhere = replace(FOUND, account=e.AdjustedAccount.GATEWAY)
    CASES_SPEC.given(PROPOSED).when(confirm(found=elsewhere)).then_refused(InvalidState)


@pytest.mark.parametrize("remedy", [e.Remedy.REBUILD, e.Remedy.WAIT])
def test_what_goes_away_by_other_means_is_not_adjusted(remedy: e.Remedy) -> None:
    CASES_SPEC.given().when(propose(replace(FOUND, remedy=remedy))).then_refused(InvalidState)


@pytest.mark.parametrize("history", [(ADJUSTED,), (PROPOSED, PROPOSED), (PROPOSED, ADJUSTED, ADJUSTED)])
def test_impossible_history_of_a_case_is_told(history: tuple[Any, ...]) -> None:
    with pytest.raises(InvariantBroken):
        CASES.fold(history)


# Runs and months

RECONCILED = e.Reconciled(
    begins=None,
    as_of=NOW,
    known_at=None,
    timezone="UTC",
    statements=(e.StatementFile(name="bank.xml", sha256=FILE, lines=40, of_bank=True),),
    position=7,
    tree_root="00" * 32,
    ends_at=NOW,
    is_clean=False,
    breaks=(FOUND,),
    breaks_total=1,
    evidence="{}",
)
CLOSE = CloseMonth(
    month="2025-01", timezone="UTC", begins_at=NOW - 30 * DAY, ends_at=NOW, position=7, tree_root="00" * 32
)
CLOSED = e.MonthClosed(
    month="2025-01", timezone="UTC", begins_at=NOW - 30 * DAY, ends_at=NOW, position=7, tree_root="00" * 32
)


def test_a_run_is_kept_once() -> None:
    RUNS_SPEC.given().when(KeepRun(run=RECONCILED)).then(RECONCILED).when(KeepRun(run=RECONCILED)).then_nothing()
    with pytest.raises(InvariantBroken):
        RUNS.fold([RECONCILED, RECONCILED])


def test_a_month_is_closed_once_it_is_over() -> None:
    closed = MONTHS_SPEC.given().when(CLOSE).then(CLOSED)
    assert closed.state == Months(frozenset({"2025-01"}))
    assert "closed already" in closed.when(CLOSE).then_refused(InvalidState).detail
    closed.when(replace(CLOSE, month="2025-02")).then_kinds(e.MonthClosed)
    assert "not over" in MONTHS_SPEC.given().when(CLOSE, NOW - 1).then_refused(InvalidState).detail
    with pytest.raises(InvariantBroken):
        MONTHS.fold([CLOSED, CLOSED])


@pytest.mark.parametrize(("decider", "state"), [(BOOKINGS, None), (CASES, None), (RUNS, None), (MONTHS, None)])
def test_a_stream_begins_empty(decider: Decider[Any, Any, Any], state: object) -> None:
    assert decider.fold([]) is state


def test_every_stream_has_a_name_of_its_own() -> None:
    streams = [
        gateway_line_stream("1"),
        gateway_payout_stream("1"),
        sent_payout_stream(UUID(int=1)),
        case_stream("1", 0),
        case_stream("1", 1),
    ]
    assert len({*streams}) == len(streams)
    assert gateway_line_stream("1") == streams[0]
