"""Operators: disputes, principals and keys, the sandbox's clock."""

from uuid import UUID

from msgspec.structs import replace

from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.common import PageQuery
from api.http.schemas.disputes import (
    DisputeFileView,
    DisputePage,
    DisputesQuery,
    ResolveAnswer,
    ResolveBody,
    VerdictPage,
    VerdictsQuery,
)
from api.http.schemas.operator import (
    ClockAnswer,
    ClockBody,
    KeyAnswer,
    KeyBody,
    KeyPage,
    KeyRevoked,
    PrincipalAnswer,
    PrincipalBody,
    StatementQuery,
)
from api.http.streams import CSV
from api.service import access, sandbox
from api.service.committer import Reply
from api.service.jobs import resolve_dispute
from api.service.reads import VerdictFilter
from domain import errors as e
from domain.access.events import Role
from domain.errors import invalid

OPERATOR = (Role.OPERATOR,)


async def _disputes(call: Call) -> Shown:
    of = f"disputes {call.query.status}"
    now = call.service.committer.now()
    page = call.service.reads.disputes(call.query.status, now, call.page_after(of), call.query.limit)
    return call.page(of, page)


async def _dispute_file(call: Call) -> Shown:
    job_id, now = call.ids["id"], call.service.committer.now()
    of = f"dispute {job_id}"
    found = call.service.reads.dispute_file(job_id, now, call.page_after(of), call.query.limit)
    if found is None:
        raise e.NotFound("This job was never disputed.")
    owner = VerdictFilter(owner_id=UUID(found.head["ownerId"]))
    work = [
        {
            **each.shown,
            "earlierVerdicts": call.listed(
                _verdicts_of(VerdictFilter(tester_id=UUID(each.shown["testerUserId"]))), each.on_tester
            ),
        }
        for each in found.work.items
    ]
    body = {
        **found.head,
        "terms": found.terms,
        "earlierVerdicts": call.listed(_verdicts_of(owner), found.on_owner),
        "assignments": {"data": work, "next": call.next(of, found.work)},
    }
    return Shown(body, etag=found.version)


def _verdicts_of(on: VerdictFilter) -> str:
    """The name of a list of verdicts, for its cursors."""
    return f"verdicts {on.tester_id} {on.owner_id}"


async def _verdicts(call: Call) -> Shown:
    on = call.query.wanted()
    of = _verdicts_of(on)
    return call.page(of, call.service.reads.verdicts(on, call.page_after(of), call.query.limit))


async def _resolve(call: Call) -> Reply:
    return await call.command(resolve_dispute(call.ids["id"], call.body.to_command(), call.body.notes()))


async def _register(call: Call) -> Reply:
    return await call.command(access.register(call.body.role, call.body.name.strip()))


async def _issue_key(call: Call) -> Reply:
    stream = call.service.reads.stream_of_principal(call.body.principal_id)
    if stream is None:
        raise invalid("/principalId", "must be the id of a principal")
    return await call.command(access.issue_key(stream))


async def _keys(call: Call) -> Shown:
    return call.page("keys", call.service.reads.keys(call.page_after("keys"), call.query.limit))


async def _revoke_key(call: Call) -> Reply:
    stream = call.service.reads.stream_of_key(call.ids["id"])
    assert stream is not None, "a key is never lost"
    return await call.command(access.revoke_key(stream, call.ids["id"]))


async def _advance_clock(call: Call) -> Reply:
    reply = await call.command(sandbox.advance_clock(call.body.advance_seconds))
    await call.service.catch_up()
    return replace(reply, position=call.service.reads.position())


async def _gateway_statement(call: Call) -> Shown:
    book = call.service.gateway_book
    assert book is not None, "the sandbox has a gateway"
    lines = book.statement(call.query.from_, call.query.to)
    return Shown(pieces=(line.encode() for line in lines), content_type=CSV, holds_snapshot=False)


ROUTES: tuple[Route, ...] = (
    read(
        "/operator/disputes",
        "listDisputes",
        "Disputes, the oldest first",
        _disputes,
        roles=OPERATOR,
        query=DisputesQuery,
        answer=DisputePage,
    ),
    read(
        "/operator/jobs/{id}/dispute",
        "getDispute",
        "A dispute with both sides: claims, statements, answers, timings, terms and earlier verdicts",
        _dispute_file,
        roles=OPERATOR,
        subject=Subject.ANY_JOB,
        query=PageQuery,
        answer=DisputeFileView,
        has_etag=True,
    ),
    read(
        "/operator/verdicts",
        "listVerdicts",
        "Verdicts on a tester, or on an owner's claims, the newest first",
        _verdicts,
        roles=OPERATOR,
        query=VerdictsQuery,
        answer=VerdictPage,
    ),
    command(
        "/operator/jobs/{id}/resolve",
        "resolveDispute",
        "Decide some or all of a job's disputed assignments; money moves at once",
        _resolve,
        roles=OPERATOR,
        subject=Subject.ANY_JOB,
        body=ResolveBody,
        answer=ResolveAnswer,
        refusals=(e.NotDisputed, e.AlreadyResolved),
        example={
            "resolutions": [
                {"assignmentId": "01890a5d-ac96-774b-bcce-b302099a8057", "payoutCents": 150, "note": "half done"}
            ]
        },
    ),
    command(
        "/operator/principals",
        "registerPrincipal",
        "Make an owner, tester, operator or auditor; 200 if there is one of that name",
        _register,
        roles=OPERATOR,
        body=PrincipalBody,
        answer=PrincipalAnswer,
        status=201,
        example={"role": "tester", "name": "Ada"},
        finds=True,
    ),
    command(
        "/operator/keys",
        "issueKey",
        "Give a principal another key; it is shown once",
        _issue_key,
        roles=OPERATOR,
        body=KeyBody,
        answer=KeyAnswer,
        status=201,
        refusals=(e.InvalidState,),
        example={"principalId": "01890a5d-ac96-774b-bcce-b302099a8057"},
    ),
    read(
        "/operator/keys",
        "listKeys",
        "All keys, the newest first",
        _keys,
        roles=OPERATOR,
        query=PageQuery,
        answer=KeyPage,
    ),
    command(
        "/operator/keys/{id}",
        "revokeKey",
        "Make a key worthless for ever",
        _revoke_key,
        method="DELETE",
        roles=OPERATOR,
        subject=Subject.KEY,
        answer=KeyRevoked,
    ),
    command(
        "/sandbox/clock",
        "advanceClock",
        "Move the sandbox's clock; everything due by then is written",
        _advance_clock,
        roles=OPERATOR,
        body=ClockBody,
        answer=ClockAnswer,
        example={"advanceSeconds": 86_400},
    ),
    read(
        "/sandbox/gateway/statement.csv",
        "getGatewayStatement",
        "What the sandbox's gateway took, in the form of a payout reconciliation report",
        _gateway_statement,
        roles=OPERATOR,
        query=StatementQuery,
        answer=None,
        streams=(CSV,),
    ),
)
