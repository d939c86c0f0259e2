"""What can happen to an owner's account of credits. All amounts are cents and positive.

``Held`` and ``Released`` answer the job's own money events one to one; the ledger is posted from the job's.
"""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.times import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseStarted:
    """The owner asked for credits; ``purchase_id`` is the gateway's idempotency key."""

    purchase_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseCompleted:
    """The gateway took the payment; ``reference`` is its own name for it."""

    purchase_id: UUID
    amount_cents: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseFailed:
    purchase_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Credits went into the escrow of a job."""

    job_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Credits came back from the escrow of a job."""

    job_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedBack:
    """The owner's bank took a payment back: from the free credits as far as they go, the rest the owner owes.

    ``reference`` is the gateway's own name for it, ``dated_at`` when it happened there.
    """

    purchase_id: UUID
    reference: str
    credits_cents: int
    receivable_cents: int
    dated_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseRefunded:
    """The gateway gave a payment back to the owner; told as ChargedBack is."""

    purchase_id: UUID
    reference: str
    credits_cents: int
    receivable_cents: int
    dated_at: Instant


CreditsEvent: TypeAlias = (
    PurchaseStarted | PurchaseCompleted | PurchaseFailed | Held | Released | ChargedBack | PurchaseRefunded
)
