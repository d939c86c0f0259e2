"""The accounts of the books. Source: README, "Money"."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvariantBroken
from domain.ids import id_text


class Side(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


class AccountKind(StrEnum):
    GATEWAY_CLEARING = "gateway:clearing"
    OWNER_CREDITS = "owner:credits"
    ESCROW = "owner:escrow"
    TESTER_PAYABLE = "tester:payable"
    PAYOUTS_CLEARING = "payouts:clearing"
    PLATFORM_FEES = "platform:fees"

    @property
    def normal_side(self) -> Side:
        """The side on which its balance grows and is told; it never goes below zero there."""
        return Side.DEBIT if self is AccountKind.GATEWAY_CLEARING else Side.CREDIT


class Account(NamedTuple):
    """One account: its kind, and its name as the books show it."""

    kind: AccountKind
    name: str


def account(kind: AccountKind, *, owner_id: UUID | None, job_id: UUID | None, tester_id: UUID | None) -> Account:
    """The account of a kind that belongs to an owner, job or tester."""
    match kind:
        case AccountKind.OWNER_CREDITS:
            return Account(kind, f"owner:{_text(owner_id)}:credits")
        case AccountKind.ESCROW:
            return Account(kind, f"owner:{_text(owner_id)}:escrow:{_text(job_id)}")
        case AccountKind.TESTER_PAYABLE:
            return Account(kind, f"tester:{_text(tester_id)}:payable")
        case _:
            return Account(kind, kind.value)


def _text(owner: UUID | None) -> str:
    if owner is None:
        raise InvariantBroken("An account of nobody was asked for.")
    return id_text(owner)
