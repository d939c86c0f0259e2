"""One reconciliation: the log is read once, from its first event on, and every check follows it side by side."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.books.events import PayoutReturned, ToldByStatement
from domain.ledger.accounts import AccountKind, Side
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.accounts import Accounts
from projections.reconcile.bank import Bank
from projections.reconcile.breaks import Break, Category
from projections.reconcile.camt import BankLine
from projections.reconcile.closed import ClosedMonths
from projections.reconcile.credits import CreditStreams
from projections.reconcile.gaps import Gaps
from projections.reconcile.gateway import Gateway
from projections.reconcile.jobs import Jobs, OpenHold
from projections.reconcile.journal import Posted, posted_by
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.shifted import Shifted
from projections.reconcile.statement import StatementLine
from projections.reconcile.told import JournalRows, Snapshot, sums_that_drifted
from projections.reconcile.wallets import Wallets


@dataclass(frozen=True, slots=True)
class Control:
    """Two totals that must be the same money, in cents, each reached by its own way."""

    name: str
    left: str
    left_cents: int
    right: str
    right_cents: int

    @property
    def agrees(self) -> bool:
        return self.left_cents == self.right_cents


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconciliation found. ``ends`` is the instant for which it speaks: the end of its period, or now."""

    position: int
    root: str
    ends: Instant
    events: int
    entries: int
    accounts: Accounts
    controls: tuple[Control, ...]
    holds: tuple[OpenHold, ...]
    jobs: Jobs
    gateway: Gateway | None
    bank: Bank | None
    breaks: tuple[Break, ...]
    """Those that are open."""
    settled: tuple[Break, ...]
    """Those that two operators have settled."""
    closed: ClosedMonths
    shifted: Shifted

    def to_book(self) -> int:
        """How much of what the statements tell is not in the books yet, and could be taken in."""
        return sum(1 for _ in self.bookings(defaultdict(str)))

    def bookings(self, hashes: Mapping[str, str]) -> Iterator[ToldByStatement]:
        """What the statements tell, agrees with the log, and is not in the books. ``hashes``: each file's SHA-256."""
        is_open = frozenset(one.key for one in self.breaks)
        if self.gateway is not None:
            yield from self.gateway.bookings(is_open, hashes)
        if self.bank is not None:
            yield from self.bank.bookings(is_open, hashes)


def reconcile(
    log: Iterable[Recorded[Any]],
    told: Snapshot,
    period: Period,
    now: Instant,
    statement: Iterable[StatementLine] | None = None,
    bank: Iterable[BankLine] | None = None,
    fee_basis_points: int | None = None,
) -> Result:
    """Read a log up to the position of a snapshot of the read models, and compare. Raises StatementWrong.

    The read models are compared as they stood at that position; all else is of the period. What is missing grows old
    until ``now``, the platform's time, also while nothing is written.
    """
    gateway = None if statement is None else Gateway(statement, period)
    at_bank = None if bank is None else Bank(bank, period)
    run = _Run(told, period, now, gateway, at_bank, Jobs(fee_basis_points, period.begins))
    try:
        for recorded in log:
            run.see(recorded)
        return run.result()
    finally:
        run.close()


