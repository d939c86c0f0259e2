"""Between an event in its envelope and its stored bytes.

The stored form is a JSON object of the whole envelope but stream, version and position, which lie in columns of
their own. The topic is the short name of the catalogue, so that code may move and history stays readable.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, MapperDeserialisationError, Notification, StoredEvent

from domain.catalogue import EVENTS, NAMES
from domain.recorded import Actor, Recorded
from domain.times import Instant
from projections.json import uuid

E = TypeVar("E")


class Envelope(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """What is stored of one event."""

    event_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    actor: Actor
    request_id: str | None
    correlation_id: UUID
    causation_id: UUID | None
    event: E


_encode = msgspec.json.Encoder().encode
_DECODERS = {name: msgspec.json.Decoder(Envelope[event]) for name, event in EVENTS.items()}  # type: ignore[valid-type]


def to_state(recorded: Recorded[Any]) -> bytes:
    """The bytes that are stored, and that the tree commits to."""
    return _encode(
        Envelope(
            recorded.event_id,
            recorded.occurred_at,
            recorded.recorded_at,
            recorded.actor,
            recorded.request_id,
            recorded.correlation_id,
            recorded.causation_id,
            recorded.event,
        )
    )


def to_recorded(stream: UUID, version: int, position: int, name: str, state: bytes) -> Recorded[Any]:
    """The event as it was recorded. Raises MapperDeserialisationError for a name or form this program doesn't know."""
    try:
        envelope = _DECODERS[name].decode(state)
    except (KeyError, msgspec.MsgspecError) as error:
        raise MapperDeserialisationError(
            f"The event at position {position}, {name!r}, is of a form that this program does not know: "
            "another version has written it."
        ) from error
    return Recorded(  # by place: keywords cost half a microsecond
        stream,
        version,
        position,
        envelope.event_id,
        envelope.occurred_at,
        envelope.recorded_at,
        envelope.actor,
        envelope.request_id,
        envelope.correlation_id,
        envelope.causation_id,
        envelope.event,
    )


def recorded_in(rows: Iterable[Sequence[Any]]) -> Iterator[Recorded[Any]]:
    """The events of rows that SELECT_EVENTS gives. Raises MapperDeserialisationError."""
    for stream, version, position, name, state in rows:
        yield to_recorded(uuid(stream), version, position, name, state)


def event_in(state: bytes, kind: type[E]) -> E:
    """The event, of a kind that is known, in its stored bytes. Raises msgspec.MsgspecError for another form."""
    envelope: Envelope[E] = _DECODERS[NAMES[kind]].decode(state)
    return envelope.event


class EventMapper(Mapper[UUID]):
    """The library's port for it. A stored event that comes without a position gets position 0."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        return StoredEvent(
            domain_event.stream, domain_event.version, NAMES[type(domain_event.event)], to_state(domain_event)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        position = stored_event.id if isinstance(stored_event, Notification) else 0
        stream = stored_event.originator_id
        assert isinstance(stream, UUID)
        return to_recorded(stream, stored_event.originator_version, position, stored_event.topic, stored_event.state)
