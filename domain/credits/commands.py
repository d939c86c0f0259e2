"""What can be asked of an owner's account of credits."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID


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


CreditsCommand: TypeAlias = StartPurchase | CompletePurchase | FailPurchase | HoldCredits | ReleaseCredits