class _Run:
    """All checks of one reconciliation."""

    def __init__(
        self,
        told: Snapshot,
        period: Period,
        now: Instant,
        gateway: Gateway | None,
        bank: Bank | None,
        jobs: Jobs,
    ) -> None:
        self._told = told
        self._period = period
        self._at = max(now, told.last_time)
        self._gateway = gateway
        self._bank = bank
        self._jobs = jobs
        self._now = Accounts(Period())
        self._accounts = Accounts(period)
        self._rows = JournalRows(told.journal())
        self._gaps = Gaps()
        self._credits = CreditStreams()
        self._wallets_now = Wallets()
        self._wallets = Wallets()
        self._overdrawn: dict[str, Break] = {}
        self._settled = Settled()
        self._closed = ClosedMonths(told.closings(), period)
        self._shifted = Shifted(period)
        self._events = 0

    def close(self) -> None:
        self._rows.close()

    def see(self, recorded: Recorded[Any]) -> None:
        entries = tuple(posted_by(recorded))
        for posted in entries:
            self._rows.expect(posted)
            for _ in self._now.post(posted):
                pass
        self._wallets_now.see(recorded)
        self._closed.see(recorded)
        if self._period.known_at is None or recorded.recorded_at <= self._period.known_at:
            self._settled.see(recorded)
            self._shifted.see(entries)
            if self._gateway is not None:
                self._gateway.see_run(recorded)
        # What came back counts when it was written, and is of the statement that told of it: it is told once.
        if self._bank is not None and (self._period.holds(recorded) or isinstance(recorded.event, PayoutReturned)):
            self._bank.see(recorded)
        if self._period.reaches(recorded):
            self._gaps.see(recorded)
        if self._period.holds(recorded):
            self._see_in_period(recorded, entries)

    def _see_in_period(self, recorded: Recorded[Any], entries: Iterable[Posted]) -> None:
        self._events += 1
        self._credits.see(recorded)
        self._jobs.see(recorded)
        self._wallets.see(recorded)
        if self._gateway is not None:
            self._gateway.see(recorded)
        for posted in entries:
            self._credits.post(posted)
            self._closed.post(posted)
            for line in self._accounts.post(posted):
                self._overdrawn.setdefault(line.account.name, _overdrawn(line.account.name, line.closing_cents, posted))

    def result(self) -> Result:
        period = self._period
        ends = min(t for t in (period.as_of, period.known_at, self._at) if t is not None)
        left = self._settled.left(self._breaks(ends))
        breaks = sorted(left, key=lambda one: (one.positions or (0,), one.category, one.subject))
        return Result(
            self._told.position,
            self._told.root,
            ends,
            self._events,
            self._accounts.entries,
            self._accounts,
            tuple(self._controls()),
            tuple(self._jobs.open_holds()),
            self._jobs,
            self._gateway,
            self._bank,
            tuple(breaks),
            tuple(self._settled.breaks),
            self._closed,
            self._shifted,
        )

    def _breaks(self, ends: Instant) -> Iterator[Break]:
        yield from self._gaps.breaks()
        yield from self._credits.breaks()
        yield from self._jobs.breaks()
        paid_twice = {str(job_id) for job_id in self._jobs.paid_twice}
        yield from (one for name, one in self._overdrawn.items() if name.rpartition(":")[2] not in paid_twice)
        yield from self._rows.breaks()
        yield from self._closed.breaks()
        yield from sums_that_drifted(self._told, self._now, self._wallets_now.rows())
        if self._gateway is not None:
            yield from self._gateway.breaks(ends, self._settled)
        if self._bank is not None:
            payouts = {} if self._gateway is None else self._gateway.payouts()
            yield from self._bank.breaks(ends, self._settled, payouts)

    def _controls(self) -> Iterator[Control]:
        kinds = {kind: total.closing_cents for kind, total in self._accounts.by_kind().items()}
        sides = self._accounts.trial_balance()
        yield Control("trial balance", "debits", sides[Side.DEBIT], "credits", sides[Side.CREDIT])
        holds = sum(hold.cents for hold in self._jobs.open_holds())
        yield Control("escrow", "open holds", holds, "control account", kinds[AccountKind.ESCROW])
        free = self._credits.balance_cents
        yield Control("owners' credits", "credit streams", free, "control account", kinds[AccountKind.OWNER_CREDITS])
        payable = self._wallets.payable_cents()
        yield Control("payable", "unpaid payouts", payable, "control account", kinds[AccountKind.TESTER_PAYABLE])


def _overdrawn(name: str, cents: int, posted: Posted) -> Break:
    detail = f"the account is below zero: {cents} cents"
    return Break(Category.AMOUNT, name, detail, cents, (posted.position,), posted.occurred_at)
