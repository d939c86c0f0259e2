"""Of whom and of what an event tells: by what the audit trail finds it, and as what it is shown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from domain.catalogue import NAMES
from domain.recorded import Recorded
from domain.times import Instant
from projections.event_view import event_view
from projections.json import text
from projections.times import iso


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; null is any. Instants: from the first, up to but without the second.

    ``actor`` is the id of a principal or the kind of an actor, ``subject`` that of a job, owner, tester or principal.
    """

    actor: str | None = None
    subject: UUID | None = None
    types: frozenset[str] | None = None
    request_id: str | None = None
    from_instant: Instant | None = None
    to_instant: Instant | None = None


class OfTester(msgspec.Struct, frozen=True, gc=False):
    """One tester's part of an event about several."""

    tester_id: str


class Parties(msgspec.Struct, frozen=True, gc=False):
    """The fields of any event that say whose it is."""

    owner_id: str | None = None
    tester_id: str | None = None
    job_id: str | None = None
    principal_id: str | None = None
    claims: tuple[OfTester, ...] = ()
    verdicts: tuple[OfTester, ...] = ()


class Who(msgspec.Struct, frozen=True, gc=False):
    """The actor in an event's envelope."""

    kind: str
    id: str | None


class Sketch(msgspec.Struct, frozen=True, gc=False):
    """As much of an event's envelope as a search looks at; ids are as they are written, which costs least."""

    occurred_at: Instant
    recorded_at: Instant
    actor: Who
    request_id: str | None
    event: Parties


read_sketch = msgspec.json.Decoder(Sketch).decode
"""From an event's stored bytes, whatever its type; the rest of them is passed over."""


def subjects(stream: str, sketch: Sketch) -> Iterator[str]:
    """The job, owner, tester or principal that an event says it is about; ids in hexadecimal, as that of the stream."""
    parties = sketch.event
    yield stream
    for one in (parties.owner_id, parties.tester_id, parties.job_id, parties.principal_id):
        if one is not None:
            yield one.replace("-", "")
    for part in (*parties.claims, *parties.verdicts):
        yield part.tester_id.replace("-", "")


def actors(actor: Who) -> Iterator[str]:
    """Under which words an actor is found: the kind, and the principal's id."""
    yield actor.kind
    if actor.id is not None:
        yield actor.id


def matches(wanted: EventFilter, topic: str, stream: str, sketch: Sketch, whose: Callable[[], str | None]) -> bool:
    """Whether an event is one of those that are wanted; ``whose`` its stream is, is asked only where it matters."""
    return (
        (wanted.types is None or topic in wanted.types)
        and (wanted.request_id is None or sketch.request_id == wanted.request_id)
        and (wanted.actor is None or wanted.actor in actors(sketch.actor))
        and (wanted.from_instant is None or sketch.occurred_at >= wanted.from_instant)
        and (wanted.to_instant is None or sketch.occurred_at < wanted.to_instant)
        and (wanted.subject is None or wanted.subject.hex in subjects(stream, sketch) or wanted.subject.hex == whose())
    )


def recorded_view(recorded: Recorded[Any], *, key_shown_to: UUID | None = None) -> dict[str, Any]:
    """An event with its envelope. ``key_shown_to`` is the principal who sees no keys but its own; null sees all."""
    actor = recorded.actor
    is_shown = key_shown_to is None or actor.id == key_shown_to
    return {
        "position": recorded.position,
        "stream": text(recorded.stream),
        "version": recorded.version,
        "type": NAMES[type(recorded.event)],
        "eventId": text(recorded.event_id),
        "occurredAt": iso(recorded.occurred_at),
        "recordedAt": iso(recorded.recorded_at),
        "actor": {"kind": actor.kind.value, "id": text(actor.id), "keyId": text(actor.key_id) if is_shown else None},
        "requestId": recorded.request_id if is_shown else None,
        "correlationId": text(recorded.correlation_id),
        "causationId": text(recorded.causation_id),
        "payload": event_view(recorded.event),
    }
