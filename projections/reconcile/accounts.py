"""Every account's roll-forward: opening + movement = closing, in cents on its normal side."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.ledger.accounts import Account, AccountKind, Side
from domain.times import Instant
from projections.reconcile.journal import Posted
from projections.reconcile.period import Period


@dataclass(slots=True)
class Line:
    """One account. Debits and credits are the period's; ``opening_cents`` is what lay there before it."""

    account: Account
    opening_cents: int = 0
    debit_cents: int = 0
    credit_cents: int = 0
    last_position: int = 0

    @property
    def movement_cents(self) -> int:
        return self.account.kind.sign(Side.DEBIT) * (self.debit_cents - self.credit_cents)

    @property
    def closing_cents(self) -> int:
        return self.opening_cents + self.movement_cents


@dataclass(slots=True)
class Total:
    """All accounts of one kind, or of one side."""

    accounts: int = 0
    opening_cents: int = 0
    debit_cents: int = 0
    credit_cents: int = 0
    closing_cents: int = 0

    def add(self, line: Line) -> None:
        self.accounts += 1
        self.opening_cents += line.opening_cents
        self.debit_cents += line.debit_cents
        self.credit_cents += line.credit_cents
        self.closing_cents += line.closing_cents


class Accounts:
    """All accounts, as entries come in. Memory grows with the accounts, not with the log."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self._lines: dict[str, Line] = {}
        self.entries = 0

    def post(self, posted: Posted) -> Iterator[Line]:
        """Move the money of an entry; the accounts that are below zero after it and must not be."""
        self.entries += 1
        for account, side, cents in posted.entry.postings:
            line = self._lines.get(account.name)
            if line is None:
                line = self._lines[account.name] = Line(account)
            self._move(line, side, cents, posted.counts_at)
            line.last_position = posted.position
            if line.closing_cents < 0 and not account.kind.may_go_below_zero:
                yield line

    def _move(self, line: Line, side: Side, cents: int, counts_at: Instant) -> None:
        if self._period.is_opening(counts_at):
            line.opening_cents += line.account.kind.sign(side) * cents
        elif side is Side.DEBIT:
            line.debit_cents += cents
        else:
            line.credit_cents += cents

    def lines(self) -> Iterator[Line]:
        """All accounts, by name."""
        for name in sorted(self._lines):
            yield self._lines[name]

    def closing_cents(self, name: str) -> int:
        """What lies in an account; nothing where it never moved."""
        line = self._lines.get(name)
        return 0 if line is None else line.closing_cents

    def last_position(self, name: str) -> int:
        """The last event that moved an account; 0 where none did."""
        line = self._lines.get(name)
        return 0 if line is None else line.last_position

    def by_kind(self) -> dict[AccountKind, Total]:
        """The control total of each kind of account."""
        totals = {kind: Total() for kind in AccountKind}
        for line in self._lines.values():
            totals[line.account.kind].add(line)
        return totals

    def trial_balance(self) -> dict[Side, int]:
        """The balances on each side, which must be equal."""
        sides = dict.fromkeys(Side, 0)
        for line in self._lines.values():
            sides[line.account.kind.normal_side] += line.closing_cents
        return sides
