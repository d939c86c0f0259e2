"""Events of the log as auditors and owners see them, and refusals."""

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page, PageQuery, PageSize, ProblemCode
from api.http.schemas.fields import (
    ACTOR_TEXT,
    EVENT_TYPE_TEXT,
    EVENT_TYPES_TEXT,
    REQUEST_ID_TEXT,
    Id,
    IdOut,
    InstantIn,
    InstantOut,
)
from api.http.streams import Format
from domain.recorded import ActorKind

ActorWanted: TypeAlias = Annotated[str, Field(max_length=36, pattern=ACTOR_TEXT)]
EventType: TypeAlias = Annotated[str, Field(max_length=64, pattern=EVENT_TYPE_TEXT)]
Position: TypeAlias = Annotated[int, Field(ge=0, le=10**17)]
MAX_TYPES = 2_000


class EventsQuery(Request):
    """Events that occurred at or after ``from`` and before ``to``, by actor (a principal's id, or a kind of actor),
    subject (the id of a job, owner, tester or principal), type and request, after a position.

    With ``csv`` or ``jsonl`` all of them are streamed, and ``limit`` says nothing.
    """

    actor: ActorWanted | None = None
    subject: Id | None = None
    type: EventType | None = None
    request_id: Annotated[str, Field(max_length=128, pattern=REQUEST_ID_TEXT)] | None = None
    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    to: InstantIn | None = None
    after: Position = 0
    limit: PageSize = 20
    format: Format = "json"


class FeedQuery(Request):
    """Your events after a position, without a gap; ``types`` with commas between them.

    ``wait`` is for how many milliseconds to wait where there is none yet.
    """

    after: Position = 0
    types: Annotated[str, Field(max_length=MAX_TYPES, pattern=EVENT_TYPES_TEXT)] | None = None
    wait: Annotated[int, Field(ge=0, le=60_000)] = 0
    limit: PageSize = 20


class RefusalsQuery(PageQuery):
    """Refusals at or after ``from`` and before ``to``, of a principal.

    With a time a page looks at a bounded number of them: it may be short, even empty, and yet not the last.
    """

    actor: Id | None = None
    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    to: InstantIn | None = None


class ActorAnswer(Answer):
    """Who decided: for ``system`` and ``console`` nobody in person."""

    kind: ActorKind
    id: IdOut | None
    key_id: IdOut | None


class Payload(Answer):
    """The fields of an event; which, its type says."""

    model_config = ConfigDict(extra="allow")


class EventAnswer(Answer):
    """``position`` is its place in the log, ``version`` in its stream. A deadline occurred when it passed, and was
    recorded when it was written. All events of one command share a correlation id."""

    position: int
    stream: IdOut
    version: int
    type: str
    event_id: IdOut
    occurred_at: InstantOut
    recorded_at: InstantOut
    actor: ActorAnswer
    request_id: str | None
    correlation_id: IdOut
    causation_id: IdOut | None
    payload: Payload


class EventsPage(Answer):
    """``next`` is what to give as ``after`` for the following page, null at the end of the log.

    A page looks at a bounded part of the log: it may be short, even empty, and yet not the last.
    """

    data: list[EventAnswer]
    next: int | None


class JobEventsPage(Page[EventAnswer]):
    pass


class Feed(Answer):
    """``next`` is what to give as ``after`` next time: everything up to it has been told.

    A page looks at a bounded part of the log: it may be empty although the log goes on behind ``next``.
    """

    data: list[EventAnswer]
    next: int


class RefusedActor(Answer):
    kind: Literal["owner", "tester", "operator", "auditor"]
    id: IdOut
    key_id: IdOut


class RefusalItem(Answer):
    """Who was refused what, and why. ``operation`` is the operation's id in this document."""

    at: InstantOut
    actor: RefusedActor
    operation: str
    path: str
    status: int
    code: ProblemCode
    detail: str
    request_id: str


class RefusalsPage(Page[RefusalItem]):
    """Kept for 30 days. ``dropped`` counts those that came too fast to be kept, ever."""

    dropped: int
