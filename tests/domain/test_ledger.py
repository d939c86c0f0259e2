"""The books: which accounts each event moves, and that every entry balances."""

from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from domain.books import events as books
from domain.catalogue import EVENTS
from domain.credits import events as credits
from domain.errors import InvariantBroken
from domain.job import events as job
from domain.job.events import ClosedReason
from domain.ledger.accounts import AccountKind, Side, account, kind_of
from domain.ledger.journal import EntryType, JournalEntry
from domain.ledger.rules import POSTING_RULES, journal_entries, movements
from domain.tester import events as wallet
from tests.builders import (
    ALICE,
    JOB_ID,
    OWNER,
    an_active_job,
    cancelled,
    completed_by,
    granted_to,
    recorded,
    refunded_for,
    resized,
    settled,
    taken_by,
)
from tests.given import NOW

CLEARING = "gateway:clearing"
CREDITS = f"owner:{OWNER}:credits"
ESCROW = f"owner:{OWNER}:escrow:{JOB_ID}"
PAYABLE = f"tester:{ALICE.id}:payable"
FEES = "platform:fees"
PAYOUTS = "payouts:clearing"
BANK = "bank"
RECEIVABLE = f"owner:{OWNER}:receivable"
ADJUSTMENTS = "platform:adjustments"
GATEWAY_FEES = "gateway:fees"

BOOKS = UUID(int=0xF00)
BOUGHT = credits.PurchaseCompleted(purchase_id=UUID(int=1), amount_cents=5_000, reference="ch_1")
WITHDRAWN = wallet.Withdrawn(withdrawal_id=UUID(int=2), amount_cents=300)
BACK: dict[str, Any] = {"purchase_id": UUID(int=1), "reference": "txn_2", "dated_at": NOW}
CHARGED_BACK = credits.ChargedBack(credits_cents=100, receivable_cents=400, **BACK)
REFUNDED = credits.PurchaseRefunded(credits_cents=500, receivable_cents=0, **BACK)
TOLD: dict[str, Any] = {"dated_at": NOW, "statement": "aa"}


def gateway_line(**changes: Any) -> books.GatewayLineBooked:
    facts: dict[str, Any] = {
        "reference": "txn_1",
        "category": "charge",
        "gross_cents": 5_000,
        "fee_cents": 0,
        "fee_returned_cents": 0,
        "reversed_cents": 0,
        "purchase_id": UUID(int=1),
        "owner_id": OWNER,
        "payout_id": "",
    }
    return books.GatewayLineBooked(**{**facts, **TOLD, **changes})


PAID_OUT = books.GatewayPaidOut(payout_id="po_1", reference="txn_2", amount_cents=941, **TOLD)
NOT_ARRIVED = books.GatewayPayoutReturned(payout_id="po_1", reference="txn_3", amount_cents=941, **TOLD)
SENT: dict[str, Any] = {
    "withdrawal_id": UUID(int=2), "tester_id": ALICE.id, "amount_cents": 300, "bank_reference": "B1", **TOLD,
}  # fmt: skip
SETTLED_AT_BANK, RETURNED = books.PayoutSettled(**SENT), books.PayoutReturned(**SENT)


def adjusted(cents: int, account: books.AdjustedAccount | None) -> books.Adjusted:
    return books.Adjusted(
        run_id=UUID(int=3),
        number=1,
        operator_id=UUID(int=4),
        proposed_by=UUID(int=5),
        key="bank:B7",
        account=account,
        difference_cents=cents,
        dated_at=NOW,
    )


BY_RUN = f"adjustment of bank:B7, run {UUID(int=3)}"
AT_BANK, AT_GATEWAY = books.AdjustedAccount.BANK, books.AdjustedAccount.GATEWAY

