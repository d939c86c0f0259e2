"""Use cases of owners and operators on jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from api.service.work import Answer, UseCase, Work
from domain import sealed as places
from domain.job import commands as c
from domain.job.disputes import assignment_of
from domain.job.state import Job
from domain.job.terms import Terms
from domain.sealed import SealedText
from projections.json import text
from projections.times import iso, iso_or_none

Body = Callable[[UUID, Job], dict[str, Any]]


def create_job(job_id: UUID, owner_id: UUID, terms: Terms) -> UseCase:
    """Post a job and hold its credits."""

    def run(work: Work) -> Answer:
        work.states.begin(job_id)
        work.command_job(job_id, c.CreateJob(owner_id=owner_id, terms=terms))
        job = work.job(job_id)
        body = {
            "id": job_id,
            "status": job.status,
            "title": terms.title,
            "escrowHoldCents": job.hold_cents,
            "createdAt": iso(work.now),
        }
        return Answer(body, status=201, version=work.job_version(job_id), location=f"/jobs/{text(job_id)}")

    return run


def command_job(job_id: UUID, command: c.JobCommand, body: Body) -> UseCase:
    """Ask something of a job and answer with what it is then."""

    def run(work: Work) -> Answer:
        work.command_job(job_id, command)
        return Answer(body(job_id, work.job(job_id)), version=work.job_version(job_id))

    return run


def status_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {"id": job_id, "status": job.status}


def settle_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {
        "ok": True,
        "cancelled": job.was_cancelled,
        "settlementStatus": job.settlement_status,
        "settlementDeadline": iso_or_none(job.settlement_deadline),
        "closedReason": job.closed_reason,
    }


def settlement_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {"ok": True, "settlementStatus": job.settlement_status}


def cancel_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {
        "id": job_id,
        "status": job.status,
        "settlementStatus": job.settlement_status,
        "settlementDeadline": iso_or_none(job.settlement_deadline),
    }


def resolve_body(job: Job) -> dict[str, Any]:
    return {"ok": True, "settlementStatus": job.settlement_status, "remaining": job.open_claims}


@dataclass(frozen=True, slots=True)
class DisputeWords:
    """What an owner wrote in a dispute, open; ``claims`` is in the order of the command's testers."""

    platform_issue: str | None
    billing_discrepancy: str | None
    claims: tuple[str | None, ...]


def dispute_job(job_id: UUID, command: c.DisputeJob, words: DisputeWords) -> UseCase:
    """Dispute a settlement. What is said of a tester is sealed under the tester's key, all else under the owner's."""

    def run(work: Work) -> Answer:
        job = work.job(job_id)
        claims = zip(command.testers, words.claims, strict=True)
        issue, bill = words.platform_issue, words.billing_discrepancy
        sealed = replace(
            command,
            platform_issue_description=_sealed(work, job, places.platform_issue_place(job_id), issue),
            billing_discrepancy_description=_sealed(work, job, places.billing_discrepancy_place(job_id), bill),
            testers=tuple(_sealed_claim(work, job, claim, text) for claim, text in claims),
        )
        work.command_job(job_id, sealed)
        return Answer(settlement_body(job_id, work.job(job_id)), version=work.job_version(job_id))

    return run


def _sealed(work: Work, job: Job, place: str, text: str | None) -> SealedText | None:
    return None if text is None else work.seal(job.owner_id, place, text)


def _sealed_claim(work: Work, job: Job, claim: c.TesterClaim, text: str | None) -> c.TesterClaim:
    assignment = assignment_of(job, claim.tester)
    if assignment is None or text is None:  # the decider refuses a claim on somebody who is not there
        return claim
    return replace(claim, description=work.seal(assignment.tester_id, places.claim_place(assignment.id), text))


def resolve_dispute(job_id: UUID, command: c.ResolveDispute, notes: Sequence[str | None]) -> UseCase:
    """Decide disputed assignments; ``notes`` are open, and in the order of the command's resolutions."""

    def run(work: Work) -> Answer:
        job = work.job(job_id)
        resolutions = zip(command.resolutions, notes, strict=True)
        sealed = tuple(_sealed_note(work, job, resolution, note) for resolution, note in resolutions)
        work.command_job(job_id, c.ResolveDispute(resolutions=sealed))
        return Answer(resolve_body(work.job(job_id)), version=work.job_version(job_id))

    return run


def _sealed_note(work: Work, job: Job, resolution: c.Resolution, note: str | None) -> c.Resolution:
    assignment = job.assignments.get(resolution.assignment_id)
    if assignment is None or not note:
        return resolution
    return replace(resolution, note=work.seal(assignment.tester_id, places.note_place(assignment.id), note))


def resize_job(job_id: UUID, target: int) -> UseCase:
    """Resize; the answer tells the resize alone, before any settlement that it set off."""

    def run(work: Work) -> Answer:
        job = work.job(job_id)
        before, slot = job.target, job.slot_hold_cents
        work.command_job(job_id, c.ResizeJob(target=target))
        job = work.job(job_id)
        body = {
            "previousTargetTesters": before,
            "newTargetTesters": target,
            "previousEscrowHoldCents": before * slot,
            "newEscrowHoldCents": target * slot,
            "escrowDeltaCents": (target - before) * slot,
            "status": job.status,
            "settlementStatus": job.settlement_status,
        }
        return Answer(body, version=work.job_version(job_id))

    return run
