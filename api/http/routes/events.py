"""The audit trail: what is in the log, who was refused, and owners' own events."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from api.http.route import Call, Route, Shown, Subject, read
from api.http.schemas.common import PageQuery
from api.http.schemas.events import (
    EventsPage,
    EventsQuery,
    Feed,
    FeedQuery,
    JobEventsPage,
    RefusalsPage,
    RefusalsQuery,
)
from api.http.streams import STREAMS, Columns, streamed
from api.service.reads import AuditReads, Page, RefusalFilter
from domain.access.events import Role
from domain.errors import invalid
from projections.audit import EventFilter, recorded_view

AUDIT = (Role.OPERATOR, Role.AUDITOR)
OWNER = (Role.OWNER,)
AT_ONCE = 200
"""Events in one piece of a stream."""
LOOK_AGAIN_SECONDS = 5.0
"""What happens to an owner outside of jobs and credits, as to a key, wakes nobody."""

COLUMNS: Columns = {
    "position": itemgetter("position"),
    "stream": itemgetter("stream"),
    "version": itemgetter("version"),
    "type": itemgetter("type"),
    "eventId": itemgetter("eventId"),
    "occurredAt": itemgetter("occurredAt"),
    "recordedAt": itemgetter("recordedAt"),
    "actorKind": lambda item: item["actor"]["kind"],
    "actorId": lambda item: item["actor"]["id"],
    "actorKeyId": lambda item: item["actor"]["keyId"],
    "requestId": itemgetter("requestId"),
    "correlationId": itemgetter("correlationId"),
    "causationId": itemgetter("causationId"),
    "payload": itemgetter("payload"),
}


async def _events(call: Call) -> Shown:
    query: EventsQuery = call.query
    wanted = EventFilter(
        actor=None if query.actor is None else query.actor.lower(),
        subject=query.subject,
        types=None if query.type is None else frozenset({query.type}),
        request_id=query.request_id,
        from_instant=query.from_,
        to_instant=query.to,
    )
    end = _end_of_log(call)
    if query.format != "json":
        pages = _all_pages(call.service.audit, wanted, query.after, end)
        return replace(streamed(query.format, pages, COLUMNS), position=end)
    page = call.service.audit.events(wanted, query.after, None, query.limit)
    next_after = page.reached if page.has_more else None
    return Shown({"data": [recorded_view(each) for each in page.events], "next": next_after})


def _end_of_log(call: Call) -> int:
    """The last position. Raises InvalidRequest where ``after`` lies behind it: what comes before would be missed."""
    end = call.service.reads.position()
    if call.query.after > end:
        raise invalid("?after", f"must be at most {end}: the log has no more events")
    return end


def _all_pages(audit: AuditReads, wanted: EventFilter, after: int, end: int) -> Iterator[Sequence[dict[str, Any]]]:
    """Everything up to the position where the log ended when it was asked for."""
    has_more = True
    while has_more:
        page = audit.events(wanted, after, end, AT_ONCE)
        yield [recorded_view(each) for each in page.events]
        after, has_more = page.reached, page.has_more


async def _refusals(call: Call) -> Shown:
    query: RefusalsQuery = call.query
    wanted = RefusalFilter(query.actor, query.from_, query.to)
    of = f"refusals {wanted}"
    before = call.page_after(of)
    await call.service.evidence.keep_refusals(call.service.committer.now())
    page = call.service.audit.refusals(wanted, before, query.limit)
    dropped = call.service.audit.refusals_dropped()
    return Shown({"data": page.items, "next": call.next(of, page), "dropped": dropped})


async def _job_events(call: Call) -> Shown:
    job_id, limit = call.ids["id"], call.query.limit
    of = f"events {job_id}"
    found = call.service.audit.stream(job_id, call.page_after(of) or 0, limit + 1)
    items = [recorded_view(each, key_shown_to=call.principal.id) for each in found[:limit]]
    return call.page(of, Page(items, found[limit - 1].version if len(found) > limit else None))


async def _feed(call: Call) -> Shown:
    """The owner's events, waited for where there are none yet."""
    query: FeedQuery = call.query
    service, after = call.service, query.after
    _end_of_log(call)
    types = None if query.types is None else frozenset(query.types.split(","))
    wanted = EventFilter(subject=call.principal.id, types=types)
    deadline = service.real_time() + query.wait / 1_000
    while True:
        watch = service.watch_owner(call.principal.id)
        with watch:
            await service.catch_up()
            position = service.reads.position()
            page = service.audit.events(wanted, after, position, query.limit)
            after, left = page.reached, deadline - service.real_time()
            if page.events or page.has_more or left <= 0:
                items = [recorded_view(each, key_shown_to=call.principal.id) for each in page.events]
                return Shown({"data": items, "next": after}, position=position)
            await watch.changed(min(left, LOOK_AGAIN_SECONDS))


ROUTES: tuple[Route, ...] = (
    read(
        "/audit/events",
        "listEvents",
        "Every event of the log: what happened, when, and who decided",
        _events,
        roles=AUDIT,
        query=EventsQuery,
        answer=EventsPage,
        streams=STREAMS,
    ),
    read(
        "/audit/refusals",
        "listRefusals",
        "Who was refused what, and why, the newest first",
        _refusals,
        roles=AUDIT,
        query=RefusalsQuery,
        answer=RefusalsPage,
    ),
    read(
        "/jobs/{id}/events",
        "listJobEvents",
        "Everything that happened to a job, the oldest first",
        _job_events,
        roles=OWNER,
        subject=Subject.OWNERS_JOB,
        query=PageQuery,
        answer=JobEventsPage,
    ),
    read(
        "/events",
        "followEvents",
        "Everything that happens to your jobs and credits, without a gap",
        _feed,
        roles=OWNER,
        query=FeedQuery,
        answer=Feed,
        waits=True,
    ),
)
