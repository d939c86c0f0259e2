"""Valid histories, written fast: the production's use cases, mapper, hash tree and read models, but few commits.

What comes out is a database like any other: it verifies, and a server can be started on it.
`python -m tests.bench.histories URL EVENTS` writes one of so many events, to `sqlite:///FILE` or `postgresql://…`.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from api.http.schemas.jobs import CreateJobBody
from api.service.access import register_with_key
from api.service.credits import complete_purchase, start_purchase
from api.service.garbage import rarely_collected
from api.service.ids import new_id
from api.service.jobs import create_job
from api.service.tester import submit_task
from api.service.work import Answer, Context, Stream, UseCase, Work
from api.store.databases import Database
from api.store.sealing_keys import open_seals
from api.store.sql_store import SQLStore
from domain.access.events import Role
from domain.decider import Decider
from domain.ids import access_stream
from domain.job import commands as c
from domain.job.decider import JOB
from domain.job.terms import Terms
from domain.recorded import CONSOLE, Actor, ActorKind, Recorded
from domain.times import DAY, HOUR, MINUTE, Instant
from tests.bench.owners import JOB as JOB_BODY
from tests.bench.owners import PURCHASE_CENTS
from tests.bench.stores import database_at

PAGE = 5_000
"""Events of one transaction."""
BEGINS_EARLIER = 6 * HOUR
"""A history begins so long before now, and no deadline of it has passed by now."""
LIFE_MILLISECONDS = 10
WEEK_MINUTES = 7 * DAY // MINUTE
SLOTS = 3
PURCHASES = 10
"""Of each owner: enough for a million slots."""
LEFT_OPEN = 20
"""One job of so many is left as it was posted."""
ANSWERS = {"rating": 4}

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Someone:
    """A principal, and a key to show."""

    id: UUID
    public_id: int | None
    key: str


def some_terms(slots: int) -> Terms:
    """The contract's example for so many testers, on offer for a week."""
    terms = CreateJobBody.model_validate_json(JOB_BODY).to_terms([new_id()])
    variants = (replace(terms.variants[0], target_testers_min=slots),)
    return replace(terms, target_testers=slots, posting_window_minutes=WEEK_MINUTES, variants=variants)


def now_milliseconds() -> Instant:
    return time.time_ns() // 1_000_000


