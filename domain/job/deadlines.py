"""When time alone changes a job. Source: README, "Time"."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from domain.job.state import AssignmentStatus, Job, Phase
from domain.times import Instant


class DeadlineKind(IntEnum):
    """In the order in which they pass at the same instant."""

    RESERVATION = 0
    HARD_LIMIT = 1
    POSTING_END = 2
    AUTO_APPROVAL = 3


@dataclass(frozen=True, slots=True)
class Deadline:
    """Valid while now < due_at; at due_at it has passed."""

    due_at: Instant
    kind: DeadlineKind
    assignment_id: UUID | None = None


def deadlines(job: Job) -> Iterator[Deadline]:
    """All that is waiting to fall due in a job: what the due_at columns of the read models must say, and tests hold."""
    if job.is_open and job.phase is not Phase.CLOSING:
        yield Deadline(job.posting_ends_at, DeadlineKind.POSTING_END)
    if job.phase is Phase.PENDING_APPROVAL and job.settlement_deadline is not None:
        yield Deadline(job.settlement_deadline, DeadlineKind.AUTO_APPROVAL)
    for assignment in job.assignments.values():
        if assignment.status is AssignmentStatus.PENDING:
            yield Deadline(assignment.due_at, DeadlineKind.RESERVATION, assignment.id)
        elif assignment.status is AssignmentStatus.STARTED:
            yield Deadline(assignment.due_at, DeadlineKind.HARD_LIMIT, assignment.id)
