"""What one owner or tester had, moved and has, month by month.

Each movement is a journal entry of theirs; its cents are positive where a figure grows, also what an owner owes.
"""

from collections.abc import Iterable, Iterator, Mapping
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


class Figures(NamedTuple):
    """What a holder has, or how it changed: an owner's free credits, what lies in escrow, and what the owner owes; or
    what a tester may withdraw, as ``free``."""

    free_cents: int = 0
    escrow_cents: int = 0
    owed_cents: int = 0


class Movement(NamedTuple):
    """One journal entry of a holder: how it changed what the holder has."""

    id: str
    position: int
    at: Instant
    type: EntryType
    description: str
    job_id: UUID | None
    job_title: str | None
    moved: Figures
    dated_at: Instant
    """When it happened at the gateway or the bank; else ``at``."""
    is_prior_period: bool
    """Whether that was before the month: an earlier statement went out without it."""


@dataclass(slots=True)
class Statement:
    """A month of one holder.

    It closes at the end of the month; of a month that is not over, or not written whole, at the instant up to which
    the log tells all of it.
    ``days`` are the balances at the end of each day up to then, with what was spent in the month.
    """

    holder: UUID
    month: Month
    is_owner: bool
    closes_at: Instant
    is_known: bool = False
    """Whether the log tells of such a holder."""
    opening: Figures = field(default_factory=Figures)
    movements: list[Movement] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the month is over, and all of it was written."""
        return self.closes_at == self.month.ends

    @property
    def closing(self) -> Figures:
        return _sum(self.opening, *(one.moved for one in self.movements))

    def total_cents(self, *types: EntryType) -> int:
        """All that moved by entries of some types, without its sign."""
        # An entry that moves two of the figures moves the same cents from one to the other.
        return sum(abs(next(filter(None, one.moved))) for one in self.movements if one.type in types)

    def days(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Each day with its closing free credits, escrow, and what was spent in the month up to its end."""
        figures, spent = self.opening, 0
        coming = iter(self.movements)
        one = next(coming, None)
        last = self.month.day_of(self.closes_at)
        for day in (one for one in self.month.days() if one <= last):
            while one is not None and self.month.day_of(one.at) <= day:
                figures = _sum(figures, one.moved)
                spent += -one.moved.escrow_cents if one.type in SPENT else 0
                one = next(coming, None)
            yield day.isoformat(), (figures.free_cents, figures.escrow_cents, spent)


SPENT = (EntryType.SETTLEMENT_PAYOUT, EntryType.SETTLEMENT_FEE)
_FIGURES: Mapping[bool, tuple[AccountKind, ...]] = {
    True: (AccountKind.OWNER_CREDITS, AccountKind.ESCROW, AccountKind.OWNER_RECEIVABLE),
    False: (AccountKind.TESTER_PAYABLE,),
}
"""Of an owner and of a tester, the accounts that the figures are of, in their order."""


def _sum(*all_figures: Figures) -> Figures:
    return Figures(*map(sum, zip(*all_figures, strict=True)))


def statement(log: Iterable[Recorded[Any]], holder: UUID, month: Month, now: Instant, *, is_owner: bool) -> Statement:
    """Read the log, as it is ``now``, up to the end of a month, and on until it tells of the holder.

    ``now`` is the instant up to which it tells all.

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
    moved = _moved(posted, _FIGURES[made.is_owner])
    if not any(moved):
        return
    if posted.occurred_at < made.month.begins:
        made.opening = _sum(made.opening, moved)
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
            moved,
            posted.dated_at,
            posted.dated_at < made.month.begins,
        )
    )


def _moved(posted: Posted, kinds: tuple[AccountKind, ...]) -> Figures:
    cents_of = dict.fromkeys(kinds, 0)
    for account, side, cents in posted.entry.postings:
        if account.kind in cents_of:
            cents_of[account.kind] += account.kind.sign(side) * cents
    return Figures(*cents_of.values())
