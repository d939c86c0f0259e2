"""What can happen to a tester's wallet. What was earned lies in the jobs' own streams."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Pay left the wallet towards the tester's bank."""

    withdrawal_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A withdrawal came back from the tester's bank: the other half of the books' own event, which is booked."""

    withdrawal_id: UUID
    amount_cents: int


WalletEvent: TypeAlias = Withdrawn | TakenBack
