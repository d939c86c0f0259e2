"""More slots or fewer. Source: README, "A job"."""

from domain.errors import BelowMinimum, BelowTaken, invalid
from domain.job import events as e
from domain.job.closing import begin_settlement
from domain.job.commands import ResizeJob
from domain.job.slots import widened_maxima
from domain.job.state import Job
from domain.money import MAX_HOLD_CENTS
from domain.times import Instant


def resize(command: ResizeJob, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    """The resize, and the end of the job when it leaves no open slot."""
    target = command.target
    if target == job.target:
        return ()
    _check(job, target)
    change = (target - job.target) * job.slot_hold_cents
    resized = e.Resized(
        owner_id=job.owner_id,
        previous_target=job.target,
        target=target,
        held_cents=max(change, 0),
        released_cents=max(-change, 0),
        maxima=widened_maxima(job, target),
    )
    if target > job.taken:
        return (resized,)
    if job.at_work:
        return (resized, e.Stopped(cause=e.StopCause.RESIZED))
    return (resized, *begin_settlement(job, now, hold_cents=job.hold_cents + change, target=target))


def _check(job: Job, target: int) -> None:
    minimum = sum(v.target_testers_min for v in job.variants)
    hold = target * job.slot_hold_cents
    if hold > MAX_HOLD_CENTS:
        raise invalid("/targetTesters", f"would hold {hold} cents; a job may hold at most {MAX_HOLD_CENTS}")
    if target < job.taken:
        raise BelowTaken(f"{job.taken} slots are taken; a job cannot shrink below that.", taken=job.taken)
    if target < minimum:
        raise BelowMinimum(f"The variants need {minimum} testers at least.", minimum=minimum)