# event, stream: (type, debited, credited, cents, in words) of each of its entries
BOOKED: list[tuple[Any, UUID, list[tuple[EntryType, str, str, int, str]]]] = [
    (
        BOUGHT,
        OWNER,
        [(EntryType.CREDIT_PURCHASE, CLEARING, CREDITS, 5_000, "credits bought, gateway reference ch_1")],
    ),
    (an_active_job()[0], JOB_ID, [(EntryType.ESCROW_HOLD, CREDITS, ESCROW, 1950, "hold for 5 slots")]),
    (resized(5, 10), JOB_ID, [(EntryType.ESCROW_HOLD_INCREASE, CREDITS, ESCROW, 1950, "resize +5 slots")]),
    (resized(5, 3), JOB_ID, [(EntryType.ESCROW_RELEASE_UNUSED, ESCROW, CREDITS, 780, "resize -2 slots")]),
    (an_active_job(slots=1)[0], JOB_ID, [(EntryType.ESCROW_HOLD, CREDITS, ESCROW, 390, "hold for 1 slot")]),
    (resized(1, 2), JOB_ID, [(EntryType.ESCROW_HOLD_INCREASE, CREDITS, ESCROW, 390, "resize +1 slot")]),
    (resized(2, 1), JOB_ID, [(EntryType.ESCROW_RELEASE_UNUSED, ESCROW, CREDITS, 390, "resize -1 slot")]),
    (
        settled(390, 1560),
        JOB_ID,
        [
            (
                EntryType.ESCROW_RELEASE_UNUSED,
                ESCROW,
                CREDITS,
                1560,
                "unused part of the hold, 390 cents kept for settlement",
            )
        ],
    ),
    (
        cancelled(1950, ClosedReason.ALL_TIMED_OUT),
        JOB_ID,
        [(EntryType.ESCROW_RELEASE_CANCELLED, ESCROW, CREDITS, 1950, "job cancelled, all_timed_out")],
    ),
    (
        cancelled(1950, ClosedReason.CANCELLED),
        JOB_ID,
        [(EntryType.ESCROW_RELEASE_CANCELLED, ESCROW, CREDITS, 1950, "job cancelled by its owner")],
    ),
    (
        granted_to(ALICE),
        JOB_ID,
        [
            (EntryType.SETTLEMENT_PAYOUT, ESCROW, PAYABLE, 300, f"payout of assignment {ALICE.slot}"),
            (EntryType.SETTLEMENT_FEE, ESCROW, FEES, 90, f"platform fee on assignment {ALICE.slot}"),
        ],
    ),
    (
        refunded_for(ALICE, 200, 60),
        JOB_ID,
        [(EntryType.DISPUTE_REFUND, ESCROW, CREDITS, 260, f"refund after dispute, assignment {ALICE.slot}")],
    ),
    (
        WITHDRAWN,
        ALICE.id,
        [(EntryType.WITHDRAWAL, PAYABLE, PAYOUTS, 300, f"withdrawal {WITHDRAWN.withdrawal_id}")],
    ),
    (
        CHARGED_BACK,
        OWNER,
        [
            (EntryType.CHARGEBACK, CREDITS, CLEARING, 100, f"chargeback txn_2 of purchase {BOUGHT.purchase_id}"),
            (
                EntryType.CHARGEBACK,
                RECEIVABLE,
                CLEARING,
                400,
                f"chargeback txn_2 of purchase {BOUGHT.purchase_id}, the part that was spent",
            ),
        ],
    ),
    (
        REFUNDED,
        OWNER,
        [(EntryType.CREDIT_REFUND, CREDITS, CLEARING, 500, f"refund txn_2 of purchase {BOUGHT.purchase_id}")],
    ),
    (
        credits.PurchaseRefunded(credits_cents=0, receivable_cents=9, **BACK),
        OWNER,
        [
            (
                EntryType.CREDIT_REFUND,
                RECEIVABLE,
                CLEARING,
                9,
                f"refund txn_2 of purchase {BOUGHT.purchase_id}, the part that was spent",
            )
        ],
    ),
    (
        gateway_line(fee_cents=59),
        BOOKS,
        [(EntryType.GATEWAY_FEE, GATEWAY_FEES, CLEARING, 59, "the gateway's fee on charge txn_1")],
    ),
    (
        gateway_line(fee_returned_cents=9, category="refund"),
        BOOKS,
        [(EntryType.GATEWAY_FEE, CLEARING, GATEWAY_FEES, 9, "the gateway gave a fee back with refund txn_1")],
    ),
    (PAID_OUT, BOOKS, [(EntryType.GATEWAY_PAYOUT, BANK, CLEARING, 941, "the gateway's payout po_1")]),
    (
        NOT_ARRIVED,
        BOOKS,
        [(EntryType.GATEWAY_PAYOUT, CLEARING, BANK, 941, "the gateway's payout po_1 did not arrive")],
    ),
    (
        SETTLED_AT_BANK,
        BOOKS,
        [
            (
                EntryType.PAYOUT_SETTLED,
                PAYOUTS,
                BANK,
                300,
                f"the bank paid withdrawal {WITHDRAWN.withdrawal_id}, its reference is B1",
            )
        ],
    ),
    (
        RETURNED,
        BOOKS,
        [
            (
                EntryType.PAYOUT_RETURNED,
                BANK,
                PAYABLE,
                300,
                f"withdrawal {WITHDRAWN.withdrawal_id} came back, the bank's reference is B1",
            )
        ],
    ),
    (adjusted(7, AT_GATEWAY), BOOKS, [(EntryType.ADJUSTMENT, CLEARING, ADJUSTMENTS, 7, BY_RUN)]),
    (adjusted(-7, AT_GATEWAY), BOOKS, [(EntryType.ADJUSTMENT, ADJUSTMENTS, CLEARING, 7, BY_RUN)]),
    (adjusted(7, AT_BANK), BOOKS, [(EntryType.ADJUSTMENT, BANK, ADJUSTMENTS, 7, BY_RUN)]),
    (adjusted(-7, AT_BANK), BOOKS, [(EntryType.ADJUSTMENT, ADJUSTMENTS, BANK, 7, BY_RUN)]),
]


