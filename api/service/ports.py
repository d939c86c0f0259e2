"""What the service needs of the world: a store, a clock and a payment gateway."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

import msgspec

from domain.job.deadlines import Deadline
from domain.job.state import Assignment
from domain.recorded import Recorded
from domain.times import Instant
from projections.read_model import Change
from projections.reconcile.told import Snapshot

ALL = 2**31
"""More events than any stream has."""


class StoreBusy(Exception):
    """Another process is writing; try again in some milliseconds."""


class StoreFailed(Exception):
    """The store could not do what it was asked; nothing of the transaction is kept."""


class TakenOver(StoreFailed):
    """The store is that of another version of this program by now; the sentence is for people."""

    def __init__(self) -> None:
        super().__init__("The database has been changed to another version of this program; start that one.")


@dataclass(slots=True)
class Head:
    """The end of the log. ``sandbox_now`` is the virtual clock, null when time is real.

    ``views_generation`` counts how often the read models were made anew.
    """

    position: int
    last_time: Instant
    next_due: Instant | None
    sandbox_now: Instant | None
    views_generation: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline that has passed, and whose it is."""

    job_id: UUID
    deadline: Deadline


class KeptAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer that a repeated idempotency key gets.

    ``scope`` names principal and key, ``fingerprint`` the request. While ``status`` is 0 the command is still at
    work: ``purchase_id`` tells on which purchase it waits.
    """

    scope: bytes
    fingerprint: bytes
    status: int
    body: bytes
    location: str | None
    etag: str | None
    position: int
    purchase_id: UUID | None = None


class KeptState(NamedTuple):
    """A stream's state after so many events, in a form that it names; null where none is to be kept any more."""

    stream: UUID
    version: int
    form: str
    state: bytes | None


Changed: TypeAlias = tuple[UUID, bool]
"""A stream in which something happened, and whether that was to a principal or key."""


class Written(NamedTuple):
    """An event that may be another process's: whose it is, and all of it where it is about credits."""

    stream: UUID
    is_access: bool
    """Whether something happened to a principal or key."""
    credits: Recorded[Any] | None


class Begun(NamedTuple):
    """What a transaction begins with."""

    head: Head
    written: Sequence[Written]


class Store(Protocol):
    """One transaction at a time over the log, the read models and the kept answers. Nothing here waits long but these:
    ``commit``, and where ``waits`` says so, ``begin``.
    """

    @property
    def waits(self) -> bool:
        """Whether others may hold the head for long, and begin waits for them: it is then called in a thread."""

    def begin(self, known: int = 0, limit: int = 0) -> Begun:
        """Lock the head and read it, with what the log has gained since a known position: the first so many events.

        Raises StoreBusy.
        """

    def load(self, stream: UUID, after_version: int = 0, limit: int = ALL) -> Sequence[Recorded[Any]]:
        """The events of a stream, in order."""

    def snapshot(self, stream: UUID, form: str) -> KeptState | None:
        """The state of a stream that was kept last, if it was kept in this form."""

    def keep_snapshots(self, snapshots: Iterable[KeptState]) -> None:
        """Keep states in place of those that were kept before, or none."""

    def assignment(self, job_id: UUID, assignment_id: UUID) -> Assignment | None:
        """An assignment of a job that is open, as the events that were appended have left it."""

    def assignment_of(self, job_id: UUID, tester_id: UUID) -> Assignment | None:
        """The assignment of a tester to a job that is open."""

    def is_key_good(self, key_id: UUID) -> bool:
        """Whether a key may still be used, as the events that were appended have left it."""

    def append(self, recorded: Sequence[Recorded[Any]]) -> None:
        """Write events at the end of the log, with what they change in the read models' rows."""

    def send(self) -> None:
        """Have all that was appended so far, so that what is wrong with it shows now."""

    def apply(self, changes: Iterable[Change]) -> None:
        """Write changes of rows."""

    def due(self, now: Instant, limit: int, without: Sequence[UUID]) -> Sequence[Due]:
        """What is due at or before now, first the one due first, leaving out jobs that were set aside."""

    def next_due(self, without: Sequence[UUID]) -> Instant | None:
        """When the next deadline passes."""

    def last_occurred(self) -> Instant:
        """When the last event of a log that is not empty occurred."""

    def granted_cents(self, tester_id: UUID) -> int:
        """All payouts granted to a tester up to the beginning of the transaction."""

    def held_cents(self, owner_id: UUID) -> int:
        """What lay in escrow for an owner's jobs at the beginning of the transaction."""

    def kept_answers(self, scopes: Sequence[bytes]) -> Mapping[bytes, KeptAnswer]:
        """The answers kept under idempotency keys, where there are some."""

    def keep_answers(self, answers: Sequence[KeptAnswer], now: Instant) -> None:
        """Keep answers, and let go of some that are older than they must be."""

    def finish_kept(self, purchase_id: UUID, answer: KeptAnswer | None) -> None:
        """Give the key that waits for a purchase its answer; without one, free the key."""

    def write_head(self, head: Head, without: Sequence[UUID]) -> None:
        """The new end of the log, once all else is written; the next deadline is not that of a job left out."""

    def commit(self) -> Instant | None:
        """Make all of it durable; when the next deadline passes. May take milliseconds: called in a thread.

        Where the connection is lost meanwhile, it looks for the events that were appended: what is raised means
        that nothing was kept, or that nobody can tell.
        """

    def rollback(self) -> None:
        """Forget all of it."""


