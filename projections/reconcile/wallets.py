"""Testers' wallets folded from their events."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.job import events as job
from domain.recorded import Recorded
from domain.tester.events import TakenBack, Withdrawn
from projections.json import text
from projections.reconcile.told import WalletRow

_NOTHING = WalletRow()


class Wallets:
    """What each tester earned, was granted and withdrew."""

    def __init__(self) -> None:
        self._rows: dict[str, WalletRow] = {}

    def see(self, recorded: Recorded[Any]) -> None:
        match recorded.event:
            case job.TaskCompleted(tester_id=tester_id, payout_cents=cents):
                self._add(tester_id, pending=cents)
            case job.PayoutGranted(tester_id=tester_id, payout_cents=cents):
                self._add(tester_id, pending=-cents, granted=cents)
            case job.Refunded(tester_id=tester_id, payout_cents=cents):
                self._add(tester_id, pending=-cents)
            case Withdrawn(amount_cents=cents):
                self._add(recorded.stream, withdrawn=cents)
            case TakenBack(amount_cents=cents):
                self._add(recorded.stream, withdrawn=-cents)
            case _:
                pass

    def _add(self, tester_id: UUID, pending: int = 0, granted: int = 0, withdrawn: int = 0) -> None:
        has = self._rows.get(text(tester_id), _NOTHING)
        self._rows[text(tester_id)] = WalletRow(
            has.pending_cents + pending, has.granted_cents + granted, has.withdrawn_cents + withdrawn
        )

    def rows(self) -> Mapping[str, WalletRow]:
        """All wallets, by tester."""
        return self._rows

    def payable_cents(self) -> int:
        """All that testers may still withdraw."""
        return sum(row.granted_cents - row.withdrawn_cents for row in self._rows.values())
