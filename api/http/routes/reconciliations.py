"""Reconciliations as operators run them, and what becomes of their breaks."""

from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.common import PageQuery
from api.http.schemas.reconciliations import (
    BreakPage,
    BreaksQuery,
    DecisionAnswer,
    ProposalBody,
    ReconciliationAnswer,
    ReconciliationBody,
    ReconciliationPage,
)
from api.service.committer import Reply
from api.service.ids import new_id
from api.service.reads import BreakFilter
from api.service.reconciliations import StatementText, confirm, keep_run, propose
from api.service.refusals import Overloaded
from domain import errors as e
from domain.access.events import Role
from projections.reconcile.period import Period
from projections.statements.months import zone_of

OPERATOR = (Role.OPERATOR,)


async def _run(call: Call) -> Reply:
    body: ReconciliationBody = call.body
    timezone = body.timezone or "UTC"
    try:
        zone_of(timezone)
    except ValueError as error:
        raise e.invalid("/timezone", str(error)) from None
    await call.service.catch_up()
    period, now = Period(body.from_, body.as_of, body.known_at), call.service.committer.now()
    if wrong := [e.FieldProblem(f"/{name}", problem) for name, problem in period.problems(now)]:
        raise e.InvalidRequest(wrong)
    statements = [StatementText(one.name, one.content) for one in body.statements or ()]
    async with call.service.once(call.context) as first:
        if first is not None:
            return first
        run = await call.service.reconciliations.run(period, statements, timezone)
        return await call.command(keep_run(new_id(), run))


async def _list(call: Call) -> Shown:
    page = call.service.reads.reconciliations(call.page_after("reconciliations"), call.query.limit)
    return call.page("reconciliations", page)


async def _show(call: Call) -> Shown:
    return Shown(call.service.reads.reconciliation(call.ids["id"]))


async def _breaks(call: Call) -> Shown:
    run_id, query = call.ids["id"], call.query
    wanted = BreakFilter(query.category, query.status)
    of = f"breaks {run_id} {wanted}"
    page = call.service.reads.reconciliation_breaks(run_id, wanted, call.page_after(of), query.limit)
    return call.page(of, page)


async def _propose(call: Call) -> Reply:
    return await call.command(propose(call.ids["id"], call.ids["number"], call.body.reason.strip()))


async def _confirm(call: Call) -> Reply:
    return await call.command(confirm(call.ids["id"], call.ids["number"]))


ROUTES: tuple[Route, ...] = (
    command(
        "/operator/reconciliations",
        "reconcile",
        "Replay the log into books, compare them with all that tells of the same money, and keep what was found",
        _run,
        roles=OPERATOR,
        body=ReconciliationBody,
        answer=ReconciliationAnswer,
        status=201,
        refusals=(e.InvalidState, Overloaded),
        example={"from": "2026-10-01T00:00:00Z", "asOf": "2026-10-31T23:59:59.999Z"},
        has_location=True,
    ),
    read(
        "/operator/reconciliations",
        "listReconciliations",
        "Reconciliations that were kept, the newest first",
        _list,
        roles=OPERATOR,
        query=PageQuery,
        answer=ReconciliationPage,
    ),
    read(
        "/operator/reconciliations/{id}",
        "getReconciliation",
        "A reconciliation with its evidence",
        _show,
        roles=OPERATOR,
        subject=Subject.RECONCILIATION,
        answer=ReconciliationAnswer,
    ),
    read(
        "/operator/reconciliations/{id}/breaks",
        "listBreaks",
        "What a reconciliation has found, and what became of it",
        _breaks,
        roles=OPERATOR,
        subject=Subject.RECONCILIATION,
        query=BreaksQuery,
        answer=BreakPage,
    ),
    command(
        "/operator/reconciliations/{id}/breaks/{number}/propose",
        "proposeAdjustment",
        "Propose to bring the books to what the other side says, or to accept a break as it is",
        _propose,
        roles=OPERATOR,
        subject=Subject.RECONCILIATION,
        body=ProposalBody,
        answer=DecisionAnswer,
        refusals=(e.InvalidState, e.AlreadyResolved),
        example={"reason": "The bank's own fee, as agreed in its price list."},
    ),
    command(
        "/operator/reconciliations/{id}/breaks/{number}/confirm",
        "confirmAdjustment",
        "Confirm what another operator has proposed; it is booked at once",
        _confirm,
        roles=OPERATOR,
        subject=Subject.RECONCILIATION,
        answer=DecisionAnswer,
        refusals=(e.InvalidState,),
    ),
)
