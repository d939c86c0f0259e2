"""Who may use the platform: principals, and the hashes of their keys."""

from collections.abc import Iterator

from domain.access import events as e
from domain.recorded import Recorded
from projections.json import text
from projections.read_model import Change, Index, Insert, ReadModel, Table, Update

PRINCIPALS = Table(
    name="principals",
    key="stream",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "stream": "TEXT",
        "principal_id": "TEXT",
        "role": "TEXT",
        "name": "TEXT",
        "public_id": "INTEGER",
    },
    indexes=(Index(("stream",), unique=True), Index(("principal_id",), unique=True)),
)

KEYS = Table(
    name="keys",
    key="key_id",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "key_id": "TEXT",
        "stream": "TEXT",
        "key_hash": "TEXT",
        "created_at": "INTEGER",
        "revoked_at": "INTEGER",
    },
    indexes=(Index(("key_id",), unique=True), Index(("key_hash",), unique=True)),
)


def _registered(recorded: Recorded[e.Registered]) -> Iterator[Change]:
    event, stream = recorded.event, text(recorded.stream)
    yield Insert(
        PRINCIPALS,
        stream,
        {
            "position": recorded.position,
            "stream": stream,
            "principal_id": text(event.principal_id),
            "role": event.role.value,
            "name": event.name,
            "public_id": event.public_id,
        },
    )


def _issued(recorded: Recorded[e.KeyIssued]) -> Iterator[Change]:
    key_id = text(recorded.event.key_id)
    yield Insert(
        KEYS,
        key_id,
        {
            "position": recorded.position,
            "key_id": key_id,
            "stream": text(recorded.stream),
            "key_hash": recorded.event.key_hash,
            "created_at": recorded.occurred_at,
            "revoked_at": None,
        },
    )


def _revoked(recorded: Recorded[e.KeyRevoked]) -> Iterator[Change]:
    yield Update(KEYS, text(recorded.event.key_id), {"revoked_at": recorded.occurred_at})


ACCESS_LIST = ReadModel(
    name="access",
    version=2,
    tables=(PRINCIPALS, KEYS),
    projectors={e.Registered: _registered, e.KeyIssued: _issued, e.KeyRevoked: _revoked},
)
