"""The accounts of the books. Source: README, "Money"."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvariantBroken
from domain.ids import id_text


class Side(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


class AccountKind(StrEnum):
    BANK = "bank"
    GATEWAY_CLEARING = "gateway:clearing"
    OWNER_RECEIVABLE = "owner:receivable"
    """What an owner owes after a chargeback or a refund of credits that were spent."""
    OWNER_CREDITS = "owner:credits"
    ESCROW = "owner:escrow"
    TESTER_PAYABLE = "tester:payable"
    PAYOUTS_CLEARING = "payouts:clearing"
    PLATFORM_FEES = "platform:fees"
    PLATFORM_ADJUSTMENTS = "platform:adjustments"
    GATEWAY_FEES = "gateway:fees"

    @property
    def normal_side(self) -> Side:
        """The side on which its balance grows and is told."""
        return Side.DEBIT if self in _DEBIT else Side.CREDIT

    def sign(self, side: Side) -> int:
        """1 if amounts on that side make the balance grow, -1 if they make it shrink."""
        return 1 if side is self.normal_side else -1

    @property
    def may_go_below_zero(self) -> bool:
        """Whether others than the platform's rules move it; what people have or owe never goes below zero."""
        return self in _MOVED_BY_OTHERS


_DEBIT = frozenset(
    {AccountKind.BANK, AccountKind.GATEWAY_CLEARING, AccountKind.OWNER_RECEIVABLE, AccountKind.GATEWAY_FEES}
)
_MOVED_BY_OTHERS = frozenset(
    {AccountKind.BANK, AccountKind.GATEWAY_CLEARING, AccountKind.GATEWAY_FEES, AccountKind.PLATFORM_ADJUSTMENTS}
)


HOLDERS: Mapping[AccountKind, str] = {
    AccountKind.OWNER_CREDITS: "owner_id",
    AccountKind.OWNER_RECEIVABLE: "owner_id",
    AccountKind.ESCROW: "job_id",
    AccountKind.TESTER_PAYABLE: "tester_id",
}
"""Whose id tells the accounts of a kind apart; there is but one of any other kind."""


class Account(NamedTuple):
    """One account: its kind, and its name as the books show it."""

    kind: AccountKind
    name: str


def account(kind: AccountKind, *, owner_id: UUID | None, job_id: UUID | None, tester_id: UUID | None) -> Account:
    """The account of a kind that belongs to an owner, job or tester."""
    return Account(kind, account_name(kind, *texts_of(owner_id, job_id, tester_id)))


def texts_of(*holders: UUID | None) -> Iterator[str | None]:
    """Their ids as text."""
    return (None if one is None else id_text(one) for one in holders)


def account_name(kind: AccountKind, owner: str | None, job: str | None, tester: str | None) -> str:
    """The name of the account of a kind that belongs to an owner, job or tester, by the text of their ids."""
    match kind:
        case AccountKind.OWNER_CREDITS:
            return f"owner:{_somebody(owner)}:credits"
        case AccountKind.OWNER_RECEIVABLE:
            return f"owner:{_somebody(owner)}:receivable"
        case AccountKind.ESCROW:
            return f"owner:{_somebody(owner)}:escrow:{_somebody(job)}"
        case AccountKind.TESTER_PAYABLE:
            return f"tester:{_somebody(tester)}:payable"
        case _:
            return kind.value


def kind_of(name: str) -> AccountKind:
    """The kind of an account by its name, in which ids stand between the words of the kind."""
    whose, *rest = name.split(":")
    return AccountKind(f"{whose}:{rest[1]}" if len(rest) > 1 else name)


def _somebody(holder: str | None) -> str:
    if holder is None:
        raise InvariantBroken("An account of nobody was asked for.")
    return holder
