"""Owners' credits and ledgers."""

from uuid import UUID

from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.money import AddCreditsBody, Billing, JobLedgerQuery, LedgerPage, LedgerQuery
from api.service.committer import Reply
from api.service.credits import billing_body
from api.service.reads import LedgerFilter
from api.service.refusals import GatewayNotConfigured
from domain.access.events import Role
from domain.errors import PaymentFailed

OWNER = (Role.OWNER,)


async def _billing(call: Call) -> Shown:
    balance, held = call.service.reads.billing(call.principal.id)
    return Shown(billing_body(balance, held, has_payment_method=call.service.purchases.has_gateway))


async def _add_credits(call: Call) -> Reply:
    return await call.service.purchases.buy(call.principal.id, call.body.amount_cents, call.context)


async def _ledger(call: Call) -> Shown:
    return _entries(call, call.query.job_id)


async def _job_ledger(call: Call) -> Shown:
    return _entries(call, call.ids["id"])


def _entries(call: Call, job_id: UUID | None) -> Shown:
    query: JobLedgerQuery = call.query
    wanted = LedgerFilter(call.principal.id, job_id, query.type, query.from_, query.to)
    of = f"ledger {wanted}"
    return call.page(of, call.service.reads.ledger(wanted, call.page_after(of), query.limit))


ROUTES: tuple[Route, ...] = (
    read("/owner/billing", "getBilling", "Your credits, free and held", _billing, roles=OWNER, answer=Billing),
    command(
        "/owner/billing/add-credits",
        "addCredits",
        "Buy credits through the payment gateway",
        _add_credits,
        roles=OWNER,
        body=AddCreditsBody,
        answer=Billing,
        status=201,
        refusals=(PaymentFailed, GatewayNotConfigured),
        example={"amountCents": 100_000},
        has_location=True,
    ),
    read(
        "/owner/ledger",
        "getLedger",
        "Every movement of your credits, the oldest first",
        _ledger,
        roles=OWNER,
        query=LedgerQuery,
        answer=LedgerPage,
    ),
    read(
        "/jobs/{id}/ledger",
        "getJobLedger",
        "Every movement of a job's money, the oldest first",
        _job_ledger,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        query=JobLedgerQuery,
        answer=LedgerPage,
    ),
)