def line(entry: JournalEntry) -> tuple[EntryType, str, str, int, str]:
    debit, credit = entry.postings
    return entry.type, debit.account.name, credit.account.name, entry.amount_cents, entry.description


@pytest.mark.parametrize(
    ("event", "stream", "lines"), BOOKED, ids=[f"{type(row[0]).__name__}-{row[2][0][0]}" for row in BOOKED]
)
def test_what_is_booked(event: Any, stream: UUID, lines: list[tuple[EntryType, str, str, int, str]]) -> None:
    assert [line(entry) for entry in journal_entries(recorded(event, stream))] == lines


def test_every_type_of_entry_and_every_account_is_used() -> None:
    lines = [line for _, _, lines in BOOKED for line in lines]
    assert {line[0] for line in lines} == set(EntryType)
    rules = [rule for rules in POSTING_RULES.values() for rule in rules]
    assert {kind for rule in rules for kind in (rule.debit, rule.credit)} == set(AccountKind)


@pytest.mark.parametrize(("event", "stream"), [(row[0], row[1]) for row in BOOKED])
def test_every_entry_balances(event: Any, stream: UUID) -> None:
    for entry in journal_entries(recorded(event, stream)):
        debit, credit = entry.postings
        assert (debit.side, credit.side) == (Side.DEBIT, Side.CREDIT)
        assert debit.amount_cents == credit.amount_cents == entry.amount_cents > 0
        assert debit.account != credit.account


@pytest.mark.parametrize(
    ("event", "stream", "parties"),
    [
        (BOUGHT, OWNER, (OWNER, None, None)),
        (WITHDRAWN, ALICE.id, (None, None, ALICE.id)),
        (settled(390, 1560), JOB_ID, (OWNER, JOB_ID, None)),
        (granted_to(ALICE), JOB_ID, (OWNER, JOB_ID, ALICE.id)),
        (refunded_for(ALICE), JOB_ID, (OWNER, JOB_ID, ALICE.id)),
        (CHARGED_BACK, OWNER, (OWNER, None, None)),
        (REFUNDED, OWNER, (OWNER, None, None)),
        (gateway_line(fee_cents=59), BOOKS, (None, None, None)),
        (PAID_OUT, BOOKS, (None, None, None)),
        (SETTLED_AT_BANK, BOOKS, (None, None, ALICE.id)),
        (RETURNED, BOOKS, (None, None, ALICE.id)),
        (adjusted(1, AT_BANK), BOOKS, (None, None, None)),
    ],
)
def test_an_entry_tells_whose_it_is(event: Any, stream: UUID, parties: tuple[UUID | None, ...]) -> None:
    for entry in journal_entries(recorded(event, stream)):
        assert (entry.owner_id, entry.job_id, entry.tester_id) == parties


NOTHING_TO_BOOK = [
    settled(1950, 0), cancelled(0), granted_to(ALICE, 0, 0), refunded_for(ALICE, 0, 0),
    gateway_line(), adjusted(0, AT_BANK), adjusted(7, None),
]  # fmt: skip


@pytest.mark.parametrize("event", NOTHING_TO_BOOK)
def test_no_entry_of_zero_is_written(event: Any) -> None:
    assert journal_entries(recorded(event)) == ()


def test_a_payout_without_fee_is_one_entry() -> None:
    assert [e.type for e in journal_entries(recorded(granted_to(ALICE, 1, 0)))] == [EntryType.SETTLEMENT_PAYOUT]


@pytest.mark.parametrize("event", [taken_by(ALICE), completed_by(ALICE), job.Paused(), job.Approved()])
def test_what_moves_no_money_is_not_booked(event: Any) -> None:
    assert journal_entries(recorded(event)) == ()


# The table of rules is complete

MOVES_NOTHING = {
    credits.PurchaseStarted: "asked for, not yet paid",
    credits.Held: "the other half of a job's own event, which is booked",
    credits.Released: "the other half of a job's own event, which is booked",
    job.TaskCompleted: "earned; paid by PayoutGranted",
    wallet.TakenBack: "the other half of the books' own event, which is booked",
    books.GatewayPayoutArrived: "booked when the gateway told of it",
    books.AdjustmentProposed: "not confirmed yet",
}


