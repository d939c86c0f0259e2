"""Every job's money followed from its own events: is it what its terms and the measured minutes say?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.job import events as e
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.prices import Prices, measured_minutes, prices_of


@dataclass(slots=True)
class _Assignment:
    started_at: Instant | None = None
    payout_cents: int = 0
    fee_cents: int = 0
    """Earned and neither granted nor refunded yet."""
    position: int = 0
    is_completed: bool = False


@dataclass(slots=True)
class _Job:
    owner_id: UUID
    prices: Prices
    slots: int
    created_at: Instant
    escrow_cents: int = 0
    has_ended: bool = False
    disputed_at: Instant | None = None
    last_position: int = 0
    last_at: Instant = 0
    assignments: dict[UUID, _Assignment] = field(default_factory=dict)

    def owed_cents(self) -> int:
        return sum(a.payout_cents + a.fee_cents for a in self.assignments.values())


@dataclass(slots=True)
class WhatIf:
    """Fees and holds of the jobs of one owner as they were, and as they would have been, in cents."""

    jobs: int = 0
    fee_cents: int = 0
    would_be_fee_cents: int = 0
    hold_cents: int = 0
    would_be_hold_cents: int = 0


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Credits that lie in escrow for a job."""

    job_id: UUID
    owner_id: UUID
    cents: int
    created_at: Instant
    disputed_at: Instant | None


