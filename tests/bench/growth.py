"""Whether a command costs more as the log grows, or as its job does: the committer without HTTP, one command at a time.

Both sides are asked by turns. A figure is the median of the CPU time that the process has for one command with its
commit; the disk's time is the same for both. A cold command is one whose job has left the committer's cache.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from api.program.platform import Platform
from api.service.committer import Committer, Reply
from api.service.ids import new_id
from api.service.jobs import (
    DisputeWords,
    command_job,
    create_job,
    dispute_job,
    resize_job,
    settle_body,
    settlement_body,
    status_body,
)
from api.service.tester import command_assignment, submit_task, take_slot
from api.service.work import Context, UseCase
from api.store.databases import Database
from domain.access.events import Role
from domain.job import commands as c
from domain.job.events import Flags
from domain.recorded import CONSOLE
from tests.bench.histories import ANSWERS, History, Someone, grow, now_milliseconds, some_terms
from tests.bench.rounds import Say
from tests.bench.settings import Settings
from tests.bench.stores import database_at

SHORT, LONG = 1_000, 1_000_000
SMALL, LARGE = 10, 10_000
GOAL_LOG, GOAL_JOB = 1.2, 1.5
COMMANDS = 200
COLD = 10
Samples = dict[str, list[float]]


class Side:
    """One committer, and what its commands cost."""

    def __init__(self, platform: Platform, owner: Someone, testers: list[Someone]) -> None:
        self.committer: Committer = platform.service.committer
        self.owner = owner
        self.testers = testers
        self.microseconds: Samples = {}

    async def ask(self, name: str, use_case: UseCase) -> Reply:
        began = time.process_time()
        reply = await self.committer.submit(use_case, Context(CONSOLE))
        self.microseconds.setdefault(name, []).append((time.process_time() - began) * 1e6)
        return reply

    async def post(self, slots: int) -> UUID:
        job_id = new_id()
        await self.ask("post", create_job(job_id, self.owner.id, some_terms(slots)))
        return job_id

    async def work(self, job_id: UUID, tester: Someone, forget: Callable[[], None] = lambda: None) -> None:
        """Take, start and submit, each after whatever has to be forgotten."""
        assignment, public_id = new_id(), tester.public_id
        assert public_id is not None
        taking = c.TakeSlot(assignment_id=assignment, tester_id=tester.id, tester_public_id=public_id)
        forget()
        await self.ask("take", take_slot(job_id, taking))
        forget()
        await self.ask("start", command_assignment(job_id, c.StartTask(assignment_id=assignment)))
        forget()
        await self.ask("submit", submit_task(job_id, assignment, ANSWERS, None))

    async def manage(self, job_id: UUID, target: int, forget: Callable[[], None] = lambda: None) -> None:
        """Pause, resume and resize to one slot more."""
        forget()
        await self.ask("pause", command_job(job_id, c.PauseJob(), status_body))
        forget()
        await self.ask("resume", command_job(job_id, c.ResumeJob(), status_body))
        forget()
        await self.ask("resize", resize_job(job_id, target + 1))

    def medians(self) -> Mapping[str, float]:
        return {name: round(median(each), 1) for name, each in self.microseconds.items()}


def _reported(title: str, goal: float, small: Side, large: Side, compared_with: str) -> dict[str, Any]:
    """The command that grew most is the one that has to reach the goal."""
    few, many = small.medians(), large.medians()
    ratios = {name: round(many[name] / few[name], 3) for name in few}
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "title": f"{title}: {worst}, the one that grew most",
        "unit": "us of CPU a command",
        "tallyhold": {"median": many[worst], "samples": list(many.values())},
        compared_with: {"median": few[worst], "samples": list(few.values())},
        "by_command": ratios,
        "ratios": list(ratios.values()),
        "ratio": ratios[worst],
        "goal": goal,
        "met": ratios[worst] <= goal,
    }


# -- the log -----------------------------------------------------------------------------------------------------------


def log_growth(long: Database, short: Database) -> dict[str, Any]:
    """Post, take, start and submit at the ends of two logs, by turns."""
    with ExitStack() as stack:
        sides = {name: _side_of(stack, database) for name, database in (("short log", short), ("long log", long))}

        async def story() -> None:
            for side in sides.values():
                side.committer.start()
                await side.committer.catch_up()
            for number in range(COMMANDS):
                for side in sides.values():
                    await side.work(await side.post(SMALL), side.testers[number % len(side.testers)])
            for side in sides.values():
                await side.committer.close()

        asyncio.run(story())
    return _reported("a command on a long log", GOAL_LOG, sides["short log"], sides["long log"], "short log")


def _side_of(stack: ExitStack, database: Database) -> Side:
    with History(database, now_milliseconds()) as history:
        (owner,), testers = history.people(Role.OWNER, 1), history.people(Role.TESTER, COMMANDS)
    return Side(stack.enter_context(closing(Platform(database))), owner, testers)


# -- the job -----------------------------------------------------------------------------------------------------------


def job_growth(database: Database, *, is_cold: bool) -> dict[str, Any]:
    """Commands on jobs of 10 slots, half of them done, and on one of 10,000, most of them done, by turns."""
    times = COLD if is_cold else COMMANDS
    with History(database, now_milliseconds()) as history:
        (owner,), testers = history.people(Role.OWNER, 1), history.people(Role.TESTER, LARGE)
        small = [_half_done(history, owner, SMALL, SMALL // 2, testers) for _ in range(times)]
        large = _half_done(history, owner, LARGE, LARGE - times - 1, testers)
        other = _half_done(history, owner, LARGE, LARGE - 1, testers)
    platform = Platform(database)
    sides = {f"{slots} slots": Side(platform, owner, testers) for slots in (SMALL, LARGE)}
    few, many = sides.values()
    stalls: dict[str, float] = {}

    async def story() -> None:
        few.committer.start()
        await few.committer.catch_up()
        forget = few.committer._cache.clear if is_cold else lambda: None
        for job in (large, other, *small):
            await _load(few.committer, job)
        for number, job in enumerate(small):
            await few.work(job, testers[-1 - number], forget)
            await many.work(large, testers[-1 - number], forget)
            await few.manage(job, SMALL, forget)
            await many.manage(large, LARGE + number, forget)
        for job, name, decision in (
            (large, "approve", command_job(large, c.ApproveJob(), settlement_body)),
            (other, "dispute", dispute_job(other, EVERYBODY, NO_WORDS)),
        ):
            stalls.update(await _settled(many, job, name, decision, forget))
        await few.committer.close()

    with closing(platform):
        asyncio.run(story())
    kind = "cold" if is_cold else "warm"
    title = f"a command on a job of 10,000 slots, {kind}"
    return {**_reported(title, GOAL_JOB, few, many, f"{SMALL} slots"), "linear_ms": stalls}


def _half_done(history: History, owner: Someone, slots: int, done: int, testers: list[Someone]) -> UUID:
    """A job of so many slots, of which so many were handed in."""
    job = history.job(owner, some_terms(slots))
    for tester in testers[:done]:
        assignment = history.take(job, tester)
        history.start(job, assignment, tester)
        history.submit(job, assignment, tester)
    history.forget(job)
    return job


async def _load(committer: Committer, job: UUID) -> None:
    """Let the committer have the job at hand: an active job that is resumed stays as it is."""
    await committer.submit(command_job(job, c.ResumeJob(), status_body), Context(CONSOLE))


EVERYBODY = c.DisputeJob(flags=Flags(platform_issue=True))
"""A dispute about every assignment."""
NO_WORDS = DisputeWords(None, None, ())


async def _settled(
    side: Side, job: UUID, decided: str, decision: UseCase, forget: Callable[[], None]
) -> dict[str, float]:
    """Wall milliseconds of settling and deciding a large job, while which no other command is decided."""
    took = {}
    settling = (f"settle, then {decided}", command_job(job, c.SettleJob(), settle_body))
    for name, use_case in (settling, (decided, decision)):
        forget()
        began = time.perf_counter()
        await side.committer.submit(use_case, Context(CONSOLE))
        took[name] = round((time.perf_counter() - began) * 1e3, 1)
    return took


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """On fresh logs of so many events; on a longer one, use ``log_growth`` on a file of `tests.bench.histories`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=settings.folder)))
        short, long = (database_at(stack.enter_context(settings.store.new(folder))) for _ in range(2))
        grow(short, SHORT)
        grow(long, LONG, lambda done: say(f"{done:,} of {LONG:,} events written"))
        return {**log_growth(long, short), "events": [SHORT, LONG]}


def run_job(settings: Settings, say: Say, *, is_cold: bool) -> dict[str, Any]:
    """On fresh jobs."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        return job_growth(database_at(db), is_cold=is_cold)
