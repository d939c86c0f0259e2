"""The rules of a principal's access: registered once, any number of keys, each revoked once and for ever."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.access import commands as c
from domain.access import events as e
from domain.decider import Decider
from domain.errors import InvalidState, InvariantBroken, NotFound
from domain.times import Instant

MAX_LIVE_KEYS = 100


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may use the platform, with the keys that are valid now and those that were."""

    id: UUID
    role: e.Role
    name: str
    public_id: int | None
    keys: frozenset[UUID] = frozenset()
    revoked_keys: frozenset[UUID] = frozenset()
    is_forgotten: bool = False


def decide(command: c.AccessCommand, principal: Principal | None, now: Instant) -> tuple[e.AccessEvent, ...]:
    """The events that follow; none where what is asked for holds already."""
    if isinstance(command, c.Register):
        return () if principal else (_registered(command),)
    if principal is None:
        raise NotFound("There is no such principal.")
    match command:
        case c.IssueKey(key_id=key_id, key_hash=key_hash):
            if len(principal.keys) >= MAX_LIVE_KEYS:
                raise InvalidState(f"A principal has at most {MAX_LIVE_KEYS} keys; revoke one first.")
            return (e.KeyIssued(key_id=key_id, key_hash=key_hash),)
        case c.RevokeKey(key_id=key_id):
            if key_id in principal.keys:
                return (e.KeyRevoked(key_id=key_id),)
            if key_id in principal.revoked_keys:
                return ()
            raise NotFound("There is no such key.")
        case c.Forget():
            return () if principal.is_forgotten else (e.Forgotten(principal_id=principal.id),)
        case _:
            assert_never(command)


def _registered(command: c.Register) -> e.Registered:
    return e.Registered(
        principal_id=command.principal_id,
        role=command.role,
        name=command.name,
        public_id=command.public_id if command.role is e.Role.TESTER else None,
    )


def evolve(principal: Principal | None, event: e.AccessEvent) -> Principal:
    """The principal after the event. Raises InvariantBroken on impossible history."""
    match principal, event:
        case None, e.Registered():
            return Principal(event.principal_id, event.role, event.name, event.public_id)
        case Principal(), e.KeyIssued():
            return replace(principal, keys=principal.keys | {event.key_id})
        case Principal(), e.KeyRevoked():
            return replace(
                principal,
                keys=principal.keys - {event.key_id},
                revoked_keys=principal.revoked_keys | {event.key_id},
            )
        case Principal(), e.Forgotten():
            return replace(principal, is_forgotten=True)
        case _:
            raise InvariantBroken(f"{type(event).__name__} cannot follow {type(principal).__name__}.")


ACCESS: Decider[c.AccessCommand, Principal, e.AccessEvent] = Decider(decide, evolve)
