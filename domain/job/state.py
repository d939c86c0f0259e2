"""What a job's history adds up to."""

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from domain.job.events import ClosedReason
from domain.job.terms import Terms, Variant
from domain.times import Instant

T = TypeVar("T")


class Phase(StrEnum):
    """Where a job is in its life. ``status`` and ``settlementStatus``, which users see, follow from it."""

    ACTIVE = "active"
    PAUSED = "paused"
    CLOSING = "closing"
    CANCELLED = "cancelled"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    DISPUTED = "disputed"
    RESOLVED = "resolved"


OPEN = frozenset({Phase.ACTIVE, Phase.PAUSED, Phase.CLOSING})
SETTLING = frozenset({Phase.PENDING_APPROVAL, Phase.APPROVED, Phase.DISPUTED, Phase.RESOLVED})


class AssignmentStatus(StrEnum):
    PENDING = "pending"
    STARTED = "started"
    COMPLETED = "completed"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    RETURNED = "returned"
    CANCELLED = "cancelled"


MAX_STATEMENTS = 5
"""That a tester may give about one disputed assignment."""

AT_WORK = frozenset({AssignmentStatus.PENDING, AssignmentStatus.STARTED})


@dataclass(slots=True)
class Assignment:
    """One tester on one slot.

    ``payout_cents`` and ``fee_cents`` are what was earned. ``settled_as`` is the phase of its own settlement,
    null before that. ``statements`` is how many its tester has given in the dispute.
    """

    id: UUID
    tester_id: UUID
    tester_public_id: int
    variant_id: UUID
    reserved_until: Instant
    status: AssignmentStatus = AssignmentStatus.PENDING
    started_at: Instant | None = None
    hard_deadline: Instant | None = None
    completed_at: Instant | None = None
    duration_minutes: int | None = None
    payout_cents: int = 0
    fee_cents: int = 0
    wrong_proofs: int = 0
    settled_as: Phase | None = None
    statements: int = 0

    @property
    def due_at(self) -> Instant:
        """The reservation's end while pending, the hard limit once started."""
        return self.reserved_until if self.hard_deadline is None else self.hard_deadline

    @property
    def cost_cents(self) -> int:
        """Earned payout and fee together."""
        return self.payout_cents + self.fee_cents


class Elsewhere(Protocol):
    """Where the assignments of a long job lie that are not at hand: as the job's last event has left them."""

    def one(self, assignment_id: UUID) -> Assignment | None:
        """The assignment, if it is one of the job's."""

    def of_tester(self, tester_id: UUID) -> Assignment | None:
        """The assignment of a tester, if there is one."""

    def all(self) -> Iterable[Assignment]:
        """Every assignment, in the order in which they took their slots."""


