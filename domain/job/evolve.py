"""How each event changes a job. Refuses nothing: what is in the log has happened."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import InvariantBroken
from domain.job import events as e
from domain.job.pay import slot_hold_cents
from domain.job.state import AT_WORK, OPEN, Assignment, AssignmentStatus, Job, Phase


def evolve(job: Job | None, event: e.JobEvent) -> Job:
    """The job after the event; takes the job over (see Decider). Raises InvariantBroken on impossible history."""
    if job is None:
        if isinstance(event, e.Created):
            return _created(event)
        raise InvariantBroken(f"{type(event).__name__} cannot be a job's first event.")
    found = _CHANGES.get(type(event))
    if found is None:
        raise InvariantBroken(f"{type(event).__name__} cannot happen to a job that is there.")
    phases, change = found
    if job.phase not in phases:
        raise InvariantBroken(f"{type(event).__name__} cannot follow in a job that is {job.phase}.")
    change(job, event)
    if job.escrow_cents < 0:
        raise InvariantBroken(f"{type(event).__name__} would take the job's escrow below zero.")
    if job.at_work + job.completed > job.target:
        raise InvariantBroken(f"{type(event).__name__} would leave more testers than slots.")
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


def _statement_given(job: Job, event: e.StatementGiven) -> None:
    assignment = job.assignments[event.assignment_id]
    if assignment.settled_as is not Phase.DISPUTED:
        raise InvariantBroken("StatementGiven cannot follow; the assignment is not disputed.")
    assignment.statements = event.number


def _resolved(job: Job, event: e.Resolved) -> None:
    for verdict in event.verdicts:
        job.assignments[verdict.assignment_id].settled_as = Phase.RESOLVED
    job.open_claims = event.remaining
    if not event.remaining:
        job.phase = Phase.RESOLVED


def _taken(job: Job, event: e.SlotTaken) -> None:
    job.assignments.take(
        Assignment(
            id=event.assignment_id,
            tester_id=event.tester_id,
            tester_public_id=event.tester_public_id,
            variant_id=event.variant_id,
            reserved_until=event.reserved_until,
        )
    )
    job.taken_by_variant[event.variant_id] += 1
    job.at_work += 1


def _started(job: Job, event: e.TaskStarted) -> None:
    assignment = _at_work(job, event)
    assignment.status = AssignmentStatus.STARTED
    assignment.started_at = event.started_at
    assignment.hard_deadline = event.hard_deadline


def _proof_rejected(job: Job, event: e.ProofRejected) -> None:
    _at_work(job, event).wrong_proofs += 1


def _completed(job: Job, event: e.TaskCompleted) -> None:
    assignment = _at_work(job, event)
    assignment.status = AssignmentStatus.COMPLETED
    assignment.completed_at = event.completed_at
    assignment.duration_minutes = event.duration_minutes
    assignment.payout_cents = event.payout_cents
    assignment.fee_cents = event.fee_cents
    job.at_work -= 1
    job.completed += 1
    job.completed_cost_cents += event.payout_cents + event.fee_cents


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
    assignment = job.assignments.get(event.assignment_id)
    if assignment is None or assignment.status not in AT_WORK:
        raise InvariantBroken(f"{type(event).__name__} cannot follow; the assignment is not at work.")
    return assignment


_TAKES_COMMANDS = frozenset({Phase.ACTIVE, Phase.PAUSED})
_DISPUTE = frozenset({Phase.DISPUTED, Phase.RESOLVED})

_CHANGES: Mapping[type, tuple[frozenset[Phase], Callable[[Job, Any], None]]] = {
    # an event: the phases in which it can happen, and what it changes
    e.Paused: (frozenset({Phase.ACTIVE}), _phase(Phase.PAUSED)),
    e.Resumed: (frozenset({Phase.PAUSED}), _phase(Phase.ACTIVE)),
    e.Stopped: (_TAKES_COMMANDS, _phase(Phase.CLOSING)),
    e.Resized: (_TAKES_COMMANDS, _resized),
    e.Cancelled: (OPEN, _cancelled),
    e.Settled: (OPEN | {Phase.CANCELLED}, _settled),
    e.Approved: (frozenset({Phase.PENDING_APPROVAL}), _approved),
    e.Disputed: (frozenset({Phase.PENDING_APPROVAL}), _disputed),
    e.StatementGiven: (frozenset({Phase.DISPUTED}), _statement_given),
    e.Resolved: (frozenset({Phase.DISPUTED}), _resolved),
    e.SlotTaken: (frozenset({Phase.ACTIVE}), _taken),
    e.TaskStarted: (OPEN, _started),
    e.ProofRejected: (OPEN, _proof_rejected),
    e.TaskCompleted: (OPEN, _completed),
    e.SlotReturned: (OPEN, _ended(AssignmentStatus.RETURNED, by_deadline=False)),
    e.ReservationExpired: (OPEN, _ended(AssignmentStatus.EXPIRED, by_deadline=True)),
    e.TaskTimedOut: (OPEN, _ended(AssignmentStatus.TIMED_OUT, by_deadline=True)),
    e.AssignmentCancelled: (_TAKES_COMMANDS, _ended(AssignmentStatus.CANCELLED, by_deadline=False)),
    e.PayoutGranted: (_DISPUTE | {Phase.APPROVED}, _granted),
    e.Refunded: (_DISPUTE, _refunded),
}
