"""The index by which the audit trail is searched: where in the log is what is looked for.

A row has a key, which stands for what is searched for, a block of BLOCK positions, and a bit for each of them that
has it: three small integers, and an event costs about two rows. That a key says too much does no harm: every event is
looked at before it is shown.

An id of version 7 (RFC 9562) begins with its time, and so does its key after its kind: jobs, assignments and requests
of one time change few pages of the index. With keys in the order of chance, each new row is on a page of its own.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID
from zlib import crc32

from api.service.cache import GenerationCache
from api.store.sessions import Reader, first
from projections.audit import EventFilter, Parties, Sketch, actors, read_sketch, subjects

BLOCK = 16
CACHED = 16_384


_KINDS = {"type": 0, "actor": 1, "subject": 2, "request": 3}
_KIND_SHIFT = 61
_CHANCE_BITS = 13
_TIME_LETTERS = 12
_VERSION_7 = re.compile("[0-9a-f]{12}7[0-9a-f]{19}")


@lru_cache(CACHED)
def index_key(kind: str, value: str) -> int:
    """The key of one thing that is searched for: 2 bits of its kind, then 61 of its time and hash, or of its hash."""
    plain = value.replace("-", "")
    if _VERSION_7.fullmatch(plain):
        low = int(plain[:_TIME_LETTERS], 16) << _CHANCE_BITS | crc32(plain.encode()) >> 32 - _CHANCE_BITS
    else:
        low = int.from_bytes(blake2b(plain.encode(), digest_size=8).digest()) >> 64 - _KIND_SHIFT
    return _KINDS[kind] << _KIND_SHIFT | low


def block_of(position: int) -> int:
    return (position - 1) // BLOCK


class Whose:
    """Whose a stream is that does not say so in each event: a job's owner, the principal of a stream of access.

    Streams and whose they are in hexadecimal.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: GenerationCache[str, str] = GenerationCache(CACHED)

    def of(self, topic: str, stream: str, event: Parties) -> str | None:
        """Null for a stream of another kind. Most begin with an event that says it, and are looked up nowhere."""
        statement = _WHOSE.get(topic.partition(".")[0])
        if statement is None:
            return None
        found = self._known.get(stream)
        if found is None:
            said = event.owner_id or event.principal_id
            row = (said,) if said else first(self._reader.rows(statement, (str(UUID(stream)),)))
            if row is None:
                return None
            found = str(row[0]).replace("-", "")
            self._known.put(stream, found)
        return found


_WHOSE = {
    "job": "SELECT owner_id FROM jobs WHERE job_id = ?",
    "access": "SELECT principal_id FROM principals WHERE stream = ?",
}


def place_of(position: int) -> int:
    """The bit of a position in its block."""
    return 1 << (position - 1) % BLOCK


def positions_of(block: int, places: int) -> Iterator[int]:
    """The positions of a block whose bits are set, in order."""
    while places:
        lowest = places & -places
        yield block * BLOCK + lowest.bit_length()
        places ^= lowest


def index_rows(whose: Whose, rows: Sequence[tuple[int, str, str, bytes]]) -> list[tuple[int, int, int]]:
    """The index's rows (key, block, places) for events (position, stream, topic, state), in the order of the index."""
    found: dict[int, list[list[int]]] = {}
    for position, stream, topic, state in rows:
        block, place = block_of(position), place_of(position)
        sketch = read_sketch(state)
        for key in _keys(topic, stream, sketch, whose.of(topic, stream, sketch.event)):
            blocks = found.get(key)
            if blocks is None:
                found[key] = [[block, place]]
            elif blocks[-1][0] == block:
                blocks[-1][1] |= place
            else:
                blocks.append([block, place])
    return [(key, block, places) for key in sorted(found) for block, places in found[key]]


def _keys(topic: str, stream: str, sketch: Sketch, whose: str | None) -> Iterator[int]:
    yield index_key("type", topic)
    for actor in actors(sketch.actor):
        yield index_key("actor", actor)
    for subject in subjects(stream, sketch):
        yield index_key("subject", subject)
    if whose is not None:
        yield index_key("subject", whose)
    if sketch.request_id is not None:
        yield index_key("request", sketch.request_id)


def wanted_keys(wanted: EventFilter) -> list[int]:
    """The keys that an event must have, the one first that fewest events should have."""
    keys = []
    if wanted.request_id is not None:
        keys.append(index_key("request", wanted.request_id))
    if wanted.subject is not None:
        keys.append(index_key("subject", wanted.subject.hex))
    if wanted.actor is not None:
        keys.append(index_key("actor", wanted.actor))
    if wanted.types is not None and len(wanted.types) == 1:
        keys.append(index_key("type", *wanted.types))
    return keys
