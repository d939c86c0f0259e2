"""One command at work: it loads states, decides, and records; the committer makes it durable or forgets it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from api.service.ids import new_id
from api.service.seals import Seals
from domain.books.events import Reconciled
from domain.credits.commands import CreditsCommand
from domain.credits.decider import CREDITS
from domain.credits.escrow import credits_command
from domain.credits.events import CreditsEvent
from domain.credits.state import Account
from domain.decider import Decider
from domain.errors import NotFound, Refusal
from domain.job.commands import JobCommand
from domain.job.decider import JOB
from domain.job.events import Created, JobEvent
from domain.job.state import Job
from domain.recorded import Actor, Recorded
from domain.sealed import SealedText
from domain.times import Instant

S = TypeVar("S")

BYTES_A_CHARACTER = 4
"""At most, in Python's memory."""


class Answer(msgspec.Struct, frozen=True):
    """What a use case answers: a body to be written as JSON, the job's version, the place of what was made.

    With ``refusal`` the caller is refused although events were recorded (a wrong proof is counted).
    ``kept_body`` is the body that a repeat gets where that must differ (a key is shown once). What was only looked up
    is not kept for repeats.
    """

    body: dict[str, Any]
    status: int = 200
    version: int | None = None
    location: str | None = None
    refusal: Refusal | None = None
    kept_body: dict[str, Any] | None = None
    is_kept: bool = True


class Context(msgspec.Struct, frozen=True, gc=False):
    """Who asks and how: what the envelope of every event tells, and the conditions of the request."""

    actor: Actor
    request_id: str | None = None
    scope: bytes | None = None
    fingerprint: bytes = b""
    if_match: int | None = None
    job_id: UUID | None = None
    key_good_at: int | None = None
    """The position of the log as of which the actor's key was good, where it has to be good when this is decided."""
    dry_run: bool = False
    correlation_id: UUID | None = None


@dataclass(slots=True)
class Stream:
    """What the events of one stream add up to, and how many there are. Advanced in place as more are recorded."""

    state: Any
    version: int


def kib(stream: Stream) -> int:
    """About how much memory a stream's state holds, rather too much than too little."""
    job = stream.state
    if isinstance(job, Reconciled):
        return 2 + len(job.breaks) + len(job.evidence) // 1_024
    if not isinstance(job, Job):
        return 2
    terms = job.terms
    texts = len(terms.description or "")
    parts = 4 + job.assignments.at_hand
    for variant in terms.variants:
        texts += len(variant.description)
        for question in variant.feedback_questions:
            texts += len(question.question_markdown)
            parts += 1 + len(question.options or ())
    return parts + BYTES_A_CHARACTER * texts // 1_024


class States(Protocol):
    """Where a command finds the streams that it works on."""

    def begin(self, stream_id: UUID) -> Stream:
        """A stream whose id was made just now: empty."""

    def stream(self, decider: Decider[Any, Any, Any], stream_id: UUID) -> Stream:
        """A stream as its events have left it."""


class Books(Protocol):
    """Sums over history that no single stream has, exact up to this command. Cents."""

    def granted_cents(self, tester_id: UUID) -> int:
        """All payouts that were ever granted to a tester."""

    def held_cents(self, owner_id: UUID) -> int:
        """What lies in escrow for all jobs of an owner."""


