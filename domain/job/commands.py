"""What can be asked of a job. Ids and all else that is not a rule come in with the command."""

from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from domain.job.deadlines import Deadline
from domain.job.events import NO_FLAGS, Flags
from domain.job.terms import Terms
from domain.sealed import SealedText


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob:
    owner_id: UUID
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveJob:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class TesterClaim:
    """What an owner says of one tester: named by UUID or by public id."""

    __test__ = False

    tester: UUID | int
    category: str
    description: SealedText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeJob:
    flags: Flags = NO_FLAGS
    platform_issue_description: SealedText | None = None
    billing_discrepancy_description: SealedText | None = None
    testers: tuple[TesterClaim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveStatement:
    """What a tester says about the claim on an assignment, sealed under the tester's key."""

    assignment_id: UUID
    text: SealedText


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An operator's verdict on one assignment, in cents; the fee follows the rule when none is given."""

    assignment_id: UUID
    payout_cents: int
    fee_cents: int | None = None
    note: SealedText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveDispute:
    resolutions: tuple[Resolution, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeJob:
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSlot:
    assignment_id: UUID
    tester_id: UUID
    tester_public_id: int
    accepts_legal_agreements: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTask:
    assignment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTask:
    """Feedback. ``proof_matches`` tells whether the password was right; null when none was given.

    ``answers`` are checked, ``sealed_answers`` are recorded.
    """

    assignment_id: UUID
    answers: dict[str, Any]
    sealed_answers: SealedText
    proof_matches: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnSlot:
    assignment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDeadline:
    """A deadline has come. Nothing follows when the job has moved on since it was set."""

    deadline: Deadline


JobCommand: TypeAlias = (
    CreateJob
    | PauseJob
    | ResumeJob
    | StopJob
    | CancelJob
    | SettleJob
    | ApproveJob
    | DisputeJob
    | GiveStatement
    | ResolveDispute
    | ResizeJob
    | TakeSlot
    | StartTask
    | SubmitTask
    | ReturnSlot
    | PassDeadline
)
