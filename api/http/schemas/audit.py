"""The audit trail: checkpoints of the log and proofs under them. Hashes are SHA-256 in base64."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.fields import IdOut

Hash: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**17)]


class InclusionQuery(Request):
    """``position`` is that of an event; ``size`` that of the tree in events, the whole log unless given."""

    position: Annotated[int, Field(ge=1, le=10**17)]
    size: Annotated[int, Field(ge=1, le=10**17)] | None = None


class ConsistencyQuery(Request):
    """Two sizes of the tree in events: of the earlier and of the later one, which is the whole log unless given."""

    from_: Annotated[int, Field(alias="from", ge=0, le=10**17)]
    to: Count | None = None


class CheckpointAnswer(Answer):
    """``note`` is a C2SP tlog-checkpoint, signed with Ed25519; ``publicKey`` a verifier key in the form of Go's tools.

    A leaf of the tree is 16 bytes of the event's stream, 8 of its version, 2 of the length of its type's name, the
    name, and the stored bytes; its hashes are those of RFC 9162.
    """

    origin: str
    size: int
    root_hash: Hash
    note: str
    public_key: str


class InclusionProof(Answer):
    """RFC 9162, section 2.1.3: the event at ``position`` (its leaf has the index one lower) is under the root."""

    position: int
    size: int
    leaf_hash: Hash
    root_hash: Hash
    path: Annotated[list[Hash], Field(max_length=64)]


class StoredEvent(Answer):
    """An event as it lies in the log: ``state`` are its exact bytes, with the ids of the keys that were used."""

    position: int
    stream: IdOut
    version: int
    type: str
    state: str


class ProvedEvent(Answer):
    event: StoredEvent
    path: Annotated[list[Hash], Field(max_length=64)]


class ProofAbout(Answer):
    kind: Literal["job", "tester"]
    id: IdOut


class ProofFile(Answer):
    """A portable proof: keep it, and `tallyhold verify-proof` checks it without a database or a server.

    Each event's path proves it (RFC 9162, section 2.1.3) under the root that ``checkpoint`` signs.
    """

    format: Literal["tallyhold-proof-1"]
    about: ProofAbout
    checkpoint: str
    public_key: str
    events: list[ProvedEvent]


class ConsistencyProof(Answer):
    """RFC 9162, section 2.1.4: the tree of ``from`` events is the beginning of the tree of ``to`` events."""

    from_: Annotated[int, Field(alias="from")]
    to: int
    from_root_hash: Hash
    to_root_hash: Hash
    path: Annotated[list[Hash], Field(max_length=65)]
