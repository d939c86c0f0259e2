"""Journal entries: what an event did to the books, in two equal halves."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.ledger.accounts import Account, Side


class EntryType(StrEnum):
    CREDIT_PURCHASE = "credit_purchase"
    ESCROW_HOLD = "escrow_hold"
    ESCROW_HOLD_INCREASE = "escrow_hold_increase"
    ESCROW_RELEASE_UNUSED = "escrow_release_unused"
    ESCROW_RELEASE_CANCELLED = "escrow_release_cancelled"
    SETTLEMENT_PAYOUT = "settlement_payout"
    SETTLEMENT_FEE = "settlement_fee"
    DISPUTE_REFUND = "dispute_refund"
    WITHDRAWAL = "withdrawal"
    GATEWAY_PAYOUT = "gateway_payout"
    GATEWAY_FEE = "gateway_fee"
    CHARGEBACK = "chargeback"
    CREDIT_REFUND = "credit_refund"
    PAYOUT_SETTLED = "payout_settled"
    PAYOUT_RETURNED = "payout_returned"
    ADJUSTMENT = "adjustment"


class Posting(NamedTuple):
    """One half of an entry; cents, positive."""

    account: Account
    side: Side
    amount_cents: int


class JournalEntry(NamedTuple):
    """One movement of money: it balances, because both of its postings are made of one amount.

    ``owner_id``, ``job_id`` and ``tester_id`` tell whose it is, where it is anybody's.
    """

    type: EntryType
    description: str
    postings: tuple[Posting, Posting]
    owner_id: UUID | None
    job_id: UUID | None
    tester_id: UUID | None

    @property
    def amount_cents(self) -> int:
        return self.postings[0].amount_cents
