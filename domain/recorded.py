"""An event as it lies in the log: the fact, and who, when, why and where."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from domain.times import Instant

E = TypeVar("E")


class ActorKind(StrEnum):
    OWNER = "owner"
    TESTER = "tester"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SYSTEM = "system"
    """A deadline that passed, a purchase that was asked again: nobody in person."""
    CONSOLE = "console"
    """Whoever runs commands on the machine itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who decided: the kind, the principal's id and the id of the key that was shown."""

    kind: ActorKind
    id: UUID | None = None
    key_id: UUID | None = None


SYSTEM = Actor(ActorKind.SYSTEM)
CONSOLE = Actor(ActorKind.CONSOLE)


class Recorded(NamedTuple, Generic[E]):
    """One event of the log.

    ``position`` is its place in the whole log, from 1 and without gaps; ``version`` its place in its stream,
    from 1. ``occurred_at`` is when it became true (for a deadline: the deadline itself), ``recorded_at`` when
    it was written; neither is ever earlier than that of the event before it in the log. ``correlation_id`` is shared
    by all events of one operation; ``causation_id`` is the event that led to this one, null for the first.
    """

    stream: UUID
    version: int
    position: int
    event_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    actor: Actor
    request_id: str | None
    correlation_id: UUID
    causation_id: UUID | None
    event: E
