"""What is taken into the books from outside, and what people decide about the books themselves.

All amounts are cents and positive, but for ``gross_cents`` and ``difference_cents``, which have a sign. ``dated_at`` is
when something happened at the gateway or the bank; ``statement`` is the SHA-256 of the file that tells of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from domain.times import Instant

CHARGE, REFUND, DISPUTE = "charge", "refund", "dispute"
"""The gateway's reporting categories of lines that are about a purchase."""


class AdjustedAccount(StrEnum):
    """The accounts that others keep as well, and that may have to be brought to what they say."""

    GATEWAY = "gateway:clearing"
    BANK = "bank"


class Remedy(StrEnum):
    """What makes a break go away."""

    ADJUST = "adjust"
    """Two operators decide that it is so."""
    REBUILD = "rebuild"
    """The read models are made anew; the log is right."""
    WAIT = "wait"
    """One side is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLineBooked:
    """A line of the gateway's statement. ``gross_cents`` is what came in; ``reversed_cents`` what a refund or a
    chargeback takes from the owner; ``owner_id`` whose purchase it is about; ``payout_id`` the payout that it went
    into, empty where the statement does not say so."""

    reference: str
    category: str
    gross_cents: int
    fee_cents: int
    fee_returned_cents: int
    reversed_cents: int
    purchase_id: UUID | None
    owner_id: UUID | None
    payout_id: str
    dated_at: Instant
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPaidOut:
    """The gateway sent what it held to the platform's bank. ``reference`` is the line that tells so, empty where the
    lines do that went into it."""

    payout_id: str
    reference: str
    amount_cents: int
    dated_at: Instant
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPayoutReturned:
    """A payout of the gateway did not reach the bank; the gateway holds the money again. ``reference`` is the line."""

    payout_id: str
    reference: str
    amount_cents: int
    dated_at: Instant
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPayoutArrived:
    """The bank tells of a payout of the gateway, which is in the books already."""

    payout_id: str
    amount_cents: int
    bank_reference: str
    dated_at: Instant
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSettled:
    """The bank paid a tester's withdrawal."""

    withdrawal_id: UUID
    tester_id: UUID
    amount_cents: int
    bank_reference: str
    dated_at: Instant
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutReturned:
    """A withdrawal that was paid came back; it is the tester's again."""

    withdrawal_id: UUID
    tester_id: UUID
    amount_cents: int
    bank_reference: str
    dated_at: Instant
    statement: str


ToldByStatement: TypeAlias = (
    GatewayLineBooked | GatewayPaidOut | GatewayPayoutReturned | GatewayPayoutArrived | PayoutSettled | PayoutReturned
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A file that was compared: the bank's, or the gateway's."""

    name: str
    sha256: str
    lines: int
    of_bank: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBreak:
    """One difference that a reconciliation has found.

    ``key`` names the same difference in every run; ``ordinal`` is how many adjustments were confirmed under it before.
    ``difference_cents`` is what the other side has more than the log says, on ``account`` where it is one's balance.
    """

    category: str
    remedy: Remedy
    key: str
    ordinal: int
    subject: str
    detail: str
    difference_cents: int
    account: AdjustedAccount | None
    positions: tuple[int, ...]
    since: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A reconciliation was run: what was asked, of which log, and what was found.

    ``begins``, ``as_of`` and ``known_at`` are its period, null where they were not given; ``ends_at`` the instant for
    which it speaks. ``breaks`` are the first of ``breaks_total``; ``evidence`` is the rest of its document, as JSON.
    """

    begins: Instant | None
    as_of: Instant | None
    known_at: Instant | None
    timezone: str
    statements: tuple[StatementFile, ...]
    position: int
    tree_root: str
    ends_at: Instant
    is_clean: bool
    breaks: tuple[FoundBreak, ...]
    breaks_total: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentProposed:
    """An operator proposes to bring the books to what the other side says, or to accept a break as it is."""

    run_id: UUID
    number: int
    operator_id: UUID
    reason: str
    key: str
    account: AdjustedAccount | None
    difference_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """Another operator confirmed it. Without an account the break is accepted, and nothing is booked."""

    run_id: UUID
    number: int
    operator_id: UUID
    proposed_by: UUID
    key: str
    account: AdjustedAccount | None
    difference_cents: int
    dated_at: Instant

    @property
    def gateway_more_cents(self) -> int:
        return max(0, self._on(AdjustedAccount.GATEWAY))

    @property
    def gateway_less_cents(self) -> int:
        return max(0, -self._on(AdjustedAccount.GATEWAY))

    @property
    def bank_more_cents(self) -> int:
        return max(0, self._on(AdjustedAccount.BANK))

    @property
    def bank_less_cents(self) -> int:
        return max(0, -self._on(AdjustedAccount.BANK))

    def _on(self, account: AdjustedAccount) -> int:
        return self.difference_cents if self.account is account else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthClosed:
    """A month was closed: what was known of it lies in the log up to ``position``, whose tree has this root.

    It begins at ``begins_at`` and ends before ``ends_at``, midnights of its time zone.
    """

    month: str
    timezone: str
    begins_at: Instant
    ends_at: Instant
    position: int
    tree_root: str


CaseEvent: TypeAlias = AdjustmentProposed | Adjusted
BooksEvent: TypeAlias = ToldByStatement | Reconciled | CaseEvent | MonthClosed
