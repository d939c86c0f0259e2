"""How each event changes a job. Refuses nothing: what is in the log has happened."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import InvariantBroken
from domain.job import events as e
from domain.job.pay import slot_hold_cents
from domain.job.state import AT_WORK, Assignment, AssignmentStatus, Job, Phase


def evolve(job: Job | None, event: e.JobEvent) -> Job:
    """The job after the event; takes the job over (see Decider). Raises InvariantBroken on impossible history."""
    if job is None:
        if isinstance(event, e.Created):
            return _created(event)
        raise InvariantBroken(f"{type(event).__name__} cannot be a job's first event.")
    if isinstance(event, e.Created):
        raise InvariantBroken("A job cannot be created twice.")
    _CHANGES[type(event)](job, event)
    if job.escrow_cents < 0:
        raise InvariantBroken(f"{type(event).__name__} would take the job's escrow below zero.")
    return job


def _created(event: e.Created) -> Job:
    terms = event.terms
    return Job(
        owner_id=event.owner_id,
        terms=terms,
        slot_hold_cents=slot_hold_cents(terms),
        target=terms.target_testers,
        hold_cents=event.hold_cents,
        escrow_cents=event.hold_cents,
        posting_ends_at=event.posting_ends_at,
        maxima={v.id: v.first_maximum for v in terms.variants},
        taken_by_variant={v.id: 0 for v in terms.variants},
    )


def _phase(phase: Phase) -> Callable[[Job, Any], None]:
    def change(job: Job, event: object) -> None:
        job.phase = phase

    return change


def _resized(job: Job, event: e.Resized) -> None:
    delta = event.held_cents - event.released_cents
    job.target = event.target
    job.hold_cents += delta
    job.escrow_cents += delta
    job.maxima.update(event.maxima)


def _cancelled(job: Job, event: e.Cancelled) -> None:
    job.phase = Phase.CANCELLED
    job.was_cancelled = True
    job.closed_reason = event.reason
    job.hold_cents -= event.released_cents
    job.escrow_cents -= event.released_cents


def _settled(job: Job, event: e.Settled) -> None:
    job.phase = Phase.PENDING_APPROVAL
    job.closed_reason = event.reason
    job.hold_cents = event.hold_cents
    job.escrow_cents -= event.released_cents
    job.settlement_deadline = event.deadline
    for assignment in job.completed_assignments():
        assignment.settled_as = Phase.PENDING_APPROVAL


def _approved(job: Job, event: e.Approved) -> None:
    job.phase = Phase.APPROVED
    job.settlement_deadline = None
    for assignment in job.completed_assignments():
        assignment.settled_as = Phase.APPROVED


def _disputed(job: Job, event: e.Disputed) -> None:
    job.phase = Phase.DISPUTED
    job.settlement_deadline = None
    job.open_claims = len(event.claims)
    for assignment in job.completed_assignments():
        assignment.settled_as = Phase.APPROVED
    for claim in event.claims:
        job.assignments[claim.assignment_id].settled_as = Phase.DISPUTED


def _resolved(job: Job, event: e.Resolved) -> None:
    for verdict in event.verdicts:
        job.assignments[verdict.assignment_id].settled_as = Phase.RESOLVED
    job.open_claims = event.remaining
    if not event.remaining:
        job.phase = Phase.RESOLVED


def _taken(job: Job, event: e.SlotTaken) -> None:
    job.assignments[event.assignment_id] = Assignment(
        id=event.assignment_id,
        tester_id=event.tester_id,
        tester_public_id=event.tester_public_id,
        variant_id=event.variant_id,
        due_at=event.reserved_until,
    )
    job.assignment_of_tester[event.tester_id] = event.assignment_id
    job.tester_of_public_id[event.tester_public_id] = event.tester_id
    job.taken_by_variant[event.variant_id] += 1
    job.at_work += 1


def _started(job: Job, event: e.TaskStarted) -> None:
    assignment = _at_work(job, event)
    assignment.status = AssignmentStatus.STARTED
    assignment.started_at = event.started_at
    assignment.due_at = event.hard_deadline


def _proof_rejected(job: Job, event: e.ProofRejected) -> None:
    _at_work(job, event).wrong_proofs += 1


def _completed(job: Job, event: e.TaskCompleted) -> None:
    assignment = _at_work(job, event)
    assignment.status = AssignmentStatus.COMPLETED
    assignment.payout_cents = event.payout_cents
    assignment.fee_cents = event.fee_cents
    job.at_work -= 1
    job.completed += 1
    job.completed_cost_cents += assignment.cost_cents


def _ended(status: AssignmentStatus, *, by_deadline: bool) -> Callable[[Job, Any], None]:
    def change(job: Job, event: e.SlotReturned) -> None:
        assignment = _at_work(job, event)
        assignment.status = status
        job.at_work -= 1
        job.taken_by_variant[assignment.variant_id] -= 1
        job.ended_by_deadline += by_deadline

    return change


def _granted(job: Job, event: e.PayoutGranted) -> None:
    job.escrow_cents -= event.payout_cents + event.fee_cents


def _refunded(job: Job, event: e.Refunded) -> None:
    job.hold_cents -= event.refund_cents
    job.escrow_cents -= event.refund_cents


def _at_work(job: Job, event: Any) -> Assignment:
    assignment = job.assignments[event.assignment_id]
    if assignment.status not in AT_WORK:
        raise InvariantBroken(f"{type(event).__name__} cannot follow once the assignment is {assignment.status}.")
    return assignment


_CHANGES: Mapping[type, Callable[[Job, Any], None]] = {
    e.Paused: _phase(Phase.PAUSED),
    e.Resumed: _phase(Phase.ACTIVE),
    e.Stopped: _phase(Phase.CLOSING),
    e.Resized: _resized,
    e.Cancelled: _cancelled,
    e.Settled: _settled,
    e.Approved: _approved,
    e.Disputed: _disputed,
    e.Resolved: _resolved,
    e.SlotTaken: _taken,
    e.TaskStarted: _started,
    e.ProofRejected: _proof_rejected,
    e.TaskCompleted: _completed,
    e.SlotReturned: _ended(AssignmentStatus.RETURNED, by_deadline=False),
    e.ReservationExpired: _ended(AssignmentStatus.EXPIRED, by_deadline=True),
    e.TaskTimedOut: _ended(AssignmentStatus.TIMED_OUT, by_deadline=True),
    e.AssignmentCancelled: _ended(AssignmentStatus.CANCELLED, by_deadline=False),
    e.PayoutGranted: _granted,
    e.Refunded: _refunded,
}
