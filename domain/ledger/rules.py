"""Which accounts each event moves. The ledger is derived from the events by this table and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from domain.books import events as books
from domain.credits import events as credits
from domain.ids import id_text
from domain.job import events as job
from domain.ledger.accounts import Account, Side, account_name, texts_of
from domain.ledger.accounts import AccountKind as K
from domain.ledger.journal import EntryType, JournalEntry, Posting
from domain.recorded import Recorded
from domain.tester import events as tester


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """An event debits one account and credits another with the cents in its field ``amount``.

    Each rule is equal to itself alone, so that sums can be kept by rule.
    """

    type: EntryType
    debit: K
    credit: K
    amount: str
    describe: Callable[[Any], str]


def slots_text(count: int) -> str:
    """A number of slots in words."""
    return "1 slot" if count == 1 else f"{count} slots"


def _cancelled_text(event: job.Cancelled) -> str:
    is_by_owner = event.reason is job.ClosedReason.CANCELLED
    return "job cancelled by its owner" if is_by_owner else f"job cancelled, {event.reason}"


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
            lambda e: f"hold for {slots_text(e.terms.target_testers)}",
        ),
    ),
    job.Resized: (
        Rule(
            EntryType.ESCROW_HOLD_INCREASE,
            K.OWNER_CREDITS,
            K.ESCROW,
            "held_cents",
            lambda e: f"resize +{slots_text(e.target - e.previous_target)}",
        ),
        Rule(
            EntryType.ESCROW_RELEASE_UNUSED,
            K.ESCROW,
            K.OWNER_CREDITS,
            "released_cents",
            lambda e: f"resize -{slots_text(e.previous_target - e.target)}",
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
            _cancelled_text,
        ),
    ),
    job.PayoutGranted: (
        Rule(
            EntryType.SETTLEMENT_PAYOUT,
            K.ESCROW,
            K.TESTER_PAYABLE,
            "payout_cents",
            lambda e: f"payout of assignment {id_text(e.assignment_id)}",
        ),
        Rule(
            EntryType.SETTLEMENT_FEE,
            K.ESCROW,
            K.PLATFORM_FEES,
            "fee_cents",
            lambda e: f"platform fee on assignment {id_text(e.assignment_id)}",
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
    credits.ChargedBack: (
        Rule(
            EntryType.CHARGEBACK,
            K.OWNER_CREDITS,
            K.GATEWAY_CLEARING,
            "credits_cents",
            lambda e: f"chargeback {e.reference} of purchase {e.purchase_id}",
        ),
        Rule(
            EntryType.CHARGEBACK,
            K.OWNER_RECEIVABLE,
            K.GATEWAY_CLEARING,
            "receivable_cents",
            lambda e: f"chargeback {e.reference} of purchase {e.purchase_id}, the part that was spent",
        ),
    ),
    credits.PurchaseRefunded: (
        Rule(
            EntryType.CREDIT_REFUND,
            K.OWNER_CREDITS,
            K.GATEWAY_CLEARING,
            "credits_cents",
            lambda e: f"refund {e.reference} of purchase {e.purchase_id}",
        ),
        Rule(
            EntryType.CREDIT_REFUND,
            K.OWNER_RECEIVABLE,
            K.GATEWAY_CLEARING,
            "receivable_cents",
            lambda e: f"refund {e.reference} of purchase {e.purchase_id}, the part that was spent",
        ),
    ),
    books.GatewayLineBooked: (
        Rule(
            EntryType.GATEWAY_FEE,
            K.GATEWAY_FEES,
            K.GATEWAY_CLEARING,
            "fee_cents",
            lambda e: f"the gateway's fee on {e.category} {e.reference}",
        ),
        Rule(
            EntryType.GATEWAY_FEE,
            K.GATEWAY_CLEARING,
            K.GATEWAY_FEES,
            "fee_returned_cents",
            lambda e: f"the gateway gave a fee back with {e.category} {e.reference}",
        ),
    ),
    books.GatewayPaidOut: (
        Rule(
            EntryType.GATEWAY_PAYOUT,
            K.BANK,
            K.GATEWAY_CLEARING,
            "amount_cents",
            lambda e: f"the gateway's payout {e.payout_id}",
        ),
    ),
    books.GatewayPayoutReturned: (
        Rule(
            EntryType.GATEWAY_PAYOUT,
            K.GATEWAY_CLEARING,
            K.BANK,
            "amount_cents",
            lambda e: f"the gateway's payout {e.payout_id} did not arrive",
        ),
    ),
    books.PayoutSettled: (
        Rule(
            EntryType.PAYOUT_SETTLED,
            K.PAYOUTS_CLEARING,
            K.BANK,
            "amount_cents",
            lambda e: f"the bank paid withdrawal {e.withdrawal_id}, its reference is {e.bank_reference}",
        ),
    ),
    books.PayoutReturned: (
        Rule(
            EntryType.PAYOUT_RETURNED,
            K.BANK,
            K.TESTER_PAYABLE,
            "amount_cents",
            lambda e: f"withdrawal {e.withdrawal_id} came back, the bank's reference is {e.bank_reference}",
        ),
    ),
    books.Adjusted: tuple(
        Rule(EntryType.ADJUSTMENT, debit, credit, amount, lambda e: f"adjustment of {e.key}, run {e.run_id}")
        for amount, debit, credit in (
            ("gateway_more_cents", K.GATEWAY_CLEARING, K.PLATFORM_ADJUSTMENTS),
            ("gateway_less_cents", K.PLATFORM_ADJUSTMENTS, K.GATEWAY_CLEARING),
            ("bank_more_cents", K.BANK, K.PLATFORM_ADJUSTMENTS),
            ("bank_less_cents", K.PLATFORM_ADJUSTMENTS, K.BANK),
        )
    ),
}


class Movement(NamedTuple):
    """Money that an event moves by one rule: cents, positive. The ids tell whose it is, where it is anybody's."""

    rule: Rule
    amount_cents: int
    owner_id: UUID | None
    job_id: UUID | None
    tester_id: UUID | None

    def accounts(self) -> tuple[Account, Account]:
        """The account that is debited, and the one that is credited."""
        (debit, credit), holders = (self.rule.debit, self.rule.credit), tuple(texts_of(*self[2:]))
        return Account(debit, account_name(debit, *holders)), Account(credit, account_name(credit, *holders))


