"""A portable proof: events of one job or tester, that each is in the log, and the signed checkpoint of the log.

One JSON document. Whoever has it needs neither database nor server to check it, only the public key.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from api.evidence import tree
from api.evidence.notes import Checkpoint, VerifierKey, WrongEvidence

T = TypeVar("T")

FORMAT = "tallyhold-proof-1"
JOB, TESTER = "job", "tester"
_FIRST_OF_JOB = "job.created"

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=100)]
"""What a file may say, so that a leaf can be made of it."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An event as it lies in the log; ``state`` are its exact bytes."""

    position: Count
    stream: UUID
    version: Count
    type: Name
    state: str

    def leaf_hash(self) -> bytes:
        return tree.leaf_hash(tree.leaf_bytes(self.stream, self.version, self.type, self.state.encode()))


class About(msgspec.Struct, frozen=True):
    """Whose events these are: a job's or a tester's."""

    kind: str
    id: UUID


class _Fact(msgspec.Struct, frozen=True, gc=False):
    tester_id: str | None = None


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    event: _Fact


class _Proved(msgspec.Struct, frozen=True, gc=False):
    event: Stored
    path: list[str]


class _File(msgspec.Struct, frozen=True):
    format: str
    about: About
    checkpoint: str
    publicKey: str  # noqa: N815 - as in the file
    events: list[_Proved]


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds."""

    about: About
    checkpoint: Checkpoint
    key: str
    events: Sequence[Stored]

    def facts(self) -> Iterator[dict[str, Any]]:
        """What the events say, their payloads as they were stored. Raises WrongEvidence."""
        for one in self.events:
            shown = {"position": one.position, "stream": str(one.stream), "version": one.version, "type": one.type}
            yield {**shown, **_read(one, dict[str, msgspec.Raw])}


def proof_pieces(
    about: About, note: str, public_key: str, proved: Iterator[tuple[Stored, Sequence[bytes]]]
) -> Iterator[bytes]:
    """The document, piece by piece."""
    head = {"format": FORMAT, "about": about, "checkpoint": note, "publicKey": public_key}
    yield msgspec.json.encode(head)[:-1] + b',"events":['
    opening = b""
    for event, path in proved:
        yield opening + msgspec.json.encode(_Proved(event, [b64encode(step).decode() for step in path]))
        opening = b",\n"
    yield b"]}\n"


def checked(document: bytes, trusted: VerifierKey | None) -> Proof:
    """The proof in a document; with no trusted key, by the key that it names itself.

    Raises WrongEvidence, naming the first event that is not proved.
    """
    try:
        file = msgspec.json.decode(document, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WrongEvidence(f"This is no whole proof: {error}.") from None
    if file.format != FORMAT or file.about.kind not in (JOB, TESTER):
        raise WrongEvidence(f"This is no proof in the form {FORMAT}.")
    key = trusted or VerifierKey(file.publicKey)
    checkpoint = key.opened(file.checkpoint)
    if file.about.kind == JOB and not file.events:
        raise WrongEvidence(f"This proves no event of job {file.about.id}.")
    before = 0
    for number, one in enumerate(file.events, 1):
        _check_belongs(file.about, one.event, number)
        position, path = one.event.position, [_hash(step) for step in one.path]
        if not tree.is_included(position - 1, checkpoint.size, one.event.leaf_hash(), path, checkpoint.root):
            raise WrongEvidence(f"The event at position {position} is not in the log that was signed.")
        if position <= before:
            raise WrongEvidence(f"The event at position {position} stands after that at {before}, out of order.")
        before = position
    return Proof(file.about, checkpoint, key.line, [one.event for one in file.events])


def _hash(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _check_belongs(about: About, event: Stored, number: int) -> None:
    """A job's events are those of its stream from the first on; a tester's name the tester, and some may be missing."""
    is_next = event.stream == about.id and event.version == number
    if about.kind == JOB and not (is_next and (event.type == _FIRST_OF_JOB) is (number == 1)):
        raise WrongEvidence(f"The event at position {event.position} is not event {number} of job {about.id}.")
    is_wallet = event.stream == about.id and event.type.startswith("wallet.")
    if about.kind == TESTER and not is_wallet and _read(event, _Envelope).event.tester_id != str(about.id):
        raise WrongEvidence(f"The event at position {event.position} is not one of tester {about.id}.")


def _read(event: Stored, as_: type[T]) -> T:
    """What an event's bytes say. Raises WrongEvidence."""
    try:
        return msgspec.json.decode(event.state, type=as_)
    except (msgspec.MsgspecError, RecursionError):
        raise WrongEvidence(f"What the event at position {event.position} says cannot be read.") from None
