"""What is read: the port of the read models, and the words in which it is asked."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from api.evidence.proof_file import Stored
from api.service.ports import Changed, Head
from domain.recorded import Actor, Recorded
from domain.times import Instant
from projections.audit import EventFilter


@dataclass(frozen=True, slots=True)
class Principal:
    """Who shows a key."""

    id: UUID
    role: str
    name: str
    public_id: int | None
    key_id: UUID
    actor: Actor
    """How the log names this principal with this key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a list, or their JSON; ``last`` is the key of the last one where more follow, else null.

    ``streams`` are those whose events the items show, where the list tells them.
    """

    items: Any
    last: int | None
    streams: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class DisputedWork:
    """One claim of a dispute with both sides' words, and the newest earlier verdicts on its tester."""

    shown: dict[str, Any]
    on_tester: Page


@dataclass(frozen=True, slots=True)
class DisputeFile:
    """A job's dispute at a version of the job; ``work`` are pages of DisputedWork.

    ``on_owner`` are the newest verdicts on claims of the owner before the first one of this dispute.
    """

    version: int
    head: dict[str, Any]
    terms: dict[str, Any]
    on_owner: Page
    work: Page


@dataclass(frozen=True, slots=True)
class VerdictFilter:
    """On whom: one of both."""

    tester_id: UUID | None = None
    owner_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """``settlement_status`` may be ``none``."""

    status: str | None = None
    settlement_status: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Instants: from the first, up to but without the second; ``upto`` is the last position of an event."""

    owner_id: UUID | None = None
    job_id: UUID | None = None
    type: str | None = None
    from_instant: Instant | None = None
    to_instant: Instant | None = None
    upto: int | None = None


@dataclass(frozen=True, slots=True)
class BreakFilter:
    """``status`` is open, proposed or adjusted."""

    category: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A look back: at what had occurred by ``as_of``, as far as it was recorded by ``known_at``; null is now."""

    as_of: Instant | None = None
    known_at: Instant | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of is None and self.known_at is None

    def includes(self, recorded: Recorded[Any]) -> bool:
        """Whether an event had occurred and was known."""
        return (self.as_of is None or recorded.occurred_at <= self.as_of) and (
            self.known_at is None or recorded.recorded_at <= self.known_at
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order of the log. Everything up to ``reached`` was looked at; ``has_more`` if the log goes on."""

    events: Sequence[Recorded[Any]]
    reached: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class RefusalFilter:
    """Instants: from the first, up to but without the second."""

    actor_id: UUID | None = None
    from_instant: Instant | None = None
    to_instant: Instant | None = None


class AuditReads(Protocol):
    """The log as auditors and owners ask for it. What a page looks at is bounded: a short one need not be the last."""

    def events(self, wanted: EventFilter, after: int, upto: int | None, limit: int) -> EventPage:
        """Events after a position and up to another."""

    def stream(self, stream: UUID, after_version: int, limit: int) -> Sequence[Recorded[Any]]:
        """The events of one stream after a version."""

    def position_at(self, at: "Moment") -> int:
        """The last position of what had occurred and was known at a moment."""

    def job_at(self, job_id: UUID, version: int) -> bytes:
        """A job's detail as it was at a version, as JSON."""

    def billing_at(self, owner_id: UUID, position: int) -> tuple[int, int]:
        """An owner's free and held credits in cents, as of a position."""

    def event(self, position: int) -> Recorded[Any] | None:
        """The event at a position."""

    def stored(self, position: int) -> Stored:
        """The event at a position that there is, with its exact bytes."""

    def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile of the tree; see api.evidence.tiles."""

    def first_of_command(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """The first event of the operation that an event belongs to."""

    def name_of(self, principal_id: UUID) -> str | None:
        """The name of a principal."""

    def owner_of_entry(self, entry: int) -> tuple[bool, UUID | None]:
        """Whether there is such an entry of the books, and whose it is."""

    def apart(self) -> AbstractContextManager["AuditReads"]:
        """The same on a connection of its own: for what takes long, in another thread."""

    def refusals(self, wanted: RefusalFilter, before: int | None, limit: int) -> Page:
        """Refusals, the newest first."""

    def refusals_dropped(self) -> int:
        """How many refusals were too many to be kept."""


class Reads(Protocol):
    """Answers from the read models. Keys of pages are positions of the log."""

    def position(self) -> int: ...
    def head(self) -> Head: ...
    def secret(self) -> bytes: ...
    def changes(self, after: int, upto: int) -> Sequence[Changed]: ...
    def principal(self, key_hash: str) -> Principal | None: ...
    def stream_of_principal(self, principal_id: UUID) -> UUID | None: ...
    def tester_named(self, name: str) -> tuple[UUID, UUID] | None: ...
    def stream_of_key(self, key_id: UUID) -> UUID | None: ...
    def keys(self, before: int | None, limit: int) -> Page: ...
    def owner_of_job(self, job_id: UUID) -> UUID | None: ...
    def owners_of(self, streams: Collection[UUID]) -> set[UUID]: ...
    def known_place(self, assignment_id: UUID) -> tuple[UUID, UUID] | None: ...
    def places_of(self, assignment_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, UUID]]: ...
    def jobs(self, owner_id: UUID, wanted: JobFilter, before: int | None, limit: int) -> Page: ...
    def job_status(self, job_id: UUID) -> str: ...
    def job_detail(self, job_id: UUID, *, timed_out: bool | None = None) -> tuple[int, Iterator[bytes]]: ...
    def assignments(self, job_id: UUID, after: int | None, limit: int) -> Page: ...
    def settlement(self, job_id: UUID) -> tuple[int, dict[str, Any]]: ...
    def offered_jobs(self, tester_id: UUID, now: Instant, before: int | None, limit: int) -> Page: ...
    def tester_assignments(self, tester_id: UUID, before: int | None, limit: int) -> Page: ...
    def tester_assignment(self, assignment_id: UUID) -> dict[str, Any]: ...
    def wallet(self, tester_id: UUID) -> dict[str, Any]: ...
    def billing(self, owner_id: UUID) -> tuple[int, int]: ...
    def ledger(self, wanted: LedgerFilter, after: int | None, limit: int) -> Page: ...
    def balances(self) -> Mapping[str, int]: ...
    def open_purchases(self, after: int, limit: int) -> tuple[Sequence[tuple[UUID, UUID, int]], int | None]: ...
    def breaks_of_run(self, run_id: UUID) -> int | None: ...
    def open_breaks(self, before: Instant, *, of_gateway: bool, of_bank: bool) -> tuple[UUID, int] | None: ...
    def reconciliations(self, before: int | None, limit: int) -> Page: ...
    def reconciliation(self, run_id: UUID) -> dict[str, Any]: ...
    def reconciliation_breaks(self, run_id: UUID, wanted: BreakFilter, after: int | None, limit: int) -> Page: ...
    def disputes(self, status: str | None, now: Instant, after: int | None, limit: int) -> Page: ...
    def dispute_file(self, job_id: UUID, now: Instant, after: int | None, limit: int) -> DisputeFile | None: ...
    def verdicts(self, wanted: VerdictFilter, before: int | None, limit: int) -> Page: ...
