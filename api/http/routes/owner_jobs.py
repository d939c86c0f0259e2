"""What an owner asks of a job: pause, resume, stop, cancel, settle, approve, dispute, resize."""

from collections.abc import Callable, Mapping
from typing import Any

from api.http.route import Call, Handler, Route, Shown, Subject, command, read
from api.http.schemas.base import Answer, Request
from api.http.schemas.common import EmptyBody
from api.http.schemas.disputes import DisputeBody, SettlementView
from api.http.schemas.job_answers import (
    ApproveAnswer,
    CancelAnswer,
    DisputeAnswer,
    JobStatus,
    ResizeAnswer,
    SettleAnswer,
    Stopped,
)
from api.http.schemas.jobs import ResizeBody
from api.service import jobs as use_cases
from api.service.committer import Reply
from domain import errors as e
from domain.access.events import Role
from domain.job import commands as c

OWNER = (Role.OWNER,)


def _asking(make: Callable[[Any], c.JobCommand], body: use_cases.Body) -> Handler:
    async def handle(call: Call) -> Reply:
        return await call.command(use_cases.command_job(call.ids["id"], make(call.body), body))

    return handle


async def _resize(call: Call) -> Reply:
    return await call.command(use_cases.resize_job(call.ids["id"], call.body.target_testers))


def _command_and_words(body: DisputeBody) -> tuple[c.DisputeJob, use_cases.DisputeWords]:
    return body.to_command(), body.words()


async def _dispute(call: Call) -> Reply:
    command, words = call.body
    if words.platform_issue or words.billing_discrepancy:
        await call.service.prepare_to_seal(call.principal.id, call.context)
    return await call.command(use_cases.dispute_job(call.ids["id"], command, words))


async def _settlement(call: Call) -> Shown:
    version, body = call.service.reads.settlement(call.ids["id"])
    return Shown(body, etag=version)


def _route(
    verb: str,
    summary: str,
    handle: Handler,
    answer: type[Answer],
    *,
    body: type[Request] = EmptyBody,
    prepare: Callable[[Any], Any] | None = None,
    refusals: tuple[type[e.Refusal], ...] = (e.InvalidState,),
    example: Mapping[str, Any] | None = None,
) -> Route:
    return command(
        f"/owner/jobs/{{id}}/{verb}",
        f"{verb}Job",
        summary,
        handle,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        body=body,
        prepare=prepare,
        answer=answer,
        refusals=refusals,
        example=example,
    )


ROUTES: tuple[Route, ...] = (
    _route(
        "pause",
        "No new testers until it is resumed",
        _asking(lambda _: c.PauseJob(), use_cases.status_body),
        JobStatus,
    ),
    _route("resume", "New testers again", _asking(lambda _: c.ResumeJob(), use_cases.status_body), JobStatus),
    _route(
        "stop",
        "No new testers any more; settlement begins when the last one is done",
        _asking(lambda _: c.StopJob(), use_cases.status_body),
        Stopped,
    ),
    _route(
        "cancel",
        "End the job: who is at work goes unpaid, what was completed is settled, the rest of the credits is free",
        _asking(lambda _: c.CancelJob(), use_cases.cancel_body),
        CancelAnswer,
    ),
    _route(
        "settle",
        "Close the job and begin settlement",
        _asking(lambda _: c.SettleJob(), use_cases.settle_body),
        SettleAnswer,
        refusals=(e.InvalidState, e.TestersAtWork),
    ),
    _route(
        "approve",
        "Pay the testers and the fee; irreversible",
        _asking(lambda _: c.ApproveJob(), use_cases.settlement_body),
        ApproveAnswer,
        refusals=(e.NotPendingApproval,),
    ),
    _route(
        "dispute",
        "Hold back pay until an operator decides",
        _dispute,
        DisputeAnswer,
        body=DisputeBody,
        prepare=_command_and_words,
        refusals=(e.NotPendingApproval,),
        example={"lowQuality": True},
    ),
    _route(
        "resize",
        "More slots or fewer",
        _resize,
        ResizeAnswer,
        body=ResizeBody,
        refusals=(e.InvalidState, e.NotEnoughCredits, e.BelowTaken, e.BelowMinimum, e.AboveMaximum),
        example={"targetTesters": 10},
    ),
    read(
        "/owner/jobs/{id}/settlement",
        "getSettlement",
        "Where a job's settlement stands",
        _settlement,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        answer=SettlementView,
        has_etag=True,
    ),
)
