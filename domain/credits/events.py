"""What can happen to an owner's account of credits. All amounts are cents and positive.

``Held`` and ``Released`` answer the job's own money events one to one; the ledger is posted from the job's.
"""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID


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


CreditsEvent: TypeAlias = PurchaseStarted | PurchaseCompleted | PurchaseFailed | Held | Released
