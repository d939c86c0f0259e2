"""Owners' credits and ledgers."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any
from uuid import UUID

from api.http.moments import moment
from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.common import MomentQuery
from api.http.schemas.money import AddCreditsBody, Billing, Explanation, JobLedgerQuery, LedgerPage, LedgerQuery
from api.http.streams import STREAMS, Columns, streamed
from api.service.committer import Reply
from api.service.credits import billing_body
from api.service.explain import explain_entry
from api.service.reads import AuditReads, LedgerFilter, Moment, Reads
from api.service.refusals import GatewayNotConfigured
from domain.access.events import Role
from domain.errors import PaymentFailed

OWNER = (Role.OWNER,)
AT_ONCE = 200
"""Entries in one piece of a stream."""

COLUMNS: Columns = {
    "id": itemgetter("id"),
    "type": itemgetter("type"),
    "description": itemgetter("description"),
    "debitAccount": lambda item: item["postings"][0]["account"],
    "creditAccount": lambda item: item["postings"][1]["account"],
    "amountCents": lambda item: item["postings"][0]["amountCents"],
    "stream": lambda item: item["event"]["stream"],
    "version": lambda item: item["event"]["version"],
    "position": lambda item: item["event"]["position"],
    "occurredAt": itemgetter("occurredAt"),
}


async def _billing(call: Call) -> Shown:
    at, position = moment(call), None
    if at.is_now:
        balance, held = call.service.reads.billing(call.principal.id)
    else:
        (balance, held), position = await asyncio.to_thread(_billing_at, call.service.audit, call.principal.id, at)
    body = billing_body(balance, held, has_payment_method=call.service.purchases.has_gateway)
    return Shown(body, position=position)


def _billing_at(audit: AuditReads, owner_id: UUID, at: Moment) -> tuple[tuple[int, int], int]:
    """In another thread: an owner's whole journal is added up."""
    with audit.apart() as reads:
        position = reads.position_at(at)
        return reads.billing_at(owner_id, position), position


async def _add_credits(call: Call) -> Reply:
    return await call.service.purchases.buy(call.principal.id, call.body.amount_cents, call.context)


async def _ledger(call: Call) -> Shown:
    query: LedgerQuery = call.query
    at = moment(call)
    upto = None if at.is_now else call.service.audit.position_at(at)
    wanted = replace(_wanted(call, query.job_id), upto=upto)
    if query.format == "json":
        return replace(_entries(call, wanted), position=upto)
    end = call.service.reads.position() if upto is None else upto
    pages = _all_entries(call.service.reads, replace(wanted, upto=end), call.page_after(f"ledger {wanted}"))
    return replace(streamed(query.format, pages, COLUMNS), position=end)


async def _job_ledger(call: Call) -> Shown:
    return _entries(call, _wanted(call, call.ids["id"]))


def _wanted(call: Call, job_id: UUID | None) -> LedgerFilter:
    query: JobLedgerQuery = call.query
    return LedgerFilter(call.principal.id, job_id, query.type, query.from_, query.to)


def _entries(call: Call, wanted: LedgerFilter) -> Shown:
    of = f"ledger {wanted}"
    return call.page(of, call.service.reads.ledger(wanted, call.page_after(of), call.query.limit))


def _all_entries(reads: Reads, wanted: LedgerFilter, after: int | None) -> Iterator[Sequence[dict[str, Any]]]:
    has_more = True
    while has_more:
        page = reads.ledger(wanted, after, AT_ONCE)
        yield page.items
        after, has_more = page.last, page.last is not None


async def _explain(call: Call) -> Shown:
    return Shown(await asyncio.to_thread(_explained, call.service.audit, call.ids["id"], call.principal.id))


def _explained(audit: AuditReads, entry: int, owner_id: UUID) -> dict[str, Any]:
    """In another thread: a long job is read from its first event on."""
    with audit.apart() as reads:
        return explain_entry(reads, entry, owner_id)


ROUTES: tuple[Route, ...] = (
    read(
        "/owner/billing",
        "getBilling",
        "Your credits, free and held",
        _billing,
        roles=OWNER,
        query=MomentQuery,
        answer=Billing,
    ),
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
        streams=STREAMS,
    ),
    read(
        "/owner/ledger/{id}/explain",
        "explainEntry",
        "Why an entry is what it is: rule, event, command, who decided, and every step of the calculation",
        _explain,
        roles=OWNER,
        subject=Subject.OWNERS_ENTRY,
        answer=Explanation,
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
