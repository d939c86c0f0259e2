"""What a route is: one row of the table from which dispatch, checks and the OpenAPI document are made."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from api.http.cursors import Cursors
from api.http.schemas.base import Answer, Request
from api.http.schemas.common import CommandQuery, EmptyBody
from api.service.committer import Reply
from api.service.reads import Page, Principal
from api.service.service import Service
from api.service.work import Context, UseCase
from domain.access.events import Role
from domain.errors import Refusal


@dataclass(frozen=True, slots=True)
class Shown:
    """What a read answers: an object, or pieces of JSON that are sent as they come.

    ``position`` is told where the read went on long after the request came in. Pieces that hold no snapshot of the
    database may take as long as they are taken in.
    """

    body: Any = None
    pieces: Iterator[bytes] | None = None
    etag: int | None = None
    position: int | None = None
    status: int = 200
    content_type: str = "application/json"
    holds_snapshot: bool = True


@dataclass(slots=True)
class Call:
    """One request, checked: who asks, for what, with what."""

    service: Service
    cursors: Cursors
    principal: Principal
    ids: Mapping[str, Any]
    query: Any
    body: Any
    context: Context

    def command(self, use_case: UseCase) -> Awaitable[Reply]:
        """Decide and make durable, under the conditions of the request."""
        return self.service.command(use_case, self.context)

    def page_after(self, of: str) -> int | None:
        """The key behind which the page begins, for the list called ``of``."""
        return self.cursors.read(self._name(of), self.query.cursor)

    def page(self, of: str, page: Page) -> Shown:
        """A page with the cursor to the next."""
        return Shown(self.listed(of, page))

    def listed(self, of: str, page: Page) -> dict[str, Any]:
        """A page as a part of an answer."""
        return {"data": page.items, "next": self.next(of, page)}

    def next(self, of: str, page: Page) -> str | None:
        """The cursor to the next page, null at the end."""
        return self.cursors.write(self._name(of), page.last)

    def _name(self, of: str) -> str:
        return f"{self.principal.id}:{of}"


Handler = Callable[[Call], Awaitable[Reply | Shown]]


class Subject(Enum):
    """Whose thing the id in the path must be."""

    NOBODYS = "anybody's"
    OWNERS_JOB = "the owner's job"
    ANY_JOB = "any job"
    TESTERS_ASSIGNMENT = "the tester's assignment"
    KEY = "a key"
    OWNERS_ENTRY = "the owner's entry of the books"
    RECONCILIATION = "a reconciliation, and one of its breaks"

    @property
    def is_job(self) -> bool:
        """Whether it is about a job, whose version If-Match and ETag name."""
        return self in (Subject.OWNERS_JOB, Subject.ANY_JOB, Subject.TESTERS_ASSIGNMENT)


class NoQuery(Request):
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    ``roles`` empty: anybody, without a key. ``ids`` in the path, in braces, are UUIDs,
    that of an entry of the books its position and number, a ``number`` counts from 1. ``prepare`` makes of a body
    that fits its schema what ``handle`` gets for it; it raises InvalidRequest where fields do not go together.
    ``secrets`` are places in the body, as steps of keys, that must not be found out from what is kept of a request.
    ``refusals`` are those that the operation itself can raise; those that every such route can are added.
    ``has_location`` and ``has_etag`` tell which headers its success carries; with ``finds`` a 200 says that what it
    should make was there already. ``streams`` are the content types that it answers in besides JSON; without an
    ``answer``, in these alone. What ``waits`` for something to happen is ended with its connection.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Handler
    roles: tuple[Role, ...] = ()
    subject: Subject = Subject.NOBODYS
    query: type[Request] = NoQuery
    body: type[Request] | None = None
    prepare: Callable[[Any], Any] | None = None
    answer: type[Answer] | None
    status: int = 200
    is_command: bool = False
    secrets: tuple[tuple[str, ...], ...] = ()
    refusals: tuple[type[Refusal], ...] = ()
    example: Mapping[str, Any] | None = None
    has_location: bool = False
    has_etag: bool = False
    finds: bool = False
    streams: tuple[str, ...] = ()
    waits: bool = False
    steps: tuple[str, ...] = field(init=False)
    names: tuple[str, ...] = field(init=False)
    """Of the ids in the path."""

    def __post_init__(self) -> None:
        steps = tuple(self.path.split("/")[1:])
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "names", tuple(step[1:-1] for step in steps if step.startswith("{")))


def command(
    path: str,
    name: str,
    summary: str,
    handle: Handler,
    *,
    roles: tuple[Role, ...],
    answer: type[Answer],
    method: str = "POST",
    subject: Subject = Subject.NOBODYS,
    body: type[Request] = EmptyBody,
    prepare: Callable[[Any], Any] | None = None,
    status: int = 200,
    secrets: tuple[tuple[str, ...], ...] = (),
    refusals: tuple[type[Refusal], ...] = (),
    example: Mapping[str, Any] | None = None,
    has_location: bool = False,
    has_etag: bool = False,
    finds: bool = False,
) -> Route:
    """A route that changes something: it takes an idempotency key, If-Match and dryRun."""
    return Route(
        method=method,
        path=path,
        name=name,
        summary=summary,
        handle=handle,
        roles=roles,
        subject=subject,
        query=CommandQuery,
        body=body,
        prepare=prepare,
        answer=answer,
        status=status,
        is_command=True,
        secrets=secrets,
        refusals=refusals,
        example=example,
        has_location=has_location,
        has_etag=has_etag or subject.is_job,
        finds=finds,
    )


def read(
    path: str,
    name: str,
    summary: str,
    handle: Handler,
    *,
    answer: type[Answer] | None,
    roles: tuple[Role, ...] = (),
    subject: Subject = Subject.NOBODYS,
    query: type[Request] = NoQuery,
    refusals: tuple[type[Refusal], ...] = (),
    has_etag: bool = False,
    streams: tuple[str, ...] = (),
    waits: bool = False,
) -> Route:
    """A route that only shows."""
    return Route(
        method="GET",
        path=path,
        name=name,
        summary=summary,
        handle=handle,
        roles=roles,
        subject=subject,
        query=query,
        answer=answer,
        refusals=refusals,
        has_etag=has_etag,
        streams=streams,
        waits=waits,
    )