def test_every_event_that_moves_money_has_a_rule() -> None:
    about_money = {event for event in EVENTS.values() if any(f.name.endswith("_cents") for f in fields(event))}
    assert about_money == POSTING_RULES.keys() | MOVES_NOTHING.keys()
    assert not POSTING_RULES.keys() & MOVES_NOTHING.keys()


COMPUTED = {
    (job.Refunded, "refund_cents"),
    *((books.Adjusted, f"{place}_{which}_cents") for place in ("gateway", "bank") for which in ("more", "less")),
}
"""Amounts that follow from an event's fields."""


def test_every_rule_names_an_amount_of_its_event() -> None:
    for event, rules in POSTING_RULES.items():
        for rule in rules:
            assert rule.amount in {f.name for f in fields(event)} or (event, rule.amount) in COMPUTED
            assert hasattr(event, rule.amount)


def test_every_cent_of_an_event_is_booked_or_is_told_only() -> None:
    """``Settled.hold_cents`` says what stays in escrow; a line's gross is booked by what it is about,
    and what it reverses by the owner's credits."""
    told_only = {
        (job.Settled, "hold_cents"), (job.Refunded, "payout_cents"), (job.Refunded, "fee_cents"),
        (books.GatewayLineBooked, "gross_cents"), (books.GatewayLineBooked, "reversed_cents"),
        (books.Adjusted, "difference_cents"),
    }  # fmt: skip
    for event, rules in POSTING_RULES.items():
        cents = {(event, f.name) for f in fields(event) if f.name.endswith("_cents")}
        booked = {(event, rule.amount) for rule in rules} - COMPUTED
        assert cents - told_only == booked


def test_money_of_a_tester_is_told_to_be_so() -> None:
    told = {type(event): (event, stream) for event, stream, _ in BOOKED}
    of_testers = [event for event in POSTING_RULES if any(f.name == "tester_id" for f in fields(event))]
    assert len(of_testers) > 3
    for event, stream in map(told.__getitem__, of_testers):
        assert {movement.tester_id for movement in movements(stream, event)} == {event.tester_id}


# Accounts


def test_assets_and_expenses_are_debits() -> None:
    assert {kind for kind in AccountKind if kind.normal_side is Side.DEBIT} == {
        AccountKind.BANK,
        AccountKind.GATEWAY_CLEARING,
        AccountKind.OWNER_RECEIVABLE,
        AccountKind.GATEWAY_FEES,
    }


def test_a_balance_grows_on_one_side_and_shrinks_on_the_other() -> None:
    assert (AccountKind.BANK.sign(Side.DEBIT), AccountKind.BANK.sign(Side.CREDIT)) == (1, -1)
    assert (AccountKind.ESCROW.sign(Side.DEBIT), AccountKind.ESCROW.sign(Side.CREDIT)) == (-1, 1)


def test_what_people_have_or_owe_never_goes_below_zero() -> None:
    assert {kind for kind in AccountKind if kind.may_go_below_zero} == {
        AccountKind.BANK,
        AccountKind.GATEWAY_CLEARING,
        AccountKind.GATEWAY_FEES,
        AccountKind.PLATFORM_ADJUSTMENTS,
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AccountKind.BANK, BANK),
        (AccountKind.GATEWAY_CLEARING, CLEARING),
        (AccountKind.OWNER_RECEIVABLE, RECEIVABLE),
        (AccountKind.OWNER_CREDITS, CREDITS),
        (AccountKind.ESCROW, ESCROW),
        (AccountKind.TESTER_PAYABLE, PAYABLE),
        (AccountKind.PAYOUTS_CLEARING, PAYOUTS),
        (AccountKind.PLATFORM_FEES, FEES),
        (AccountKind.PLATFORM_ADJUSTMENTS, ADJUSTMENTS),
        (AccountKind.GATEWAY_FEES, GATEWAY_FEES),
    ],
)
def test_accounts_are_named_as_the_books_show_them(kind: AccountKind, name: str) -> None:
    made = account(kind, owner_id=OWNER, job_id=JOB_ID, tester_id=ALICE.id)
    assert (made.kind, made.name) == (kind, name)
    assert kind_of(name) is kind


def test_only_names_of_accounts_have_a_kind() -> None:
    with pytest.raises(ValueError, match="owner:loans"):
        kind_of(f"owner:{OWNER}:loans")


def test_an_account_of_nobody_is_impossible() -> None:
    with pytest.raises(InvariantBroken):
        account(AccountKind.OWNER_CREDITS, owner_id=None, job_id=None, tester_id=None)
