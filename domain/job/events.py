"""What can happen to a job. Facts only: frozen, small; a new field has a default, none is ever renamed.

Every event of an assignment names its tester, every event that moves money names the owner, so that each can
be explained by itself. The money of an assignment is one event each (``PayoutGranted``, ``Refunded``); the
decision that led to it comes just before and carries none.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from domain.job.terms import Terms
from domain.sealed import SealedText
from domain.times import Instant


class ClosedReason(StrEnum):
    ALL_COMPLETED = "all_completed"
    ALL_TIMED_OUT = "all_timed_out"
    NO_ACTIVE_TESTERS = "no_active_testers"
    CANCELLED = "cancelled"


class StopCause(StrEnum):
    OWNER = "owner"
    POSTING_ENDED = "posting_ended"
    RESIZED = "resized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The owner posted the job and its hold went into escrow."""

    owner_id: UUID
    terms: Terms
    hold_cents: int
    posting_ends_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """No new testers until it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """New testers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """No new testers any more; those at work may finish."""

    cause: StopCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized:
    """Another number of slots. One of ``held_cents`` and ``released_cents`` is 0.

    ``maxima`` gives the maximum of every variant from now on, by variant id; empty when none had to grow.
    """

    owner_id: UUID
    previous_target: int
    target: int
    held_cents: int
    released_cents: int
    maxima: dict[UUID, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job ended without being completed, and all that nobody had earned went back to the owner.

    ``Settled`` follows at once when some testers had completed.
    """

    owner_id: UUID
    released_cents: int
    reason: ClosedReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Settlement began: ``hold_cents`` is what the completed assignments cost, and waits for approval."""

    owner_id: UUID
    hold_cents: int
    released_cents: int
    reason: ClosedReason
    deadline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Every completed assignment is to be paid as earned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the owner says of one tester's work; category and text are null when only the whole was disputed."""

    assignment_id: UUID
    tester_id: UUID
    category: str | None
    description: SealedText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    low_quality: bool = False
    off_topic: bool = False
    suspected_fraud: bool = False
    incomplete_work: bool = False
    platform_issue: bool = False
    billing_discrepancy: bool = False


NO_FLAGS = Flags()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The owner disputes the claimed assignments; all other completed ones are approved."""

    owner_id: UUID
    flags: Flags
    platform_issue_description: SealedText | None
    billing_discrepancy_description: SealedText | None
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementGiven:
    """What a tester says about the claim on an assignment; ``number`` counts the assignment's statements, from 1.

    It moves nothing: an operator reads it before deciding.
    """

    assignment_id: UUID
    tester_id: UUID
    number: int
    text: SealedText


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    assignment_id: UUID
    tester_id: UUID
    note: SealedText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An operator decided some of the disputed assignments; ``remaining`` are still open."""

    verdicts: tuple[Verdict, ...]
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotTaken:
    assignment_id: UUID
    tester_id: UUID
    tester_public_id: int
    variant_id: UUID
    reserved_until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    assignment_id: UUID
    tester_id: UUID
    started_at: Instant
    hard_deadline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRejected:
    """A tester handed in with a wrong password; five of these lock the assignment's proof."""

    assignment_id: UUID
    tester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted:
    """Feedback was handed in, and the pay was earned: payout and fee in cents, to be granted or disputed.

    ``answers`` are a JSON object, sealed under the tester's key.
    """

    assignment_id: UUID
    tester_id: UUID
    completed_at: Instant
    answers: SealedText
    duration_minutes: int
    payout_cents: int
    fee_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReturned:
    """The tester gave up; the slot is free again while the job takes testers."""

    assignment_id: UUID
    tester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExpired:
    assignment_id: UUID
    tester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTimedOut:
    assignment_id: UUID
    tester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentCancelled:
    """The owner cancelled the job under the tester; unpaid."""

    assignment_id: UUID
    tester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutGranted:
    """A tester's pay and its fee left escrow for good."""

    assignment_id: UUID
    tester_id: UUID
    owner_id: UUID
    payout_cents: int
    fee_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """The parts of one assignment's payout and fee that went back to the owner after a dispute."""

    assignment_id: UUID
    tester_id: UUID
    owner_id: UUID
    payout_cents: int
    fee_cents: int

    @property
    def refund_cents(self) -> int:
        """All that the owner gets back."""
        return self.payout_cents + self.fee_cents


JobEvent: TypeAlias = (
    Created
    | Paused
    | Resumed
    | Stopped
    | Resized
    | Cancelled
    | Settled
    | Approved
    | Disputed
    | StatementGiven
    | Resolved
    | SlotTaken
    | TaskStarted
    | ProofRejected
    | TaskCompleted
    | SlotReturned
    | ReservationExpired
    | TaskTimedOut
    | AssignmentCancelled
    | PayoutGranted
    | Refunded
)