class Detached:
    """Streams for a dry run: copies that may be advanced and are thrown away."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._copies: dict[UUID, Stream] = {}

    def begin(self, stream_id: UUID) -> Stream:
        return self._copies.setdefault(stream_id, Stream(None, 0))

    def stream(self, decider: Decider[Any, Any, Any], stream_id: UUID) -> Stream:
        copy = self._copies.get(stream_id)
        if copy is None:
            real = self._states.stream(decider, stream_id)
            state = real.state.detached() if isinstance(real.state, Job) else real.state
            copy = self._copies[stream_id] = Stream(state, real.version)
        return copy


@dataclass(slots=True)
class Work:
    """The world as one command sees it: the instant, the states, and what it has recorded so far.

    Decide everything before recording anything: a refusal then leaves no trace.
    """

    now: Instant
    recorded_at: Instant
    states: States
    context: Context
    next_position: int
    books: Books
    seals: Seals
    events: list[Recorded[Any]] = field(default_factory=list)
    clock: Instant | None = None
    """Where the sandbox's clock stands, null when time is real; earlier commands of the batch may have moved it."""
    waits_for_purchase: UUID | None = None
    """The purchase that has to end before the caller can be answered."""
    ends_purchase: UUID | None = None
    """The purchase whose waiting caller this answers."""

    def seal(self, person_id: UUID, place: str, text: str) -> SealedText | None:
        """A text as an event may carry it; null once the person's data was erased.

        A dry run makes no key, and what it shows goes to the one who sent the text: it stays open.
        """
        if self.context.dry_run:
            return None if self.seals.is_erased(person_id) else SealedText(text)
        return self.seals.seal(person_id, place, text)

    def state(self, decider: Decider[Any, S, Any], stream_id: UUID) -> S | None:
        """The state of a stream, null if nothing ever happened in it."""
        state: S | None = self.states.stream(decider, stream_id).state
        return state

    def job(self, job_id: UUID) -> Job:
        """Raises NotFound."""
        job = self.state(JOB, job_id)
        if job is None:
            raise NotFound("There is no such job.")
        return job

    def job_version(self, job_id: UUID) -> int:
        return self.states.stream(JOB, job_id).version

    def record(self, decider: Decider[Any, Any, Any], stream_id: UUID, events: Iterable[Any]) -> None:
        """Put events at the end of a stream and of the log."""
        stream = self.states.stream(decider, stream_id)
        for event in events:
            self._append(decider, stream, stream_id, event, None)

    def _append(
        self, decider: Decider[Any, Any, Any], stream: Stream, stream_id: UUID, event: Any, cause: UUID | None
    ) -> UUID:
        """Record one event; ``cause`` is the one that led to it, else the first of the command."""
        event_id, context, recorded = new_id(), self.context, self.events
        first = recorded[0].event_id if recorded else None
        stream.version += 1
        recorded.append(
            Recorded(
                stream_id,
                stream.version,
                self.next_position,
                event_id,
                self.now,
                self.recorded_at,
                context.actor,
                context.request_id,
                context.correlation_id or first or event_id,
                cause or first,
                event,
            )
        )
        self.next_position += 1
        stream.state = decider.evolve(stream.state, event)
        return event_id

    def command_job(self, job_id: UUID, command: JobCommand) -> tuple[JobEvent, ...]:
        """Decide a command on a job, and what its events ask of the owner's credits; record both or neither.

        Raises whatever the deciders refuse.
        """
        stream = self.states.stream(JOB, job_id)
        events = JOB.decide(command, stream.state, self.now)
        asks = [credits_command(job_id, event) for event in events]
        if not any(asks):
            for event in events:
                self._append(JOB, stream, job_id, event, None)
            return events
        credits = self._credits(stream.state, events[0])
        moves = self._decide_credits(credits.state, asks)
        for event, moved in zip(events, moves, strict=True):
            cause = self._append(JOB, stream, job_id, event, None)
            for move in moved:
                self._append(CREDITS, credits, stream.state.owner_id, move, cause)
        return events

    def _credits(self, job: Job | None, first: JobEvent) -> Stream:
        owner_id = first.owner_id if isinstance(first, Created) else job.owner_id  # type: ignore[union-attr]
        return self.states.stream(CREDITS, owner_id)

    def _decide_credits(
        self, account: Account | None, asks: Sequence[CreditsCommand | None]
    ) -> list[tuple[CreditsEvent, ...]]:
        """What each ask leads to, in order: the next one meets the account as the one before has left it."""
        moves: list[tuple[CreditsEvent, ...]] = []
        for ask in asks:
            decided = CREDITS.decide(ask, account, self.now) if ask is not None else ()
            account = CREDITS.fold(decided, account)
            moves.append(decided)
        return moves


UseCase = Callable[[Work], Answer]
