"""Owners' jobs: post, list, look, wait."""

import asyncio
from dataclasses import replace
from itertools import takewhile
from typing import Any
from uuid import UUID

from api.http.moments import moment
from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.common import PageQuery
from api.http.schemas.job_answers import AssignmentPage, JobCreated, JobDetail, JobPage, WaitedJob
from api.http.schemas.jobs import CreateJobBody, JobQuery, ListJobsQuery, WaitQuery
from api.service.committer import Reply
from api.service.ids import new_id
from api.service.jobs import create_job
from api.service.kept_views import Detail
from api.service.ports import ALL
from api.service.reads import AuditReads, JobFilter, Moment
from domain.access.events import Role
from domain.errors import InvalidRequest, NotEnoughCredits, NotFound, invalid
from domain.job.terms import Terms
from domain.job.validity import terms_problems

OWNER = (Role.OWNER,)
ENDED = frozenset({"completed", "cancelled", "paused"})

CONTRACT_EXAMPLE: dict[str, Any] = {
    "title": "Rate my landing page",
    "targetTesters": 5,
    "category": "web-design",
    "jobPostingTimeLimitMinutes": 60,
    "paymentRules": [{"type": "fixed", "amountCents": 300}],
    "variants": [
        {
            "description": "Visit the landing page and rate the design.",
            "url": "https://example.com/landing",
            "targetTestersMin": 5,
            "feedbackQuestions": [
                {"id": "rating", "questionMarkdown": "Rate the overall design", "inputType": "star_rating"}
            ],
        }
    ],
}


def _agreed(body: CreateJobBody) -> tuple[Terms, str | None]:
    """A job's terms, and the password of its proof. Raises InvalidRequest for fields that do not agree."""
    terms = body.to_terms([new_id() for _ in body.variants])
    if problems := terms_problems(terms):
        raise InvalidRequest(problems)
    proof = body.proof_of_completion
    return terms, None if proof is None else proof.password


async def _create(call: Call) -> Reply:
    terms, password = call.body
    if password is not None:
        terms = replace(terms, proof_hash=await call.service.proofs.hash(password))
    return await call.command(create_job(new_id(), call.principal.id, terms))


async def _list(call: Call) -> Shown:
    query: ListJobsQuery = call.query
    of = f"jobs {query.status} {query.settlement_status}"
    wanted = JobFilter(query.status, query.settlement_status)
    page = call.service.kept_views.jobs(call.principal.id, wanted, call.page_after(of), query.limit)
    return call.page(of, page)


async def _detail(call: Call) -> Shown:
    query: JobQuery = call.query
    if query.version is not None or query.as_of is not None or query.known_at is not None:
        return await _past(call, query)
    return _shown(call.service.kept_views.job_detail(call.ids["id"]))


async def _past(call: Call, query: JobQuery) -> Shown:
    """The job as it was: its events folded up to then, in another thread."""
    at = moment(call)
    if query.version is not None and not at.is_now:
        raise invalid("?version", "must be left out where asOf or knownAt is given: they say the version")
    version, body, position = await asyncio.to_thread(_job_at, call.service.audit, call.ids["id"], query.version, at)
    return Shown(body, etag=version, position=position)


def _job_at(audit: AuditReads, job_id: UUID, version: int | None, at: Moment) -> tuple[int, bytes, int]:
    with audit.apart() as reads:
        events = list(takewhile(at.includes, reads.stream(job_id, 0, version or ALL)))
        if not events:
            raise NotFound("There was no such job at that time.")
        last = events[-1]
        if version is not None and last.version != version:
            raise invalid("?version", f"must be at most {last.version}: the job has had no other versions")
        return last.version, reads.job_at(job_id, last.version), last.position


async def _wait(call: Call) -> Shown:
    """The detail once the job has ended or is paused, or when the time is up."""
    service, job_id = call.service, call.ids["id"]
    deadline = service.real_time() + call.query.timeout_ms / 1_000
    while True:
        watch = service.watch_job(job_id)
        with watch:
            await service.catch_up()
            if service.reads.job_status(job_id) in ENDED:
                return _waited(call, timed_out=False)
            left = deadline - service.real_time()
            if left <= 0 or not await watch.changed(left):
                return _waited(call, timed_out=True)


def _waited(call: Call, *, timed_out: bool) -> Shown:
    position = call.service.reads.position()
    return _shown(call.service.kept_views.waited_detail(call.ids["id"], timed_out), position)


def _shown(detail: Detail, position: int | None = None) -> Shown:
    return Shown(detail.whole, detail.pieces, detail.version, position)


async def _assignments(call: Call) -> Shown:
    of = f"assignments {call.ids['id']}"
    page = call.service.reads.assignments(call.ids["id"], call.page_after(of), call.query.limit)
    return call.page(of, page)


ROUTES: tuple[Route, ...] = (
    command(
        "/jobs",
        "createJob",
        "Post a job; its credits go into escrow",
        _create,
        roles=OWNER,
        body=CreateJobBody,
        prepare=_agreed,
        answer=JobCreated,
        status=201,
        secrets=(("proofOfCompletion", "password"),),
        refusals=(NotEnoughCredits,),
        example=CONTRACT_EXAMPLE,
        has_location=True,
        has_etag=True,
    ),
    read("/jobs", "listJobs", "Your jobs, the newest first", _list, roles=OWNER, query=ListJobsQuery, answer=JobPage),
    read(
        "/jobs/{id}",
        "getJob",
        "A job with its progress and feedback",
        _detail,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        query=JobQuery,
        answer=JobDetail,
        has_etag=True,
    ),
    read(
        "/jobs/{id}/wait",
        "waitForJob",
        "The job once it is completed, cancelled or paused, or when the time is up",
        _wait,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        query=WaitQuery,
        answer=WaitedJob,
        has_etag=True,
        waits=True,
    ),
    read(
        "/jobs/{id}/assignments",
        "listAssignments",
        "A job's completed assignments, in the order in which their slots were taken",
        _assignments,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        query=PageQuery,
        answer=AssignmentPage,
    ),
)
