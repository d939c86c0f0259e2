"""The books: which accounts each event moves, and that every entry balances."""

from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from domain.catalogue import EVENTS
from domain.credits import events as credits
from domain.errors import InvariantBroken
from domain.job import events as job
from domain.job.events import ClosedReason
from domain.ledger.accounts import AccountKind, Side, account
from domain.ledger.journal import EntryType, JournalEntry
from domain.ledger.rules import POSTING_RULES, journal_entries
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

CLEARING = "gateway:clearing"
CREDITS = f"owner:{OWNER}:credits"
ESCROW = f"owner:{OWNER}:escrow:{JOB_ID}"
PAYABLE = f"tester:{ALICE.id}:payable"
FEES = "platform:fees"
PAYOUTS = "payouts:clearing"

BOUGHT = credits.PurchaseCompleted(purchase_id=UUID(int=1), amount_cents=5_000, reference="ch_1")
WITHDRAWN = wallet.Withdrawn(withdrawal_id=UUID(int=2), amount_cents=300)

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
    ],
)
def test_an_entry_tells_whose_it_is(event: Any, stream: UUID, parties: tuple[UUID | None, ...]) -> None:
    for entry in journal_entries(recorded(event, stream)):
        assert (entry.owner_id, entry.job_id, entry.tester_id) == parties


@pytest.mark.parametrize("event", [settled(1950, 0), cancelled(0), granted_to(ALICE, 0, 0), refunded_for(ALICE, 0, 0)])
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
}


def test_every_event_that_moves_money_has_a_rule() -> None:
    about_money = {event for event in EVENTS.values() if any(f.name.endswith("_cents") for f in fields(event))}
    assert about_money == POSTING_RULES.keys() | MOVES_NOTHING.keys()
    assert not POSTING_RULES.keys() & MOVES_NOTHING.keys()


def test_every_rule_names_an_amount_of_its_event() -> None:
    for event, rules in POSTING_RULES.items():
        for rule in rules:
            assert rule.amount in {f.name for f in fields(event)} | {"refund_cents"}
            assert hasattr(event, rule.amount)


def test_every_cent_of_an_event_is_booked_or_is_told_only() -> None:
    """``Settled.hold_cents`` says what stays in escrow; a refund's two parts are booked as their sum."""
    told_only = {(job.Settled, "hold_cents"), (job.Refunded, "payout_cents"), (job.Refunded, "fee_cents")}
    for event, rules in POSTING_RULES.items():
        cents = {(event, f.name) for f in fields(event) if f.name.endswith("_cents")}
        booked = {(event, rule.amount) for rule in rules} - {(job.Refunded, "refund_cents")}
        assert cents - told_only == booked


# Accounts


def test_only_the_gateway_s_account_is_an_asset() -> None:
    assert {kind for kind in AccountKind if kind.normal_side is Side.DEBIT} == {AccountKind.GATEWAY_CLEARING}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AccountKind.GATEWAY_CLEARING, CLEARING),
        (AccountKind.OWNER_CREDITS, CREDITS),
        (AccountKind.ESCROW, ESCROW),
        (AccountKind.TESTER_PAYABLE, PAYABLE),
        (AccountKind.PAYOUTS_CLEARING, PAYOUTS),
        (AccountKind.PLATFORM_FEES, FEES),
    ],
)
def test_accounts_are_named_as_the_books_show_them(kind: AccountKind, name: str) -> None:
    made = account(kind, owner_id=OWNER, job_id=JOB_ID, tester_id=ALICE.id)
    assert (made.kind, made.name) == (kind, name)


def test_an_account_of_nobody_is_impossible() -> None:
    with pytest.raises(InvariantBroken):
        account(AccountKind.OWNER_CREDITS, owner_id=None, job_id=None, tester_id=None)