def movements(stream: UUID, event: Any) -> tuple[Movement, ...]:
    """What an event of a stream moves, in the order of its rules; nothing for an amount of zero."""
    found = _MOVES.get(type(event))
    if found is None:
        return ()
    rules, parties_of = found
    parties = parties_of(stream, event)
    return tuple([Movement(rule, amount, *parties) for rule in rules if (amount := getattr(event, rule.amount))])


def journal_entries(recorded: Recorded[Any]) -> tuple[JournalEntry, ...]:
    """The entries that an event causes: its movements, in words and between accounts that are named."""
    return tuple(_entry(movement, recorded.event) for movement in movements(recorded.stream, recorded.event))


def _entry(movement: Movement, event: Any) -> JournalEntry:
    (debit, credit), amount = movement.accounts(), movement.amount_cents
    return JournalEntry(
        type=movement.rule.type,
        description=movement.rule.describe(event),
        postings=(Posting(debit, Side.DEBIT, amount), Posting(credit, Side.CREDIT, amount)),
        owner_id=movement.owner_id,
        job_id=movement.job_id,
        tester_id=movement.tester_id,
    )


Parties: TypeAlias = tuple[UUID | None, UUID | None, UUID | None]
"""Owner, job and tester of a money event, where there are some."""


def _of_a_job(stream: UUID, event: Any) -> Parties:
    return event.owner_id, stream, None


def _of_an_assignment(stream: UUID, event: Any) -> Parties:
    return event.owner_id, stream, event.tester_id


def _of_the_streams_owner(stream: UUID, event: Any) -> Parties:
    return stream, None, None


def _of_the_streams_tester(stream: UUID, event: Any) -> Parties:
    return None, None, stream


def _of_a_tester(stream: UUID, event: Any) -> Parties:
    return None, None, event.tester_id


def _of_nobody(stream: UUID, event: Any) -> Parties:
    """Money between the platform, its gateway and its bank alone."""
    return None, None, None


_PARTIES: Mapping[type, Callable[[UUID, Any], Parties]] = {
    job.PayoutGranted: _of_an_assignment,
    job.Refunded: _of_an_assignment,
    credits.PurchaseCompleted: _of_the_streams_owner,
    credits.ChargedBack: _of_the_streams_owner,
    credits.PurchaseRefunded: _of_the_streams_owner,
    tester.Withdrawn: _of_the_streams_tester,
    books.PayoutSettled: _of_a_tester,
    books.PayoutReturned: _of_a_tester,
    books.GatewayLineBooked: _of_nobody,
    books.GatewayPaidOut: _of_nobody,
    books.GatewayPayoutReturned: _of_nobody,
    books.Adjusted: _of_nobody,
}
"""Whose money an event moves, where it is not one of a job as a whole."""

_MOVES: Mapping[type, tuple[tuple[Rule, ...], Callable[[UUID, Any], Parties]]] = {
    event: (rules, _PARTIES.get(event, _of_a_job)) for event, rules in POSTING_RULES.items()
}
"""By the type of an event: the rules by which it moves money, and whose money that is."""