class History:
    """The only writer of a database, and where its commands find their streams. ``now`` is the next one's time."""

    def __init__(self, database: Database, now: Instant) -> None:
        self._log = database.log()
        self._store = SQLStore(database.session(), self._log.mapper)
        self._keys = database.sealing_keys()
        self._seals = open_seals(self._keys, database.beside(".master"), is_new=True)
        head = self._store.begin().head
        self._store.rollback()
        self._streams: dict[UUID, Stream] = {}
        self._events: list[Recorded[Any]] = []
        self.now = max(now, head.last_time) if head.position else now
        self.position = head.position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write()
        self._store.close()
        self._keys.close()
        self._log.close()

    def ask(self, use_case: UseCase, actor: Actor = CONSOLE) -> Answer:
        """Decide a command now. Raises its refusal."""
        work = Work(
            now=self.now,
            recorded_at=self.now,
            states=self,
            context=Context(actor),
            next_position=self.position + 1,
            books=self._store,
            seals=self._seals,
            clock=None,
        )
        answer = use_case(work)
        self._events += work.events
        self.position += len(work.events)
        if len(self._events) >= PAGE:
            self._write()
        return answer

    def command(self, job_id: UUID, command: c.JobCommand, actor: Actor = CONSOLE) -> None:
        """Ask something of a job, without the answer's body."""

        def run(work: Work) -> Answer:
            work.command_job(job_id, command)
            return Answer({})

        self.ask(run, actor)

    def begin(self, stream_id: UUID) -> Stream:
        stream = self._streams[stream_id] = Stream(None, 0)
        return stream

    def stream(self, decider: Decider[Any, Any, Any], stream_id: UUID) -> Stream:
        stream = self._streams.get(stream_id)
        return self.begin(stream_id) if stream is None else stream

    def forget(self, stream_id: UUID) -> None:
        """Nothing more will happen in a stream."""
        del self._streams[stream_id]

    def _write(self) -> None:
        """Everything decided so far, in one transaction."""
        if not self._events:
            return
        head = self._store.begin().head
        self._store.append(self._events)
        self._events.clear()
        head.position, head.last_time = self.position, self.now
        self._store.write_head(head, ())
        self._store.commit()

    # -- people and jobs -----------------------------------------------------------------------------------------------

    def people(self, role: Role, count: int) -> list[Someone]:
        """So many principals with a key each; owners have plenty of credits."""
        found = [self._person(role, f"{role} {self.position} {number}") for number in range(count)]
        for owner in PURCHASES * found if role is Role.OWNER else ():
            purchase = new_id()
            self.ask(start_purchase(owner.id, purchase, PURCHASE_CENTS))
            self.ask(complete_purchase(owner.id, purchase, "bench"))
        return found

    def _person(self, role: Role, name: str) -> Someone:
        body = self.ask(register_with_key(role, name)).body
        self.forget(access_stream(role, name))
        return Someone(UUID(body["principalId"]), body["publicId"], body["key"])

    def job(self, owner: Someone, terms: Terms) -> UUID:
        job_id = new_id()
        self.ask(create_job(job_id, owner.id, terms), Actor(ActorKind.OWNER, owner.id))
        return job_id

    def take(self, job_id: UUID, tester: Someone) -> UUID:
        """The new assignment."""
        assignment = new_id()
        assert tester.public_id is not None
        taking = c.TakeSlot(
            assignment_id=assignment,
            tester_id=tester.id,
            tester_public_id=tester.public_id,
            accepts_legal_agreements=True,
        )
        self.command(job_id, taking, Actor(ActorKind.TESTER, tester.id))
        return assignment

    def start(self, job_id: UUID, assignment: UUID, tester: Someone) -> None:
        self.command(job_id, c.StartTask(assignment_id=assignment), Actor(ActorKind.TESTER, tester.id))

    def submit(self, job_id: UUID, assignment: UUID, tester: Someone) -> None:
        self.ask(submit_task(job_id, assignment, ANSWERS, None), Actor(ActorKind.TESTER, tester.id))

    def life(self, owner: Someone, terms: Terms, testers: Sequence[Someone]) -> None:
        """A job from post to pay: every tester takes, starts and submits, and the owner approves."""
        job_id = self.job(owner, terms)
        for tester in testers:
            assignment = self.take(job_id, tester)
            self.start(job_id, assignment, tester)
            self.submit(job_id, assignment, tester)
        if testers:
            self.settle(job_id, owner)
        self.forget(job_id)

    def settle(self, job_id: UUID, owner: Someone) -> None:
        """Settle what is not settled by itself, and approve."""
        actor = Actor(ActorKind.OWNER, owner.id)
        if self.stream(JOB, job_id).state.is_open:
            self.command(job_id, c.SettleJob(), actor)
        self.command(job_id, c.ApproveJob(), actor)


def grow(database: Database, events: int, progress: Progress = lambda done: None) -> None:
    """Let a log grow to so many events and a few more: lives of jobs, one after the other."""
    with rarely_collected(), History(database, now_milliseconds() - BEGINS_EARLIER) as history:
        owners, testers = history.people(Role.OWNER, 100), history.people(Role.TESTER, 1_000)
        terms = some_terms(SLOTS)
        for number in range(events):
            if history.position >= events:
                return
            first = number * SLOTS % (len(testers) - SLOTS)
            workers = testers[first : first + SLOTS] if number % LEFT_OPEN else []
            history.life(owners[number % len(owners)], terms, workers)
            history.now += LIFE_MILLISECONDS
            if number % 5_000 == 0:
                progress(history.position)


def main() -> None:
    """Fill one database."""
    database, events = database_at(sys.argv[1]), int(sys.argv[2])
    began = time.perf_counter()
    grow(
        database,
        events,
        lambda done: print(f"{done:,} of {events:,} events, {time.perf_counter() - began:.0f} s", flush=True),
    )


if __name__ == "__main__":
    main()
