"""What a job's events ask of its owner's account: the other half of every hold and release."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from domain.credits.commands import CreditsCommand, HoldCredits, ReleaseCredits
from domain.job import events as job

_HELD: Mapping[type, Callable[[Any], int]] = {
    job.Created: lambda event: event.hold_cents,
    job.Resized: lambda event: event.held_cents,
}
_RELEASED: Mapping[type, Callable[[Any], int]] = {
    job.Resized: lambda event: event.released_cents,
    job.Settled: lambda event: event.released_cents,
    job.Cancelled: lambda event: event.released_cents,
    job.Refunded: lambda event: event.refund_cents,
}


def credits_command(job_id: UUID, event: job.JobEvent) -> CreditsCommand | None:
    """The hold or release that goes with a job's event; null when it moves no credits of the owner."""
    kind = type(event)
    if held := _HELD.get(kind, _nothing)(event):
        return HoldCredits(job_id=job_id, amount_cents=held)
    if released := _RELEASED.get(kind, _nothing)(event):
        return ReleaseCredits(job_id=job_id, amount_cents=released)
    return None


def _nothing(event: object) -> int:
    return 0
