"""What can be asked of a tester's wallet."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """``granted_cents`` is the sum of all payouts granted to the tester so far.

    Payouts are irreversible, so a sum that is behind can refuse too early but never pay too much.
    """

    withdrawal_id: UUID
    amount_cents: int
    granted_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Put a withdrawal that came back into the wallet again."""

    withdrawal_id: UUID
    amount_cents: int


WalletCommand: TypeAlias = Withdraw | TakeBack
