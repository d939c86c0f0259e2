"""Which accounts each event moves. The ledger is derived from the events by this table and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.credits import events as credits
from domain.job import events as job
from domain.ledger.accounts import AccountKind as K
from domain.ledger.accounts import Side, account
from domain.ledger.journal import EntryType, JournalEntry, Posting
from domain.recorded import Recorded
from domain.tester import events as tester


@dataclass(frozen=True, slots=True)
class Rule:
    """An event debits one account and credits another with the cents in its field ``amount``."""

    type: EntryType
    debit: K
    credit: K
    amount: str
    describe: Callable[[Any], str]


POSTING_RULES: Mapping[type, tuple[Rule, ...]] = {
    credits.PurchaseCompleted: (
        Rule(
            EntryType.CREDIT_PURCHASE,
            K.GATEWAY_CLEARING,
            K.OWNER_CREDITS,
            "amount_cents",
            lambda e: f"credits bought, gateway reference {e.reference}",
        ),
    ),
    job.Created: (
        Rule(
            EntryType.ESCROW_HOLD,
            K.OWNER_CREDITS,
            K.ESCROW,
            "hold_cents",
            lambda e: f"hold for {e.terms.target_testers} slots",
        ),
    ),
    job.Resized: (
        Rule(
            EntryType.ESCROW_HOLD_INCREASE,
            K.OWNER_CREDITS,
            K.ESCROW,
            "held_cents",
            lambda e: f"resize +{e.target - e.previous_target} slots",
        ),
        Rule(
            EntryType.ESCROW_RELEASE_UNUSED,
            K.ESCROW,
            K.OWNER_CREDITS,
            "released_cents",
            lambda e: f"resize -{e.previous_target - e.target} slots",
        ),
    ),
    job.Settled: (
        Rule(
            EntryType.ESCROW_RELEASE_UNUSED,
            K.ESCROW,
            K.OWNER_CREDITS,
            "released_cents",
            lambda e: f"unused part of the hold, {e.hold_cents} cents kept for settlement",
        ),
    ),
    job.Cancelled: (
        Rule(
            EntryType.ESCROW_RELEASE_CANCELLED,
            K.ESCROW,
            K.OWNER_CREDITS,
            "released_cents",
            lambda e: f"job cancelled, {e.reason}",
        ),
    ),
    job.PayoutGranted: (
        Rule(
            EntryType.SETTLEMENT_PAYOUT,
            K.ESCROW,
            K.TESTER_PAYABLE,
            "payout_cents",
            lambda e: f"payout of assignment {e.assignment_id}",
        ),
        Rule(
            EntryType.SETTLEMENT_FEE,
            K.ESCROW,
            K.PLATFORM_FEES,
            "fee_cents",
            lambda e: f"platform fee on assignment {e.assignment_id}",
        ),
    ),
    job.Refunded: (
        Rule(
            EntryType.DISPUTE_REFUND,
            K.ESCROW,
            K.OWNER_CREDITS,
            "refund_cents",
            lambda e: f"refund after dispute, assignment {e.assignment_id}",
        ),
    ),
    tester.Withdrawn: (
        Rule(
            EntryType.WITHDRAWAL,
            K.TESTER_PAYABLE,
            K.PAYOUTS_CLEARING,
            "amount_cents",
            lambda e: f"withdrawal {e.withdrawal_id}",
        ),
    ),
}


def journal_entries(recorded: Recorded[Any]) -> tuple[JournalEntry, ...]:
    """The entries that an event causes, in the order of its rules; none for an amount of zero."""
    rules = POSTING_RULES.get(type(recorded.event))
    if rules is None:
        return ()
    return tuple(_entry(rule, recorded) for rule in rules if getattr(recorded.event, rule.amount))


def _entry(rule: Rule, recorded: Recorded[Any]) -> JournalEntry:
    event, amount = recorded.event, getattr(recorded.event, rule.amount)
    owner_id, job_id, tester_id = _parties(recorded)
    debit = account(rule.debit, owner_id=owner_id, job_id=job_id, tester_id=tester_id)
    credit = account(rule.credit, owner_id=owner_id, job_id=job_id, tester_id=tester_id)
    return JournalEntry(
        type=rule.type,
        description=rule.describe(event),
        postings=(Posting(debit, Side.DEBIT, amount), Posting(credit, Side.CREDIT, amount)),
        owner_id=owner_id,
        job_id=job_id,
        tester_id=tester_id,
    )


def _parties(recorded: Recorded[Any]) -> tuple[UUID | None, UUID | None, UUID | None]:
    """Owner, job and tester of a money event: an account's own stream is its owner's or tester's id."""
    event = recorded.event
    if isinstance(event, credits.PurchaseCompleted):
        return recorded.stream, None, None
    if isinstance(event, tester.Withdrawn):
        return None, None, recorded.stream
    return event.owner_id, recorded.stream, getattr(event, "tester_id", None)
