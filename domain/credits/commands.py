"""What can be asked of an owner's account of credits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from domain.times import Instant


class Reversal(StrEnum):
    """How a payment is taken back."""

    CHARGEBACK = "chargeback"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPurchase:
    purchase_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletePurchase:
    purchase_id: UUID
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailPurchase:
    purchase_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCredits:
    job_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCredits:
    job_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversePurchase:
    """Take back what the gateway no longer has, whether or not it was spent."""

    purchase_id: UUID
    kind: Reversal
    reference: str
    amount_cents: int
    dated_at: Instant


CreditsCommand: TypeAlias = (
    StartPurchase | CompletePurchase | FailPurchase | HoldCredits | ReleaseCredits | ReversePurchase
)
