"""Without HTTP: our committer, every view and kept answer included, against the stock library's bare save().

Both record the same two events of a new job: job.Created and credits.Held, with the same values in them.
"""

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import uvloop
from eventsourcing.application import Application
from eventsourcing.domain import DomainEvent

from api.http.schemas.jobs import CreateJobBody
from api.program.platform import Platform
from api.program.serving import tune_interpreter
from api.service.committer import Committer
from api.service.credits import complete_purchase, start_purchase
from api.service.ids import new_id
from api.service.jobs import create_job
from api.service.work import Context
from domain.catalogue import NAMES
from domain.credits import events as credits
from domain.job import events as job
from domain.recorded import Actor, ActorKind
from tests.bench.owners import JOB, PURCHASE_CENTS
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import BenchFailed, Settings
from tests.bench.stock import check_durable, environment
from tests.bench.stores import database_at

TITLE = "commands without HTTP"
GOALS = {"sqlite": 4.0, "postgres": 10.0}
WARM_SECONDS = 0.5
EVENTS = (NAMES[job.Created], NAMES[credits.Held])
BODY = CreateJobBody.model_validate_json(JOB)


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Ours, the library's with one thread and with several, by turns, each time on a fresh file."""
    states = stored_states(settings)
    batches: list[float] = []

    def ours() -> float:
        with as_served(), platform_in(settings) as platform:
            posted = uvloop.run(post_for_a_while(platform.service.committer, settings))
        batches.append(posted.per_commit)
        return posted.per_second

    several = f"stock, {settings.threads} threads"
    contestants = {
        "tallyhold": ours,
        "stock, 1 thread": lambda: _stock_rate(settings, states, 1),
        several: lambda: _stock_rate(settings, states, settings.threads),
    }
    samples = interleaved(contestants, settings.rounds, say)
    best = [max(pair) for pair in zip(samples["stock, 1 thread"], samples[several], strict=True)]
    return {
        "title": TITLE,
        "unit": "commands/s",
        **{name: figures(rates) for name, rates in samples.items()},
        **compared(samples["tallyhold"], best, GOALS[settings.store.name]),
        "commands_per_commit": round(sum(batches) / len(batches), 1),
        "state_bytes": [len(state) for state in states],
    }


# -- ours ------------------------------------------------------------------------------------------------------


@contextmanager
def platform_in(settings: Settings) -> Iterator[Platform]:
    """On a fresh database."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        platform = Platform(database_at(db))
        try:
            yield platform
        finally:
            platform.close()


@contextmanager
def as_served() -> Iterator[None]:
    """The interpreter as `tallyhold serve` sets it, and afterwards as it was, for the stock library's turn."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    tune_interpreter()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


class Posted(NamedTuple):
    """How fast jobs were posted: by the clock, in a commit, and by the process's own time; ``commands`` is how many."""

    per_second: float
    per_commit: float
    per_cpu_second: float
    commands: int


async def post_for_a_while(committer: Committer, settings: Settings) -> Posted:
    """Post jobs, so many callers at once."""
    committer.start()
    owners = [await _owner(committer) for _ in range(settings.owners)]
    ended = asyncio.Event()
    callers = [
        asyncio.create_task(_caller(committer, owners[number % len(owners)], ended))
        for number in range(settings.waiting)
    ]
    await asyncio.sleep(WARM_SECONDS)
    began, own, commands, commits = time.perf_counter(), time.process_time(), committer.commands, committer.commits
    await asyncio.sleep(settings.seconds)
    seconds, own = time.perf_counter() - began, time.process_time() - own
    commands, commits = committer.commands - commands, committer.commits - commits
    ended.set()
    await asyncio.gather(*callers)
    await committer.close()
    return Posted(commands / seconds, commands / max(commits, 1), commands / own, committer.commands)


async def _owner(committer: Committer) -> UUID:
    """An owner with plenty of credits."""
    owner, purchase = new_id(), new_id()
    context = Context(Actor(ActorKind.OWNER, owner))
    await committer.submit(start_purchase(owner, purchase, PURCHASE_CENTS), context)
    await committer.submit(complete_purchase(owner, purchase, "bench"), context)
    return owner


async def _caller(committer: Committer, owner: UUID, ended: asyncio.Event) -> None:
    """Posts one job after the other, as a checked request would."""
    actor = Actor(ActorKind.OWNER, owner, new_id())
    while not ended.is_set():
        await _post(committer, owner, actor)


async def _post(committer: Committer, owner: UUID, actor: Actor) -> None:
    scope = uuid4().bytes
    context = Context(actor, request_id=scope.hex(), scope=scope, fingerprint=scope)
    await committer.submit(create_job(new_id(), owner, BODY.to_terms([new_id()])), context)


def stored_states(settings: Settings) -> list[bytes]:
    """The stored bytes of the two events of one new job."""

    async def post(committer: Committer) -> None:
        committer.start()
        owner = await _owner(committer)
        await _post(committer, owner, Actor(ActorKind.OWNER, owner, new_id()))
        await committer.close()

    with platform_in(settings) as platform:
        asyncio.run(post(platform.service.committer))
        events = platform.log.recorder.select_notifications(None, 10, topics=EVENTS)
    if [event.topic for event in events] != list(EVENTS):
        raise BenchFailed(f"A new job is recorded as {[event.topic for event in events]} now; see {__name__}.")
    return [event.state for event in events]


# -- the stock library -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Created(DomainEvent):
    """A new job, as the stock library's event."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Held(DomainEvent):
    """Its credits in escrow, as the stock library's event."""

    facts: dict[str, Any]


def _stock_rate(settings: Settings, states: Sequence[bytes], threads: int) -> float:
    """Saves per second, each of two events in one transaction, without any view."""
    gc.collect()
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        application: Application[UUID] = Application(env=environment(db))
        with closing(application):
            rate = _save_for_a_while(application, [msgspec.json.decode(state) for state in states], settings, threads)
        check_durable(db)
    return rate


def _save_for_a_while(
    application: Application[UUID], facts: Sequence[dict[str, Any]], settings: Settings, threads: int
) -> float:
    saved, failures, ended = [0] * threads, list[BaseException](), threading.Event()

    def save(number: int) -> None:
        try:
            owner = uuid4()
            for version in count(1):
                if ended.is_set():
                    return
                application.save(*_events(owner, version, facts))
                saved[number] = version
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=save, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    time.sleep(WARM_SECONDS)
    began, before = time.perf_counter(), sum(saved)
    time.sleep(settings.seconds)
    rate = (sum(saved) - before) / (time.perf_counter() - began)
    ended.set()
    for worker in workers:
        worker.join()
    if failures:
        raise BenchFailed(f"The stock library failed to save: {failures[0]!r}") from failures[0]
    return rate


def _events(owner: UUID, version: int, facts: Sequence[dict[str, Any]]) -> tuple[Created, Held]:
    now = DomainEvent.create_timestamp()
    return (
        Created(originator_id=uuid4(), originator_version=1, timestamp=now, facts=facts[0]),
        Held(originator_id=owner, originator_version=version, timestamp=now, facts=facts[1]),
    )
