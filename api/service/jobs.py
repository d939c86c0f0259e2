"""Use cases of owners and operators on jobs."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from api.service.work import Answer, UseCase, Work
from domain.job import commands as c
from domain.job.state import Job
from domain.job.terms import Terms
from projections.times import iso, iso_or_none

Body = Callable[[UUID, Job], dict[str, Any]]


def create_job(job_id: UUID, owner_id: UUID, terms: Terms) -> UseCase:
    """Post a job and hold its credits."""

    def run(work: Work) -> Answer:
        work.states.begin(job_id)
        work.command_job(job_id, c.CreateJob(owner_id=owner_id, terms=terms))
        job = work.job(job_id)
        body = {
            "id": str(job_id),
            "status": job.status,
            "title": terms.title,
            "escrowHoldCents": job.hold_cents,
            "createdAt": iso(work.now),
        }
        return Answer(body, status=201, version=work.job_version(job_id), location=f"/jobs/{job_id}")

    return run


def command_job(job_id: UUID, command: c.JobCommand, body: Body) -> UseCase:
    """Ask something of a job and answer with what it is then."""

    def run(work: Work) -> Answer:
        work.command_job(job_id, command)
        return Answer(body(job_id, work.job(job_id)), version=work.job_version(job_id))

    return run


def status_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {"id": str(job_id), "status": job.status}


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
        "id": str(job_id),
        "status": job.status,
        "settlementStatus": job.settlement_status,
        "settlementDeadline": iso_or_none(job.settlement_deadline),
    }


def resolve_body(job_id: UUID, job: Job) -> dict[str, Any]:
    return {"ok": True, "settlementStatus": job.settlement_status, "remaining": job.open_claims}


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
