"""What one owner or tester had, moved and has, month by month.

Each movement is a journal entry of theirs; its cents are signed as their holder sees them: what comes in is positive.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from domain.access.events import Registered, Role
from domain.job.events import Created
from domain.ledger.accounts import AccountKind
from domain.ledger.journal import EntryType
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.journal import Posted, posted_by
from projections.statements.months import Month


class Movement(NamedTuple):
    """One journal entry of a holder: how it changed what is free to use, and what lies in escrow."""

    id: str
    position: int
    at: Instant
    type: EntryType
    description: str
    job_id: UUID | None
    job_title: str | None
    free_cents: int
    escrow_cents: int
    dated_at: Instant
    """When it happened at the gateway or the bank; else ``at``."""
    is_prior_period: bool
    """Whether that was before the month: an earlier statement went out without it."""


@dataclass(slots=True)
class Statement:
    """A month of one holder, in cents. ``free`` is an owner's free credits, or what a tester may withdraw.

    It closes at the end of the month; of a month that is not over, at the instant up to which the log was read.
    ``days`` are the balances at the end of each day up to then, with what was spent in the month.
    """

    holder: UUID
    month: Month
    is_owner: bool
    closes_at: Instant
    is_known: bool = False
    """Whether the log tells of such a holder."""
    opening_free_cents: int = 0
    opening_escrow_cents: int = 0
    movements: list[Movement] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the month is over."""
        return self.closes_at == self.month.ends

    @property
    def closing_free_cents(self) -> int:
        return self.opening_free_cents + sum(one.free_cents for one in self.movements)

    @property
    def closing_escrow_cents(self) -> int:
        return self.opening_escrow_cents + sum(one.escrow_cents for one in self.movements)

    def total_cents(self, *types: EntryType) -> int:
        """All that moved by entries of some types, without its sign."""
        return sum(abs(one.free_cents or one.escrow_cents) for one in self.movements if one.type in types)

    def days(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Each day with its closing free credits, escrow, and what was spent in the month up to its end."""
        free, escrow, spent = self.opening_free_cents, self.opening_escrow_cents, 0
        coming = iter(self.movements)
        one = next(coming, None)
        last = self.month.day_of(self.closes_at)
        for day in (one for one in self.month.days() if one <= last):
            while one is not None and self.month.day_of(one.at) <= day:
                free, escrow = free + one.free_cents, escrow + one.escrow_cents
                spent += -one.escrow_cents if one.type in SPENT else 0
                one = next(coming, None)
            yield day.isoformat(), (free, escrow, spent)


SPENT = (EntryType.SETTLEMENT_PAYOUT, EntryType.SETTLEMENT_FEE)
_FREE = {AccountKind.OWNER_CREDITS: True, AccountKind.TESTER_PAYABLE: False}


def statement(log: Iterable[Recorded[Any]], holder: UUID, month: Month, now: Instant, *, is_owner: bool) -> Statement:
    """Read the log, as it is ``now``, up to the end of a month, and on until it tells of the holder.

    Memory grows with the jobs and the month's movements.
    """
    made = Statement(holder, month, is_owner, min(month.ends, now))
    titles: dict[UUID, str] = {}
    role = Role.OWNER if is_owner else Role.TESTER
    for recorded in log:
        is_over = recorded.occurred_at >= month.ends
        if is_over and made.is_known:
            break
        if isinstance(recorded.event, Registered) and recorded.event.principal_id == holder:
            made.is_known |= recorded.event.role is role
        if isinstance(recorded.event, Created) and (not is_owner or recorded.event.owner_id == holder):
            titles[recorded.stream] = recorded.event.terms.title
        for posted in posted_by(recorded):
            if holder == (posted.entry.owner_id if is_owner else posted.entry.tester_id):
                made.is_known = True
                if not is_over:
                    _move(made, posted, titles)
    return made


def _move(made: Statement, posted: Posted, titles: dict[UUID, str]) -> None:
    free = escrow = 0
    for account, side, cents in posted.entry.postings:
        signed = account.kind.sign(side) * cents
        if account.kind is AccountKind.ESCROW:
            escrow += signed
        elif _FREE.get(account.kind) is made.is_owner:
            free += signed
    if not made.is_owner:
        escrow = 0
    if not free and not escrow:
        return
    if posted.occurred_at < made.month.begins:
        made.opening_free_cents += free
        made.opening_escrow_cents += escrow
        return
    entry = posted.entry
    title = None if entry.job_id is None else titles.get(entry.job_id)
    made.movements.append(
        Movement(
            posted.id,
            posted.position,
            posted.occurred_at,
            entry.type,
            entry.description,
            entry.job_id,
            title,
            free,
            escrow,
            posted.dated_at,
            posted.dated_at < made.month.begins,
        )
    )
