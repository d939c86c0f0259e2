"""How a job ends: settlement when somebody completed, cancellation when nobody did. Source: README, "A job"."""

from domain.job import events as e
from domain.job.state import Job, Phase
from domain.times import SECOND, Instant


def _reason(*, completed: int, target: int, by_deadline: int, job: Job) -> e.ClosedReason:
    """``all_timed_out``: testers came, none completed, and each of them let a deadline pass."""
    if completed == target:
        return e.ClosedReason.ALL_COMPLETED
    if by_deadline and by_deadline == len(job.assignments):
        return e.ClosedReason.ALL_TIMED_OUT
    return e.ClosedReason.NO_ACTIVE_TESTERS


def begin_settlement(
    job: Job,
    now: Instant,
    *,
    hold_cents: int | None = None,
    target: int | None = None,
    completed: int | None = None,
    cost_cents: int | None = None,
    ended_by_deadline: int | None = None,
) -> tuple[e.JobEvent, ...]:
    """Settle what was completed and release the rest; cancel where nobody completed.

    The keyword arguments are the job as it will be after the events just decided, where that differs.
    """
    hold = job.hold_cents if hold_cents is None else hold_cents
    done = job.completed if completed is None else completed
    cost = job.completed_cost_cents if cost_cents is None else cost_cents
    reason = _reason(
        completed=done,
        target=job.target if target is None else target,
        by_deadline=job.ended_by_deadline if ended_by_deadline is None else ended_by_deadline,
        job=job,
    )
    if not done:
        return (e.Cancelled(owner_id=job.owner_id, released_cents=hold, reason=reason),)
    return (_settled(job, now, cost, hold - cost, reason),)


def after_leaving(
    job: Job, now: Instant, *, earned_cents: int | None = None, by_deadline: bool = False
) -> tuple[e.JobEvent, ...]:
    """What it sets off that one tester leaves work: with ``earned_cents`` having completed, else without.

    Settlement begins when the last one leaves a closing job, and when the last slot is completed.
    """
    completes = earned_cents is not None
    completed = job.completed + completes
    last_of_closing = job.phase is Phase.CLOSING and job.at_work == 1
    if not last_of_closing and completed != job.target:
        return ()
    return begin_settlement(
        job,
        now,
        completed=completed,
        cost_cents=job.completed_cost_cents + (earned_cents or 0),
        ended_by_deadline=job.ended_by_deadline + by_deadline,
    )


def cancel(job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    """End everybody's work unpaid; what was completed before is settled as in any other job."""
    left = tuple(e.AssignmentCancelled(assignment_id=a.id, tester_id=a.tester_id) for a in job.assignments_at_work())
    cost = job.completed_cost_cents
    cancelled = e.Cancelled(
        owner_id=job.owner_id, released_cents=job.hold_cents - cost, reason=e.ClosedReason.CANCELLED
    )
    if not job.completed:
        return (*left, cancelled)
    return (*left, cancelled, _settled(job, now, cost, 0, e.ClosedReason.CANCELLED))


def _settled(job: Job, now: Instant, cost: int, released: int, reason: e.ClosedReason) -> e.Settled:
    return e.Settled(
        owner_id=job.owner_id,
        hold_cents=cost,
        released_cents=released,
        reason=reason,
        deadline=now + job.terms.pricing.review_window_seconds * SECOND,
    )
