"""Whether the books balance: sums over the journal, held against the balances that are kept beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.ledger.accounts import AccountKind, Side, kind_of
from domain.ledger.journal import EntryType

Entry = Mapping[str, Any]
"""A journal entry as users see it."""


@dataclass(frozen=True, slots=True)
class AccountLine:
    """All that the journal says of one account, and the balance that is told for it on its normal side."""

    account: str
    kind: AccountKind
    debit_cents: int
    credit_cents: int
    balance_cents: int

    @property
    def journal_cents(self) -> int:
        """Its balance by the journal."""
        return self.kind.sign(Side.DEBIT) * (self.debit_cents - self.credit_cents)


@dataclass(frozen=True, slots=True)
class JobLine:
    """Where the credits of one job went, by the journal, and what is told to lie in its escrow now."""

    escrow: str
    held_cents: int
    paid_cents: int
    fee_cents: int
    released_cents: int
    escrow_cents: int

    @property
    def is_conserved(self) -> bool:
        return self.held_cents == self.paid_cents + self.fee_cents + self.released_cents + self.escrow_cents


@dataclass(frozen=True, slots=True)
class Books:
    """Every account and every job's escrow."""

    accounts: Sequence[AccountLine]
    jobs: Sequence[JobLine]

    def total_cents(self, side: Side) -> int:
        """The balances of all accounts with that normal side."""
        return sum(line.balance_cents for line in self.accounts if line.kind.normal_side is side)

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that is not as it must be."""
        for line in self.accounts:
            if line.journal_cents != line.balance_cents:
                yield f"{line.account} has {line.balance_cents} cents; its journal adds up to {line.journal_cents}."
            if line.balance_cents < 0 and not line.kind.may_go_below_zero:
                yield f"{line.account} is below zero: {line.balance_cents} cents."
        for job in self.jobs:
            if not job.is_conserved:
                yield f"Of the {job.held_cents} cents held in {job.escrow} not every cent is accounted for."
        if self.total_cents(Side.DEBIT) != self.total_cents(Side.CREDIT):
            yield "The accounts do not add up to zero."


def books_of(entries: Sequence[Entry], balances: Mapping[str, int]) -> Books:
    """The books of a journal, and of the balances that are told."""
    names = sorted({*balances, *(posting["account"] for entry in entries for posting in entry["postings"])})
    return Books(
        accounts=[_account_line(name, entries, balances.get(name, 0)) for name in names],
        jobs=[_job_line(name, entries, balances.get(name, 0)) for name in names if ":escrow:" in name],
    )


def _account_line(name: str, entries: Sequence[Entry], balance_cents: int) -> AccountLine:
    debit, credit = (sum(_moved(entry, one, name) for entry in entries) for one in (Side.DEBIT, Side.CREDIT))
    return AccountLine(name, kind_of(name), debit, credit, balance_cents)


def _job_line(escrow: str, entries: Sequence[Entry], escrow_cents: int) -> JobLine:
    out = {EntryType.SETTLEMENT_PAYOUT: 0, EntryType.SETTLEMENT_FEE: 0}
    released = 0
    for entry in entries:
        cents = _moved(entry, Side.DEBIT, escrow)
        if entry["type"] in out:
            out[entry["type"]] += cents
        else:
            released += cents
    return JobLine(
        escrow,
        held_cents=sum(_moved(entry, Side.CREDIT, escrow) for entry in entries),
        paid_cents=out[EntryType.SETTLEMENT_PAYOUT],
        fee_cents=out[EntryType.SETTLEMENT_FEE],
        released_cents=released,
        escrow_cents=escrow_cents,
    )


def _moved(entry: Entry, side: Side, account: str) -> int:
    """The cents of an entry on one side of an account."""
    return sum(p["amountCents"] for p in entry["postings"] if p["side"] == side and p["account"] == account)
