"""One command at work: it loads states, decides, and records; the committer makes it durable or forgets it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from api.service.ids import new_id
from domain.credits.decider import CREDITS, EMPTY
from domain.credits.escrow import credits_command
from domain.decider import Decider
from domain.errors import NotFound, Refusal
from domain.job.commands import JobCommand
from domain.job.decider import JOB
from domain.job.events import JobEvent
from domain.job.state import Job
from domain.recorded import Actor, Recorded
from domain.times import Instant

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a use case answers: a body to be written as JSON, the job's version, the place of what was made.

    With ``refusal`` the caller is refused although events were recorded (a wrong proof is counted).
    ``kept_body`` is the body that a repeat gets where that must differ (a key is shown once).
    """

    body: dict[str, Any]
    status: int = 200
    version: int | None = None
    location: str | None = None
    refusal: Refusal | None = None
    kept_body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks and how: what the envelope of every event tells, and the conditions of the request."""

    actor: Actor
    request_id: str | None = None
    scope: bytes | None = None
    fingerprint: bytes = b""
    if_match: int | None = None
    job_id: UUID | None = None
    dry_run: bool = False
    correlation_id: UUID | None = None


class States(Protocol):
    """Where a command finds the state of a stream and leaves the next one."""

    def begin(self, stream: UUID) -> None:
        """Take a stream as empty: its id was made just now."""

    def get(self, decider: Decider[Any, Any, Any], stream: UUID) -> tuple[Any, int]:
        """The state and version of a stream."""

    def put(self, stream: UUID, state: Any, version: int) -> None:
        """The state and version after new events."""


class Books(Protocol):
    """Sums over history that no single stream has, exact up to this command. Cents."""

    def granted_cents(self, tester_id: UUID) -> int:
        """All payouts that were ever granted to a tester."""

    def held_cents(self, owner_id: UUID) -> int:
        """What lies in escrow for all jobs of an owner."""


class Detached:
    """States for a dry run: copies that may be advanced and are thrown away."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._copies: dict[UUID, tuple[Any, int]] = {}

    def get(self, decider: Decider[Any, Any, Any], stream: UUID) -> tuple[Any, int]:
        if stream not in self._copies:
            state, version = self._states.get(decider, stream)
            self._copies[stream] = (state.detached() if isinstance(state, Job) else state, version)
        return self._copies[stream]

    def begin(self, stream: UUID) -> None:
        self._copies[stream] = (None, 0)

    def put(self, stream: UUID, state: Any, version: int) -> None:
        self._copies[stream] = (state, version)


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
    events: list[Recorded[Any]] = field(default_factory=list)
    set_clock: Instant | None = None
    """Where the sandbox's clock is to stand when this is written."""
    waits_for_purchase: UUID | None = None
    """The purchase that has to end before the caller can be answered."""
    ends_purchase: UUID | None = None
    """The purchase whose waiting caller this answers."""

    def state(self, decider: Decider[Any, S, Any], stream: UUID) -> S | None:
        """The state of a stream, null if nothing ever happened in it."""
        state: S | None = self.states.get(decider, stream)[0]
        return state

    def version(self, decider: Decider[Any, Any, Any], stream: UUID) -> int:
        return self.states.get(decider, stream)[1]

    def job(self, job_id: UUID) -> Job:
        """Raises NotFound."""
        job = self.state(JOB, job_id)
        if job is None:
            raise NotFound("There is no such job.")
        return job

    def record(
        self, decider: Decider[Any, S, Any], stream: UUID, events: Iterable[Any], cause: UUID | None = None
    ) -> None:
        """Put events at the end of a stream and of the log; ``cause`` is the event that led to them."""
        state, version = self.states.get(decider, stream)
        for event in events:
            version += 1
            self._append(stream, version, event, cause)
            state = decider.evolve(state, event)
        self.states.put(stream, state, version)

    def _append(self, stream: UUID, version: int, event: Any, cause: UUID | None) -> None:
        event_id = new_id()
        if cause is None and self.events:
            cause = self.events[0].event_id
        correlation_id = self.context.correlation_id or (self.events[0].event_id if self.events else event_id)
        self.events.append(
            Recorded(
                stream=stream,
                version=version,
                position=self.next_position,
                event_id=event_id,
                occurred_at=self.now,
                recorded_at=self.recorded_at,
                actor=self.context.actor,
                request_id=self.context.request_id,
                correlation_id=correlation_id,
                causation_id=cause,
                event=event,
            )
        )
        self.next_position += 1

    def command_job(self, job_id: UUID, command: JobCommand) -> tuple[JobEvent, ...]:
        """Decide a command on a job, and what its events ask of the owner's credits; record both or neither.

        Raises whatever the deciders refuse.
        """
        job = self.state(JOB, job_id)
        events = JOB.decide(command, job, self.now)
        if not events:
            return events
        moved = [(event, credits_command(job_id, event)) for event in events]
        owner_id = job.owner_id if job else events[0].owner_id  # type: ignore[union-attr]
        answers = self._decide_credits(owner_id, [ask for _, ask in moved if ask])
        for event, ask in moved:
            self.record(JOB, job_id, (event,))
            if ask:
                self.record(CREDITS, owner_id, next(answers), cause=self.events[-1].event_id)
        return events

    def _decide_credits(self, owner_id: UUID, asks: list[Any]) -> Any:
        account = self.state(CREDITS, owner_id) if asks else EMPTY
        decided = []
        for ask in asks:
            events = CREDITS.decide(ask, account, self.now)
            account = CREDITS.fold(events, account)
            decided.append(events)
        return iter(decided)


UseCase = Callable[[Work], Answer]