class SealingKeys(Protocol):
    """The wrapped keys of persons, apart from the log. Each call is durable when it returns.

    Raises StoreBusy and StoreFailed.
    """

    def wrapped(self, person_id: UUID) -> bytes | None:
        """A person's key; null if there is none, or none any more."""

    def is_destroyed(self, person_id: UUID) -> bool:
        """Whether a person had a key, or could have had one, and never will again."""

    def add(self, person_id: UUID, wrapped: bytes, master: str) -> None:
        """Keep a person's first key, and which master key wraps it; nothing if the person ever had one.

        Raises WrongMasterKey once another master key wraps what is kept.
        """

    def rewrap(self, change: Callable[[UUID, bytes], bytes], master: str) -> int:
        """Wrap every person's key anew, all or none; how many there are."""

    def destroy(self, person_id: UUID) -> None:
        """Destroy a person's key, and never take another one."""

    def masters(self) -> frozenset[str]:
        """The names of the master keys that wrap what is kept."""


class Replay(Protocol):
    """The log at one position, and what the read models tell at the same one."""

    @property
    def told(self) -> Snapshot: ...

    def events(self, upto: int) -> Iterator[Recorded[Any]]:
        """The log from its first event on, up to a position.

        Raises StoreFailed for what cannot be read, and Unavailable where an event is missing.
        """


class Replays(Protocol):
    """Looks at the whole log, each on a connection of its own: for what takes long, in another thread."""

    def replay(self) -> AbstractContextManager[Replay]: ...


class Clock(Protocol):
    """Where now comes from; the committer keeps it from ever going back."""

    def now(self) -> Instant:
        """Milliseconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class Charged:
    """The gateway took the payment; its own name for it."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The gateway refused the payment, in words for the owner."""

    reason: str


class Gateway(Protocol):
    """A payment gateway. Asking twice with one purchase id charges once."""

    async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        """Take a payment. Raises OSError when the gateway can't be reached: the answer is then unknown."""


class RefusalNote(msgspec.Struct, frozen=True, gc=False):
    """That somebody known was refused: who, what was asked, and why not."""

    at: Instant
    actor_kind: str
    actor_id: UUID
    key_id: UUID
    operation: str
    path: str
    status: int
    code: str
    detail: str
    request_id: str


@dataclass(frozen=True, slots=True)
class DigestStep:
    """What some events of the log add: tiles (level, number, hashes) and rows of the index (key, block, places)."""

    after: int
    """The position before the first of the events."""
    events: int
    tiles: Sequence[tuple[int, int, bytes]]
    places: Sequence[tuple[int, int, int]]


class Digest(Protocol):
    """What is worked out of the log behind the commands' back. Used from one thread at a time."""

    waits: bool
    """Whether a call waits for a network: it must not be called where others would wait with it. One that does not
    wait writes where only one can write at a time, the commands among them.
    """

    def head(self) -> tuple[str, int, bytes]:
        """The log's name, its size in events, and the root of its hash tree."""

    def position(self) -> int:
        """Up to where the log is worked through."""

    def next_step(self, times: int = 1) -> DigestStep | None:
        """What some more events add, ``times`` as many as usual; null at the end of the log. It writes nothing."""

    def keep(self, step: DigestStep) -> None:
        """Keep a step. One that another process has taken meanwhile is let go. Raises StoreBusy."""

    def keep_refusals(self, notes: Sequence[RefusalNote], dropped: int, forget_before: Instant) -> None:
        """Keep refusals, count those that were dropped, and forget some of those that are too old.

        Raises StoreBusy.
        """

    def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile of the tree; see api.evidence.tiles."""


class CheckpointStore(Protocol):
    """A place for checkpoints outside the database."""

    def write(self, day: str, note: str) -> None:
        """Keep a day's newest checkpoint, `2026-06-30`. Raises StoreFailed."""


class GatewayBook(Protocol):
    """What a payment gateway says that it took: its statement."""

    def statement(self, begins: Instant | None, ends: Instant | None) -> Iterator[str]:
        """Charges from one instant up to another, as lines of CSV; see projections.reconcile.statement."""