class Jobs:
    """Follows every job until its last cent is decided; what has ended is forgotten.

    With ``fee_basis_points`` jobs that were posted at or after ``begins`` are also priced at another fee.
    """

    def __init__(self, fee_basis_points: int | None = None, begins: Instant | None = None) -> None:
        self._jobs: dict[UUID, _Job] = {}
        self._found: list[Break] = []
        self.fee_basis_points = fee_basis_points
        self._begins = begins
        self.what_if: dict[UUID, WhatIf] = {}
        self.paid_twice: set[UUID] = set()
        """Jobs out of whose escrow more was taken than lay there, and told so already."""

    def see(self, recorded: Recorded[Any]) -> None:
        follow = _FOLLOW.get(type(recorded.event))
        if follow is None:
            return
        if isinstance(recorded.event, e.Created):
            self._create(recorded)
        job = self._jobs.get(recorded.stream)
        if job is None:
            self._after_the_end(recorded)
            return
        job.last_position, job.last_at = recorded.position, recorded.occurred_at
        follow(self, job, recorded)
        if job.has_ended and not job.escrow_cents and not job.owed_cents():
            del self._jobs[recorded.stream]

    def _create(self, recorded: Recorded[e.Created]) -> None:
        event = recorded.event
        prices = prices_of(event.terms)
        job = _Job(event.owner_id, prices, event.terms.target_testers, recorded.occurred_at)
        self._jobs[recorded.stream] = job
        if self.fee_basis_points is not None and recorded.occurred_at >= (self._begins or 0):
            told = self.what_if.setdefault(event.owner_id, WhatIf())
            told.jobs += 1
            told.hold_cents += event.hold_cents
            told.would_be_hold_cents += job.slots * prices.slot_cents(self.fee_basis_points)

    def _after_the_end(self, recorded: Recorded[Any]) -> None:
        event = recorded.event
        if isinstance(event, e.PayoutGranted | e.Refunded) and event.payout_cents + event.fee_cents:
            self._paid_again(recorded)

    # What each event must say

    def _created(self, job: _Job, recorded: Recorded[e.Created]) -> None:
        cents = recorded.event.hold_cents
        job.escrow_cents += cents
        self._must_be(recorded, Category.AMOUNT, "the hold", cents, job.slots * job.prices.slot_cents())

    def _resized(self, job: _Job, recorded: Recorded[e.Resized]) -> None:
        event = recorded.event
        moved = event.held_cents - event.released_cents
        job.escrow_cents += moved
        self._must_be(
            recorded, Category.AMOUNT, "the resize", moved, (event.target - job.slots) * job.prices.slot_cents()
        )
        job.slots = event.target

    def _cancelled(self, job: _Job, recorded: Recorded[e.Cancelled]) -> None:
        job.escrow_cents -= recorded.event.released_cents
        job.has_ended = True

    def _settled(self, job: _Job, recorded: Recorded[e.Settled]) -> None:
        event = recorded.event
        job.escrow_cents -= event.released_cents
        job.has_ended = False
        self._must_be(recorded, Category.AMOUNT, "what settlement keeps", event.hold_cents, job.owed_cents())
        job.assignments = {key: a for key, a in job.assignments.items() if a.is_completed}

    def _approved(self, job: _Job, recorded: Recorded[e.Approved]) -> None:
        job.has_ended = True

    def _disputed(self, job: _Job, recorded: Recorded[e.Disputed]) -> None:
        job.disputed_at = recorded.occurred_at

    def _resolved(self, job: _Job, recorded: Recorded[e.Resolved]) -> None:
        if not recorded.event.remaining:
            job.has_ended, job.disputed_at = True, None

    def _started(self, job: _Job, recorded: Recorded[e.TaskStarted]) -> None:
        job.assignments[recorded.event.assignment_id] = _Assignment(recorded.event.started_at)

    def _left(self, job: _Job, recorded: Recorded[Any]) -> None:
        job.assignments.pop(recorded.event.assignment_id, None)

    def _completed(self, job: _Job, recorded: Recorded[e.TaskCompleted]) -> None:
        event = recorded.event
        work = job.assignments.setdefault(event.assignment_id, _Assignment())
        work.payout_cents, work.fee_cents = event.payout_cents, event.fee_cents
        work.position, work.is_completed = recorded.position, True
        if work.started_at is None:
            return  # its start is missing, and told as a gap
        payout = job.prices.payout_cents(measured_minutes(work.started_at, event.completed_at))
        self._must_be(recorded, Category.AMOUNT, "the pay", event.payout_cents, payout)
        self._must_be(recorded, Category.FEE, "the fee", event.fee_cents, job.prices.fee_cents(event.payout_cents))

    def _granted(self, job: _Job, recorded: Recorded[e.PayoutGranted]) -> None:
        event = recorded.event
        most = job.prices.fee_cents(event.payout_cents)
        if self._decided(job, recorded) and event.fee_cents > most:
            self._must_be(recorded, Category.FEE, "the fee on what was granted", event.fee_cents, most)
        if job.owner_id in self.what_if and job.created_at >= (self._begins or 0):
            self._reprice(job, event)

    def _reprice(self, job: _Job, event: e.PayoutGranted) -> None:
        """A fee that an operator lowered stays where it is, unless the other rate asks for less."""
        told, as_a_rule = self.what_if[job.owner_id], job.prices.fee_cents(event.payout_cents)
        other = job.prices.fee_cents(event.payout_cents, self.fee_basis_points)
        told.fee_cents += event.fee_cents
        told.would_be_fee_cents += other if event.fee_cents == as_a_rule else min(event.fee_cents, other)

    def _refunded(self, job: _Job, recorded: Recorded[e.Refunded]) -> None:
        self._decided(job, recorded)

    def _decided(self, job: _Job, recorded: Recorded[Any]) -> bool:
        """A part of what was earned is granted or refunded; whether there was as much to decide on."""
        event = recorded.event
        work = job.assignments.get(event.assignment_id)
        cents = event.payout_cents + event.fee_cents
        job.escrow_cents -= cents
        if not cents:
            return True
        if work is None or not work.is_completed or not work.payout_cents + work.fee_cents:
            self._paid_again(recorded)
            return False
        work.payout_cents -= event.payout_cents
        work.fee_cents -= event.fee_cents
        for category, what, left in (
            (Category.AMOUNT, "payouts and refunds", work.payout_cents),
            (Category.FEE, "fees and their refunds", work.fee_cents),
        ):
            if left < 0:
                self._must_be(recorded, category, f"{what} beyond what was earned", -left, 0)
        return True

    def _paid_again(self, recorded: Recorded[Any]) -> None:
        event = recorded.event
        self.paid_twice.add(recorded.stream)
        detail = "money was granted or refunded for work that was decided before, or never completed"
        subject = f"assignment {event.assignment_id}"
        amount = event.payout_cents + event.fee_cents
        self._found.append(
            Break(Category.DUPLICATE, subject, detail, amount, (recorded.position,), recorded.occurred_at)
        )

    def _must_be(self, recorded: Recorded[Any], category: Category, what: str, told: int, right: int) -> None:
        if told != right:
            assignment_id = getattr(recorded.event, "assignment_id", None)
            subject = f"job {recorded.stream}" if assignment_id is None else f"assignment {assignment_id}"
            detail = f"{what}: {told} cents in the log, {right} by the terms"
            self._found.append(
                Break(category, subject, detail, told - right, (recorded.position,), recorded.occurred_at)
            )

    # The end

    def open_holds(self) -> Iterator[OpenHold]:
        """All credits in escrow, the oldest job first."""
        for job_id, job in self._jobs.items():
            if job.escrow_cents:
                yield OpenHold(job_id, job.owner_id, job.escrow_cents, job.created_at, job.disputed_at)

    def breaks(self) -> Iterator[Break]:
        yield from self._found
        for job_id, job in self._jobs.items():
            if job.has_ended and job.escrow_cents and job_id not in self.paid_twice:
                detail = f"the job has ended and {job.escrow_cents} cents are still in its escrow"
                positions = (job.last_position,)
                yield Break(Category.ORPHAN_HOLD, f"job {job_id}", detail, job.escrow_cents, positions, job.last_at)


_FOLLOW: Mapping[type, Callable[[Jobs, _Job, Recorded[Any]], None]] = {
    e.Created: Jobs._created,
    e.Resized: Jobs._resized,
    e.Cancelled: Jobs._cancelled,
    e.Settled: Jobs._settled,
    e.Approved: Jobs._approved,
    e.Disputed: Jobs._disputed,
    e.Resolved: Jobs._resolved,
    e.TaskStarted: Jobs._started,
    e.TaskCompleted: Jobs._completed,
    e.SlotReturned: Jobs._left,
    e.TaskTimedOut: Jobs._left,
    e.AssignmentCancelled: Jobs._left,
    e.PayoutGranted: Jobs._granted,
    e.Refunded: Jobs._refunded,
}
