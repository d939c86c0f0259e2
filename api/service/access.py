"""Use cases of access: principals and their keys."""

from typing import Any
from uuid import UUID

from api.service.ids import new_id
from api.service.keys import key_hash, new_key
from api.service.work import Answer, UseCase, Work
from domain.access.commands import Forget, IssueKey, Register, RevokeKey
from domain.access.decider import ACCESS, Principal
from domain.access.events import Role
from domain.errors import invalid
from domain.ids import access_stream
from projections.times import iso

FIRST_PUBLIC_ID = 100_000
"""Public ids are this number + the position of the tester's first event: never used twice."""


def register(role: Role, name: str) -> UseCase:
    """Make a principal; the same role and name are always the same one."""

    def run(work: Work) -> Answer:
        before = work.state(ACCESS, access_stream(role, name))
        principal = _registered(work, role, name)
        return Answer(principal_body(principal), status=200 if before else 201)

    return run


def issue_key(stream: UUID) -> UseCase:
    """Give a principal another key. The key is in this answer and nowhere else; a repeat shows null."""

    def run(work: Work) -> Answer:
        return _issued(work, stream)

    return run


def register_with_key(role: Role, name: str) -> UseCase:
    """Make the principal where there is none, and give it a key."""

    def run(work: Work) -> Answer:
        _registered(work, role, name)
        return _issued(work, access_stream(role, name))

    return run


def revoke_key(stream: UUID, key_id: UUID) -> UseCase:
    """Make a key worthless, at once and for ever."""

    def run(work: Work) -> Answer:
        events = ACCESS.decide(RevokeKey(key_id=key_id), work.state(ACCESS, stream), work.now)
        work.record(ACCESS, stream, events)
        return Answer({"keyId": str(key_id), "revoked": True})

    return run


def record_erasure(stream: UUID) -> UseCase:
    """Record that the personal text about a principal was erased; its key has to be destroyed before."""

    def run(work: Work) -> Answer:
        principal = work.state(ACCESS, stream)
        work.record(ACCESS, stream, ACCESS.decide(Forget(), principal, work.now))
        assert principal is not None
        return Answer({**principal_body(principal), "forgottenAt": iso(work.now)})

    return run


def _registered(work: Work, role: Role, name: str) -> Principal:
    if not name.isprintable():
        raise invalid("/name", "must have printable characters only")
    stream = access_stream(role, name)
    command = Register(principal_id=new_id(), role=role, name=name, public_id=FIRST_PUBLIC_ID + work.next_position)
    work.record(ACCESS, stream, ACCESS.decide(command, work.state(ACCESS, stream), work.now))
    principal = work.state(ACCESS, stream)
    assert principal is not None
    return principal


def _issued(work: Work, stream: UUID) -> Answer:
    key, key_id = new_key(), new_id()
    command = IssueKey(key_id=key_id, key_hash=key_hash(key))
    principal = work.state(ACCESS, stream)
    work.record(ACCESS, stream, ACCESS.decide(command, principal, work.now))
    assert principal is not None
    shared = {"keyId": str(key_id), **principal_body(principal)}
    return Answer({**shared, "key": key}, status=201, kept_body={**shared, "key": None})


def principal_body(principal: Principal) -> dict[str, Any]:
    return {
        "principalId": str(principal.id),
        "role": principal.role.value,
        "name": principal.name,
        "publicId": principal.public_id,
    }