class Assignments(Mapping[UUID, Assignment]):
    """The assignments of a job by id, in the order in which they took their slots.

    Some may lie elsewhere: one is fetched when it is asked for, and all are when they are looked through. Inside, the
    keys are the numbers of the ids, whose hashes and comparisons are compiled code. Those by tester are gathered when
    one is asked for first: a replay never does.
    """

    __slots__ = ("_by_id", "_by_public_id", "_by_tester", "_count", "_elsewhere")

    def __init__(self, elsewhere: Elsewhere | None = None, count: int = 0) -> None:
        """``count`` are elsewhere."""
        self._elsewhere = elsewhere
        self._count = count
        self._by_id: dict[int, Assignment] = {}
        self._by_tester: dict[int, Assignment] | None = None
        self._by_public_id: dict[int, Assignment] | None = None

    @property
    def at_hand(self) -> int:
        """How many are held in memory."""
        return len(self._by_id)

    def take(self, assignment: Assignment) -> None:
        """A new one."""
        self._count += 1
        self._keep(assignment)

    def _keep(self, assignment: Assignment) -> None:
        self._by_id[assignment.id.int] = assignment
        if self._by_tester is not None:
            self._by_tester[assignment.tester_id.int] = assignment
        if self._by_public_id is not None:
            self._by_public_id[assignment.tester_public_id] = assignment

    def __getitem__(self, assignment_id: UUID) -> Assignment:
        found = self.get(assignment_id)
        if found is None:
            raise KeyError(assignment_id)
        return found

    @overload
    def get(self, assignment_id: UUID, /) -> Assignment | None: ...
    @overload
    def get(self, assignment_id: UUID, /, default: Assignment | T) -> Assignment | T: ...
    def get(self, assignment_id: UUID, /, default: Any = None) -> Any:
        """The inherited one makes and catches a KeyError, and every event of an assignment asks."""
        found = self._by_id.get(assignment_id.int)
        if found is None and self._elsewhere is not None:
            found = self._fetched(self._elsewhere.one(assignment_id))
        return default if found is None else found

    def of_tester(self, tester_id: UUID) -> Assignment | None:
        if self._by_tester is None:
            self._by_tester = {each.tester_id.int: each for each in self._by_id.values()}
        found = self._by_tester.get(tester_id.int)
        if found is None and self._elsewhere is not None:
            found = self._fetched(self._elsewhere.of_tester(tester_id))
        return found

    def _fetched(self, assignment: Assignment | None) -> Assignment | None:
        if assignment is not None:
            self._keep(assignment)
        return assignment

    def of_public_id(self, tester_public_id: int) -> Assignment | None:
        self._fetch_all()
        if self._by_public_id is None:
            self._by_public_id = {each.tester_public_id: each for each in self._by_id.values()}
        return self._by_public_id.get(tester_public_id)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[UUID]:
        return (assignment.id for assignment in self.values())

    def values(self) -> ValuesView[Assignment]:
        self._fetch_all()
        return self._by_id.values()

    def _fetch_all(self) -> None:
        """Those at hand may be further than those elsewhere: they stay."""
        if self._elsewhere is None:
            return
        at_hand, self._by_id = self._by_id, {}
        for assignment in self._elsewhere.all():
            self._keep(at_hand.pop(assignment.id.int, assignment))
        for assignment in at_hand.values():
            self._keep(assignment)
        self._elsewhere = None

    def detached(self) -> "Assignments":
        """A copy that shares nothing that changes."""
        twin = Assignments(self._elsewhere, self._count)
        for assignment in self._by_id.values():
            twin._keep(copy(assignment))
        return twin


@dataclass(slots=True)
class Job:
    """A job now. ``evolve`` advances it in place; ``detached`` gives a copy that may be advanced apart."""

    owner_id: UUID
    terms: Terms
    slot_hold_cents: int
    target: int
    hold_cents: int
    escrow_cents: int
    posting_ends_at: Instant
    maxima: dict[UUID, int]
    taken_by_variant: dict[UUID, int]
    phase: Phase = Phase.ACTIVE
    was_cancelled: bool = False
    at_work: int = 0
    completed: int = 0
    completed_cost_cents: int = 0
    ended_by_deadline: int = 0
    settlement_deadline: Instant | None = None
    closed_reason: ClosedReason | None = None
    open_claims: int = 0
    assignments: Assignments = field(default_factory=Assignments)

    @property
    def is_open(self) -> bool:
        """Whether settlement has not begun and the job was not cancelled."""
        return self.phase in OPEN

    @property
    def status(self) -> str:
        """The contract's ``status``."""
        if self.is_open:
            return self.phase.value
        return "cancelled" if self.was_cancelled else "completed"

    @property
    def settlement_status(self) -> str | None:
        """The contract's ``settlementStatus``."""
        return self.phase.value if self.phase in SETTLING else None

    @property
    def taken(self) -> int:
        """Slots that are pending, started or completed."""
        return self.at_work + self.completed

    @property
    def open_slots(self) -> int:
        return self.target - self.taken

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.terms.variants

    def completed_assignments(self) -> Iterator[Assignment]:
        """Those that handed in, in the order in which they took their slots."""
        return (a for a in self.assignments.values() if a.status is AssignmentStatus.COMPLETED)

    def assignments_at_work(self) -> Iterator[Assignment]:
        return (a for a in self.assignments.values() if a.status in AT_WORK)

    def detached(self) -> "Job":
        """A copy that shares nothing that changes: for trying out what a command would do."""
        twin = copy(self)
        twin.maxima = dict(self.maxima)
        twin.taken_by_variant = dict(self.taken_by_variant)
        twin.assignments = self.assignments.detached()
        return twin
